"""Answers and their parts as Markdown, for people. Pure.

What a model wrote is hostile: none of its HTML is let through.
"""

import html
import json
import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final, assert_never

from llmkit.messages import (
    Audio,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from llmkit.response import Response

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$>])")


def of_response(response: Response[Any]) -> str:
    """An answer: what was thought, folded; what was said; what is to be called."""
    blocks: list[str] = []
    for kind, run in groupby(response.message.content, type):
        if kind is Text:
            blocks.append(neutral("".join(part.text for part in run if isinstance(part, Text))))
        else:
            blocks += map(of_part, run)
    return joined(blocks)


def of_part(part: Part) -> str:  # noqa: PLR0911 - a kind of part each
    """One part."""
    match part:
        case Text(text=text):
            return neutral(text)
        case Thinking():
            return _folded("Thinking", neutral(part.text)) if part.text else ""
        case ToolCall():
            return f"**{escaped(part.name)}**\n\n{fenced(arguments_of(part), 'json')}"
        case ToolResult():
            return "\n\n".join([f"**{escaped(part.name)}**", *map(of_part, part.content)])
        case Refusal(text=text):
            return neutral(text)
        case Image() | Audio() | Video() | Document():
            return f"*{escaped(repr(part))}*"
        case Opaque():
            return _folded(str(part.data.get("type", "block")), fenced(as_json(part.data), "json"))
        case _:
            assert_never(part)


def arguments_of(call: ToolCall) -> str:
    """A call's arguments as the JSON that people read; what the model wrote, where that is none."""
    return as_json(call.arguments) if call.raw is None else call.raw


def as_json(value: object) -> str:
    """JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def neutral(text: str) -> str:
    """A model's Markdown, without what a browser would run."""
    return text.replace("<", "&lt;")


def escaped(text: str) -> str:
    """Words that stand as they are, in one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def fenced(text: str, language: str = "") -> str:
    """A block of code, whatever is in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>\n\n{body}\n\n</details>"


def joined(blocks: Iterable[str]) -> str:
    """Blocks, one under the other."""
    return "\n\n".join(filter(None, blocks))
