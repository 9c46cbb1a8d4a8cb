"""Answers shown to people while they arrive, in a notebook or a terminal."""
