"""llmkit in a Jupyter notebook: `%load_ext llmkit`, tables, plots."""
