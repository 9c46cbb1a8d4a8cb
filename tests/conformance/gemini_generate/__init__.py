"""What the recordings of the wire `gemini-generate` are held against."""
