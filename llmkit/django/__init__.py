"""llmkit in a Django project."""
