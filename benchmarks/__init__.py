"""What llmkit costs, measured beside the floor of its stack and beside the vendors' clients: `make bench`."""
