"""Write the tables of `docs/wires.md` between their markers, each found out by asking the code.

``python docs/build_tables.py`` writes them; with ``--print`` the page is printed instead, which a test compares. No
table here says what a wire does: options are encoded and looked for in the body, answers are decoded.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from table_answers import HEAD, NONE, WIRES, reasons, table, usage

from llmkit import (
    AssistantMessage,
    Audio,
    Document,
    Image,
    Message,
    Provider,
    ToolCall,
    ToolResult,
    UserMessage,
    Video,
    providers,
    tool,
)
from llmkit.request import OPTIONS
from llmkit.resolve import resolve
from llmkit.settings import quirks_of
from llmkit.wire import wire
from llmkit.wire.base import Refuse

PAGE = Path(__file__).parent / "wires.md"
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
ROWS = {
    "anthropic-messages": "anthropic",
    "openai-responses": "openai",
    "openai-chat": "openai-chat",
    "gemini-generate": "gemini",
}


def main() -> None:
    """Write the page, or print it."""
    page = TABLE.sub(lambda found: found[1] + "\n".join(TABLES[found[2]]()) + "\n" + found[3], PAGE.read_text())
    if "--print" in sys.argv:
        sys.stdout.write(page)
    else:
        PAGE.write_text(page)


def coded(names: list[str] | set[str] | frozenset[str]) -> str:
    """Names in a cell."""
    return ", ".join(f"`{name}`" for name in names) or NONE


# ---- hosts -----------------------------------------------------------------------------------------------------------


def of_wire(name: str) -> list[Provider]:
    """The rows of a wire, its own first."""
    return sorted((row for row in providers() if row.wire == name), key=lambda row: row.name != ROWS[name])


def hosts() -> list[str]:
    """Each wire, its rows, and what they can be asked."""

    def cells() -> Iterator[list[str]]:
        for name in WIRES:
            found = wire(name)
            endpoints = {
                "complete": True,
                "stream": True,
                "count_tokens": found.encode_count,
                "models": found.encode_models,
                "embed": found.encode_embed,
                "batches": found.batches,
            }
            asked = [endpoint for endpoint, known in endpoints.items() if known]
            yield [f"`{name}`", coded([row.name for row in of_wire(name)]), coded(asked)]

    return table(["wire", "rows", "endpoints of llmkit on it"], cells())


def deviations() -> list[str]:
    """Options that a row takes and its wire's own row does not, and the other way round."""

    def cells() -> Iterator[list[str]]:
        for name in WIRES:
            own, *others = of_wire(name)
            for row in others:
                more, less = (
                    set(row.parameters()) - set(own.parameters()),
                    set(own.parameters()) - set(row.parameters()),
                )
                if more or less:
                    yield [f"`{row.name}`", coded(sorted(more)), coded(sorted(less))]

    return table(["row", "takes also", "does not take"], cells())


# ---- options ---------------------------------------------------------------------------------------------------------


@tool
def lookup(word: str) -> str:
    """Looks a word up."""
    return word


ELSEWHERE = ("model", "media", "output_retries", "timeout", "extra_headers", "extra_query", "extra_body")
NEEDED: dict[str, dict[str, Any]] = {
    "tool_choice": {"tools": [lookup]},
    "parallel_tool_calls": {"tools": [lookup], "tool_choice": "auto"},
}
TRIED: dict[str, list[tuple[str, object]]] = {
    "tools": [("`tools`", [lookup])],
    "reasoning": [("`reasoning` as a level", "medium"), ("`reasoning` as a budget", 2048)],
}
FEW = 3  # names of rows in a cell


def options() -> list[str]:
    """Where in the body each option stands."""
    tried = {name: TRIED.get(name, [(f"`{name}`", option.example)]) for name, option in OPTIONS.items()}
    return table(
        HEAD,
        [
            [label, *(_place(of_wire(found), name, value) for found in WIRES)]
            for name, values in tried.items()
            if name not in ELSEWHERE
            for label, value in values
        ],
    )


