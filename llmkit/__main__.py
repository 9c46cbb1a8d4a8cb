"""``python -m llmkit``: the command `llmkit`."""

import sys

from llmkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
