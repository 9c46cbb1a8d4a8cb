"""Write `docs/reference.md` from the docstrings: every public name, and the tables of options and hosts.

``python docs/build_reference.py`` writes it; with ``--print`` it is printed instead, which a test compares.
"""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

import llmkit
from llmkit import bulk, django, errors, history, keys, notebook, otel, testing
from llmkit.django import forms
from llmkit.request import OPTIONS
from llmkit.wire import quirks

GROUPS = {
    "The client": ("Client", "Stream", "Timeout", "RateLimit", "Request", "SupportsRequest"),
    "Messages": ("SystemMessage", "UserMessage", "AssistantMessage"),
    "Parts": ("Text", "Image", "Audio", "Video", "Document", "Thinking", "ToolCall", "ToolResult", "Refusal", "Opaque",
              "Citation"),
    "Tools": ("tool", "Tool", "ServerTool"),
    "Events": ("TextDelta", "ThinkingDelta", "ToolCallDelta"),
    "Answers": ("Response", "FinishReason", "Usage", "Price", "Model", "Embeddings"),
    "Batches": ("Batches", "BatchResults", "Batch", "BatchCounts"),
    "Hosts": ("Provider", "providers"),
}  # fmt: skip
QUIRKS = (
    quirks.Quirks,
    quirks.AnthropicMessagesQuirks,
    quirks.ModelFacts,
    quirks.OpenAIResponsesQuirks,
    quirks.OpenAIChatQuirks,
    quirks.GeminiGenerateQuirks,
)
ALIASES = ("Message", "Part", "Media", "Event", "Prompt", "Options")
DJANGO = ("get_client", "event_stream", "encode", "frame", "problem", "Problem", "End")
BULK = ("summary", "Summary", "Line", "read", "Rows")
HISTORY = ("dumps", "loads", "to_data", "from_data", "portability", "Loss")
NOTEBOOK = ("display", "table", "prompts", "frame", "plot")
KEYS = ("set", "get", "remove", "names", "profiles", "path", "stored", "load_dotenv")
OTEL = ("instrument", "uninstrument")
SECTIONS = re.compile(r"^(Attributes|Args|Returns|Raises|Example|Yields):\s*$", re.MULTILINE)
OPENING = (
    "Made from the docstrings by `make docs`. All names are importable from `llmkit`, those of the last seven sections "
    "from `llmkit.bulk`, `llmkit.django`, `llmkit.history`, `llmkit.keys`, `llmkit.notebook`, `llmkit.otel` and "
    "`llmkit.testing`, quirks "
    "from `llmkit.wire.quirks`."
)
# Nobody else calls their constructor.
MADE_INSIDE = ("Stream", "SupportsRequest", "RecordedRequest", "Batches", "BatchResults")
WIDEST = 90  # characters of a signature in one line
INTERNAL = (
    "FakeServer.number",
    "FakeServer.next_reply",
    "FakeServer.vectors",
    "FakeServer.row",
    "RateLimit.admit",
)  # what the wires ask a server for, and the engine a limit
ITEM = re.compile(r"^    (\*{0,2}\w[\w, ]*): ", re.MULTILINE)


def main() -> None:
    """Write the page, or print it."""
    page = "\n".join(lines()).rstrip() + "\n"
    if "--print" in sys.argv:
        sys.stdout.write(page)
    else:
        (Path(__file__).parent / "reference.md").write_text(page)


def lines() -> list[str]:
    """The page."""
    found = ["# Reference", "", OPENING, ""]
    for title, names in GROUPS.items():
        found += [f"## {title}", ""]
        for name in names:
            found += described(name, getattr(llmkit, name))
    for cls in QUIRKS:
        found += described(cls.__name__, cls, members=False)
    found += ["## Options", "", *options()]
    found += ["## Errors", "", *docstring(errors.__doc__ or "")]
    for name in sorted(vars(errors)):
        cls = getattr(errors, name)
        if inspect.isclass(cls) and issubclass(cls, errors.LLMKitError):
            found += described(name, cls, members=False)
    found += ["## Rows", "", *rows()]
    found += module(bulk, BULK)
    found += module(django, DJANGO)
    for cls in (django.MessagesField, forms.UploadField):
        found += described(cls.__name__, cls, members=False)
    found += module(history, HISTORY)
    found += module(keys, KEYS)
    found += module(notebook, NOTEBOOK)
    found += module(otel, OTEL)
    found += module(testing, [name for name in testing.__all__ if callable(getattr(testing, name))])
    found += ["### `FAULTS`", "", "What `FakeServer.fault` can do:", ""]
    found += [*(f"- `{name}`: {meaning}" for name, meaning in testing.FAULTS.items()), ""]
    found += [
        "## For annotations",
        "",
        f"`{'`, `'.join(ALIASES)}`: unions and typed dicts for your own signatures.",
        "",
    ]
    return found


def module(thing: ModuleType, names: Iterable[str]) -> list[str]:
    """A module, and what it offers."""
    found = [f"## `{thing.__name__}`", "", *docstring(thing.__doc__ or "")]
    for name in names:
        found += described(name, getattr(thing, name))
    return found


