"""Answers and their parts as Markdown, for people in front of a page. Pure.

What a model wrote is harmless there: see `llmkit.display.harmless`.
"""

import html
import json
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final, TypeAlias, assert_never
from urllib.parse import quote

from llmkit.display import players
from llmkit.display.controls import cut, shown
from llmkit.display.harmless import harmless
from llmkit.media import Audio, Document, Image, Video
from llmkit.messages import Citation, Opaque, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from llmkit.response import Response

_SPECIAL: Final = re.compile(r"[\\`*_\[\]<>|~$&]")
_NAME: Final = re.compile(r"[\w.-]+")
_QUOTED: Final = 200  # characters of a source's passage
READ: Final = 10_000
"""Characters of a call's arguments, and of its result."""
TITLE: Final = 200
"""Characters of a tool's name."""
_Key: TypeAlias = tuple[str | None, str | None, int | None]


def of_response(response: Response[Any]) -> str:
    """An answer: what was thought, folded; what was said, with its sources; calls of tools; pictures and sounds."""
    return of_content(response.message.content)


def of_content(content: Sequence[Part]) -> str:
    """All parts of a message."""
    sources = Sources()
    blocks: list[str] = []
    for kind, run in groupby(content, type):
        parts = [*run]
        texts = [part for part in parts if isinstance(part, Text)]
        blocks += [sources.cited(texts)] if kind is Text else [of_part(part) for part in parts]
    return joined(blocks)


def of_part(part: Part) -> str:
    """One part; "" where there is nothing to read."""
    match part:
        case Text():
            found = Sources().cited([part])
        case Thinking(text=text):
            found = folded("Thinking", harmless(text)) if text else ""
        case ToolCall():
            found = joined([f"⚙ {_named(part.name)}", fenced(arguments_of(part), "json")])
        case ToolResult():
            found = _result(part)
        case Refusal(text=text):
            found = quoted(f"**Refused:** {harmless(text)}")
        case Image() | Audio() | Video() | Document():
            found = f"<div>{players.of_medium(part)}</div>"
        case Opaque():
            found = folded(str(part.data.get("type", part.wire)), fenced(as_json(part.data), "json"))
        case _:
            assert_never(part)
    return found


class Sources:
    """Where an answer's passages come from, numbered from 1 as they are named first."""

    def __init__(self) -> None:
        self._known: dict[_Key, tuple[int, Citation]] = {}

    def cited(self, texts: Sequence[Text], coming: str = "") -> str:
        """Texts that follow each other, with the numbers of their sources; these in a list below.

        Args:
            texts: They were said.
            coming: What was said behind them and is not whole.
        """
        used: dict[int, Citation] = {}
        pieces: list[str] = []
        for text in texts:
            found = dict(map(self._numbered, text.citations))
            used |= found
            pieces.append(_marked(text.text, "".join(f"[{number}]" for number in found)))
        said = harmless("".join([*pieces, coming]))
        return joined([said, "\n".join(_source(*pair) for pair in sorted(used.items(), key=lambda pair: pair[0]))])

    def _numbered(self, citation: Citation) -> tuple[int, Citation]:
        key = (citation.url, citation.title, citation.document)
        return self._known.setdefault(key, (len(self._known) + 1, citation))


def _marked(text: str, mark: str) -> str:
    """`mark` behind the last word."""
    words = text.rstrip()
    apart = "\n\n" if words.endswith(("```", "~~~")) else ""
    return f"{words}{apart}{mark}{text[len(words) :]}" if mark else text


def _source(number: int, citation: Citation) -> str:
    name = citation.title or citation.url or ("" if citation.document is None else f"document {citation.document + 1}")
    address = citation.url or ""
    if address.startswith(("https://", "http://")):
        link = f"[{escaped(name)}]({quote(address, safe=_OF_ADDRESSES)})"
    else:
        link = escaped(name)
    passage = citation.text if len(citation.text) <= _QUOTED else f"{citation.text[: _QUOTED - 1]}…"
    return f"{number}. {' '.join(filter(None, [link, f'“{escaped(passage)}”' if passage.strip() else '']))}"


_OF_ADDRESSES: Final = "/:?#@!$&+,;=%~"


def _result(result: ToolResult) -> str:
    said = result.text
    told = fenced(cut(said, READ)) if said else ""
    title = f"{'✗' if result.is_error else '↳'} {_named(result.name or 'result')}"
    return joined([title, told, *(of_part(part) for part in result.content if not isinstance(part, Text))])


def _named(name: str) -> str:
    name = cut(name, TITLE)
    return f"`{name}`" if _NAME.fullmatch(name) else escaped(name)


def arguments_of(call: ToolCall) -> str:
    """A call's arguments as JSON for people, or its beginning; what the model wrote, where that is none."""
    return cut(as_json(call.arguments) if call.raw is None else call.raw, READ)


def as_json(value: object) -> str:
    """JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def escaped(text: str) -> str:
    """Words that stand as they are, in one line."""
    return _SPECIAL.sub(lambda sign: f"&#{ord(sign[0])};", " ".join(shown(text).split()))


def fenced(text: str, language: str = "") -> str:
    """A block of code, harmless as a model's own."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return harmless(f"{fence}{language}\n{text}\n{fence}")


def folded(title: str, body: str) -> str:
    """Shown when it is clicked on."""
    return f"<details><summary>{html.escape(shown(title))}</summary>\n\n{body}\n\n</details>"


def quoted(body: str) -> str:
    """With a bar on its left."""
    return "\n".join(f"> {line}" for line in body.split("\n"))


def joined(blocks: Iterable[str]) -> str:
    """Blocks, one under the other."""
    return "\n\n".join(filter(None, blocks))
