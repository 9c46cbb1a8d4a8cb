"""Files of ``NAME=value`` lines, put into the environment where somebody asks for that.

Source: https://saurabh-kumar.com/python-dotenv/reference/ - without references to other variables.
"""

import os
import re
from pathlib import Path
from typing import Final

from llmkit.errors import ConfigurationError

_LINE: Final = re.compile(
    r"""
    (?: (?:export\s++)? (?P<name>[A-Za-z_][A-Za-z0-9_.]*+) \s*+ = \s*+
        (?: '(?P<bare>[^']*)' | "(?P<escaped>(?:[^"\\]|\\.)*)" | (?P<plain>[^'"\s\#](?:\S|\s++(?!\#))*+)? ) )?
    (?: (?<!\S) \s*+\#.* | \s++\#.* )?
    """,
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}
_REFERENCE: Final = re.compile(r"\$(?:\{|[A-Za-z_])")


def load(file: Path, *, override: bool) -> list[str] | ConfigurationError:
    """Put what it says into the environment; which names those were. An error is returned: this frame has seen keys."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return ConfigurationError(f"{file}: {error.strerror or type(error).__name__}")
    except ValueError as error:  # the latter: NUL in its path
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        return ConfigurationError(f"{str(file)!r}: {reason}")
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        matched = _LINE.fullmatch(line.strip())
        if matched is None or "\0" in line:
            return ConfigurationError(f"{file}, line {number}: expected NAME=value")
        if matched["name"] is None:
            continue
        value = _value(matched)
        if value is None:
            return ConfigurationError(
                f"{file}, line {number}: it refers to another variable; write what that holds, or put it in single "
                "quotes if no variable is meant"
            )
        found[matched["name"]] = value
    wanted = {name: value for name, value in found.items() if override or name not in os.environ}
    try:
        os.environ.update(wanted)
    except UnicodeEncodeError:  # which holds the value
        return ConfigurationError(f"{file}: a value cannot stand in the environment of this locale")
    return list(wanted)


def _value(matched: "re.Match[str]") -> str | None:
    """None where it refers to another variable."""
    if matched["bare"] is not None:
        return matched["bare"]
    text = matched["plain"] or matched["escaped"] or ""
    if _REFERENCE.search(text.replace("\\$", "")):
        return None
    return text if matched["escaped"] is None else _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)