def described(name: str, thing: Any, *, members: bool = True) -> list[str]:
    """A class with its methods, or a function."""
    found = [f"### `{name}`", ""]
    if name not in MADE_INSIDE and (shown := signature(thing)) is not None:
        found += ["```text", f"{name}{shown}", "```", ""]
    found += docstring(inspect.getdoc(thing) or "")
    if inspect.isclass(thing) and members:
        for member, value in public_members(thing):
            if f"{name}.{member}" in INTERNAL:
                continue
            found += [f"#### `{name}.{member}`", ""]
            function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if inspect.isfunction(function):
                found += ["```text", f"{member}{signature(function)}", "```", ""]
            found += docstring(inspect.getdoc(value) or "")
    return found


def public_members(cls: type) -> list[tuple[str, Any]]:
    """Methods and properties with a docstring of their own, in their order; those of a private base included."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("llmkit"):
            found |= {name: value for name, value in vars(base).items() if not name.startswith("_")}
    kinds = (property, classmethod, staticmethod)
    return [
        (name, value)
        for name, value in found.items()
        if (inspect.isfunction(value) or isinstance(value, kinds)) and inspect.getdoc(value)
    ]


def signature(thing: Any) -> str | None:
    """Names, types and defaults, one a line where they are many; None for an exception."""
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return None
    found = inspect.signature(thing)
    shown = []
    star = False
    for parameter in found.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        prefix = {parameter.VAR_KEYWORD: "**", parameter.VAR_POSITIONAL: "*"}.get(parameter.kind, "")
        shown.append(f"{prefix}{parameter.name}{annotated(parameter)}")
    result = "" if inspect.isclass(thing) else returned(found.return_annotation)
    one = f"({', '.join(shown)}){result}"
    return one if len(one) <= WIDEST else "(\n" + "".join(f"    {item},\n" for item in shown) + f"){result}"


def annotated(parameter: inspect.Parameter) -> str:
    """Its type and its default."""
    kind = "" if parameter.annotation is parameter.empty else f": {type_of(parameter.annotation)}"
    if parameter.default is parameter.empty:
        return kind
    default = default_of(parameter.default)
    return f"{kind} = {default}" if kind else f"={default}"


def returned(annotation: Any) -> str:
    """What a function returns."""
    return "" if annotation is inspect.Signature.empty else f" -> {type_of(annotation)}"


MODULES = re.compile(
    r"\b(?:llmkit|typing|collections\.abc|datetime|decimal|requests|types|django)(?:\.[a-z_]\w*)*\.(?=[A-Z])"
)
UNPACKED = re.compile(r"\*<class '(?:\w+\.)*(\w+)'>|Unpack\[(\w+)\]")
FORWARD = re.compile(r"ForwardRef\('([^']*)'[^)]*\)")


def type_of(annotation: Any) -> str:
    """A type as one would write it: without modules, and unions by their name."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = UNPACKED.sub(r"\1\2", FORWARD.sub(r"\1", MODULES.sub("", text)))
    for name in ("Event", "Part", "Message", "Media"):
        text = text.replace(MODULES.sub("", str(getattr(llmkit, name))), name)
    return text


def default_of(value: Any) -> str:
    """A default as one would write it."""
    if isinstance(value, attrs.Factory) or value is attrs.NOTHING:  # type: ignore[arg-type]
        return "…"
    return getattr(value, "__name__", None) or repr(value)


def docstring(text: str) -> list[str]:
    """A docstring in Markdown: its sections as lists, its indented blocks as they are."""
    text = inspect.cleandoc(text).replace("``", "`")
    found: list[str] = []
    pieces = SECTIONS.split(text)
    found += [block(pieces[0]), ""]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        found += [f"**{title}**", "", section(body), ""]
    return found


INDENTED = re.compile(r"::\n\n((?:    .*\n?|\n)+)")


def block(text: str) -> str:
    """Prose; a paragraph that ends in `::` and what is indented below it become a block of code."""

    def fenced(found: re.Match[str]) -> str:
        return f":\n\n```text\n{textwrap.dedent(found[1]).rstrip()}\n```\n\n"

    found = INDENTED.sub(fenced, text.strip() + "\n").replace("\n:\n", "\n").strip()
    return found.removeprefix(":").strip()


def section(body: str) -> str:
    """The items of a section as a list; a section without items as prose."""
    body = textwrap.indent(textwrap.dedent(body.strip("\n")), "    ")
    if not ITEM.search(body):
        return block(textwrap.dedent(body))
    items = ITEM.split(body)
    pairs = zip(items[1::2], items[2::2], strict=True)
    return "\n".join(f"- `{name.strip()}`: {' '.join(text.split())}" for name, text in pairs)


def options() -> list[str]:
    """The table of options."""
    head = [
        "For `complete`, `stream`, `count_tokens`, `with_options` and `Request`.",
        "None is the same as leaving one out, but for `timeout`.",
        "",
        "| option | takes | meaning | default |",
        "| --- | --- | --- | --- |",
    ]
    cells = ((f"`{name}`", row.type, row.meaning, row.default) for name, row in OPTIONS.items())
    return [*head, *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells), ""]


def _key(row: llmkit.Provider) -> str:
    names = "` or `".join(row.key_variables) or "none"
    return names if row.needs_key else f"none needed` or `{names}"


def rows() -> list[str]:
    """The table of hosts."""
    head = ["| name | wire | key | default model |", "| --- | --- | --- | --- |"]
    cells = ((row.name, row.wire, _key(row), row.default_model or "none") for row in llmkit.providers())
    return [*head, *(f"| `{'` | `'.join(row)}` |" for row in cells), ""]


if __name__ == "__main__":
    main()
