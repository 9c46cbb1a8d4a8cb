"""The error of this folder."""

from llmkit.errors import ConfigurationError


class CassetteError(ConfigurationError):
    """A cassette is missing or cannot be read, or has no recording for a call; trying again does not help."""
