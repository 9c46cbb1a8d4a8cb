"""Many prompts at once: what `Client.map` is made of, and what reads its results."""
