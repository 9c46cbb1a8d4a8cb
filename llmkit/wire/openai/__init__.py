"""What the two wire formats of OpenAI share."""
