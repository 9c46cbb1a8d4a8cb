"""What `fuzz.py` feeds to everything that reads."""
