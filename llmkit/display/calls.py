"""Tools, media and sources in a line each, as terminals show them."""

import json
from typing import Final

from llmkit.media import Media
from llmkit.messages import Citation, ToolCall

_BLANK: Final = "\u115f\u1160\u2800\u3164\uffa0"  # letters for Unicode, and nothing to the eye


def written(call: ToolCall) -> str:
    """A call as one would write it in Python, in one line, with nothing in it that is not seen."""
    if call.raw is not None:
        arguments = call.raw
    else:
        pairs = call.arguments.items()
        arguments = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False, default=repr)}" for name, value in pairs)
    line = " ".join(f"{call.name}({arguments})".split())
    # Also what makes letters change their places: somebody may have to allow the call.
    return "".join(mark if mark.isprintable() and mark not in _BLANK else f"\\u{ord(mark):04x}" for mark in line)


def medium(part: Media) -> str:
    """What stands in the place of a picture, a sound, a film or a document."""
    size = None if part.data is None else f"{len(part.data):,} bytes"
    told = (type(part).__name__.lower(), part.media_type, size, part.name or part.url or part.file_id)
    return f"[{', '.join(filter(None, told))}]"


def source(citation: Citation) -> str:
    """Where a passage comes from."""
    return " ".join(filter(None, (citation.title, citation.url))) or citation.text