def _place(rows: list[Provider], option: str, value: object) -> str:
    """Where the first of `rows` has it; where it has not, which others have."""
    own, *others = rows
    if place := _changes(own, option, value):
        return coded(place)
    takers = [row.name for row in others if _changes(row, option, value)]
    some = coded(takers) if len(takers) <= FEW else "some rows"
    by_itself = option == "cache"  # a hint, and never refused: all hosts that take no mark do
    if by_itself:
        return f"by itself; {some}" if takers else "by itself"
    return some


def _changes(row: Provider, option: str, value: object) -> list[str]:
    """The paths in the body that it changes; none where it is refused."""
    if option not in row.parameters():
        return []
    refused: list[str] = []
    needed = NEEDED.get(option, {})
    before = body(row, **needed)
    after = body(row, refuse=lambda path, _why: refused.append(path), **needed, **{option: value})
    return [] if refused else list(dict.fromkeys(_changed(before, after, "")))


def body(row: Provider, *messages: Message, refuse: Refuse = lambda _path, _why: None, **given: Any) -> Any:
    """What would be sent."""
    model = row.default_model or "model"
    request = resolve(list(messages) or "?", given, {}, row.aliases.get(model, model))
    return json.loads(wire(row.wire).encode(request, quirks_of(row), refuse, False).body or b"{}")  # noqa: FBT003


def _changed(before: Any, after: Any, path: str) -> Iterator[str]:
    """The paths at which `after` has something else."""
    if not isinstance(after, dict):
        yield path.removesuffix(".")
        return
    known = before if isinstance(before, dict) else {}
    for key, value in after.items():
        if key not in known or value != known[key]:
            yield from _changed(known.get(key), value, f"{path}{key}.")


# ---- media -----------------------------------------------------------------------------------------------------------

PDF, TEXT = "application/pdf", "text/plain"
MEDIA: dict[str, tuple[Callable[..., Any], dict[str, str]]] = {
    "pictures": (
        Image,
        {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WebP": "image/webp", "others": "image/bmp"},
    ),
    "documents": (Document, {"PDF": PDF, "text": TEXT, "others": "application/msword"}),
    "sound": (Audio, {"WAV": "audio/wav", "MP3": "audio/mpeg", "others": "audio/flac"}),
    "film": (Video, {"MP4": "video/mp4", "others": "video/webm"}),
}
DATA = {TEXT: b"text"}  # of all others what is no text


def media() -> list[str]:
    """Which media a message and a tool's result may hold, in which formats and from where."""
    return table(
        HEAD,
        [
            [f"{kind}{place}", *(_taken(of_wire(found)[0], cls, formats, told) for found in WIRES)]
            for place, told in {"": _said, " in a tool's result": _returned}.items()
            for kind, (cls, formats) in MEDIA.items()
        ],
    )


def _said(part: Any) -> list[Message]:
    return [UserMessage([part, "?"])]


def _returned(part: Any) -> list[Message]:
    call = ToolCall("call_1", "lookup", {"word": "x"})
    return [UserMessage("?"), AssistantMessage(call), UserMessage(ToolResult("call_1", "lookup", [part]))]


def _taken(
    row: Provider, cls: Callable[..., Any], formats: dict[str, str], told: Callable[[Any], list[Message]]
) -> str:
    def taken(**given: Any) -> bool:
        refused: list[str] = []
        body(row, *told(cls(**given)), refuse=lambda path, _why: refused.append(path))
        return not refused

    kinds = [label for label, name in formats.items() if taken(data=DATA.get(name, b"\x00\xff\x01"), media_type=name)]
    some = next(iter(formats.values()))
    found = ["any" if len(kinds) == len(formats) else ", ".join(kinds)] if kinds else []
    found += ["URL"] if taken(url="https://a.example/b", media_type=some) else []
    found += ["file"] if taken(file_id="file_1", media_type=some) else []
    return "; ".join(found) or NONE


TABLES: dict[str, Callable[[], list[str]]] = {
    "hosts": hosts,
    "deviations": deviations,
    "options": options,
    "media": media,
    "reasons": reasons,
    "usage": usage,
}

if __name__ == "__main__":
    main()
