"""``llmkit models``: what a provider offers, and what it tells of it."""

import argparse
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from llmkit.cli.options import add_provider, add_where, client_of
from llmkit.cli.output import tell
from llmkit.cli.tables import show_table

if TYPE_CHECKING:
    from llmkit.response import Model

_DESCRIPTION: Final = """\
List the models that a provider offers, as it tells of them itself. Many
providers tell little: a column that would be empty is left out."""
_EXAMPLES: Final = """\
A CAPABILITY is vision, tools, thinking, or a word of the provider's own, as
the table has them. The exit code is 1 where no model fits.

examples:
  llmkit models
  llmkit models opus
  llmkit models -p gemini --thinking
  llmkit models --vision --can structured_outputs
  llmkit models -p mistral --json"""
# What people call it → what hosts do.
_COMMON: Final[Mapping[str, frozenset[str]]] = {
    "vision": frozenset({"image_input", "vision"}),
    "tools": frozenset({"tools", "function_calling", "tool_use", "tool-calling", "tool-use"}),
    "thinking": frozenset({"thinking", "reasoning"}),
}
_HEAD: Final = ("MODEL", "NAME", "READS", "WRITES", "SINCE", "CAN")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "models",
        allow_abbrev=False,
        help="list the models of a provider",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add_ = parser.add_argument
    add_("words", nargs="*", metavar="WORD", help="only those whose id or name has it")
    add_provider(parser, "whose they are")
    add_("--vision", dest="can", action="append_const", const="vision", help="only those that see pictures")
    add_("--tools", dest="can", action="append_const", const="tools", help="only those that call tools")
    add_("--thinking", dest="can", action="append_const", const="thinking", help="only those that can think first")
    add_("--can", action="append", metavar="CAPABILITY", help="only those that can do it; several: all of them")
    add_("--json", action="store_true", help="as JSON")
    add_where(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them.

    Raises:
        LLMKitError: As `Client.models`.
    """
    with client_of(arguments) as client:
        offered = client.models()
    wanted = arguments.can or ()
    found = [model for model in offered if _named(model, arguments.words) and _able(model, wanted)]
    if arguments.json:
        print(json.dumps([_facts(model) for model in found], indent=2, ensure_ascii=False))
    elif found:
        show_table(*_filled(_HEAD, [_cells(model) for model in found]))
    if not found:
        tell(_why_none(arguments.provider, offered, wanted))
    return int(not found)


def _named(model: "Model", words: Sequence[str]) -> bool:
    names = f"{model.id}\n{model.display_name}".casefold()
    return all(word.casefold() in names for word in words)


def _able(model: "Model", wanted: Sequence[str]) -> bool:
    return all(model.capabilities & _COMMON.get(word, frozenset({word})) for word in wanted)


def _why_none(provider: str, offered: Sequence["Model"], wanted: Sequence[str]) -> str:
    """Nobody should take what a provider does not tell for what its models cannot do."""
    if not wanted:
        return "no model fits"
    told = sorted({word for model in offered for word in model.capabilities})
    if not told:
        return f"no model fits: {provider} does not tell what its models can do"
    return f"no model fits: of what its models can do, {provider} tells {', '.join(told)}"


def _cells(model: "Model") -> tuple[str, ...]:
    return (
        model.id,
        "" if model.display_name == model.id else model.display_name,
        _count(model.context_window),
        _count(model.max_output),
        "" if model.created is None else f"{model.created:%Y-%m}",
        ", ".join(sorted(model.capabilities)),
    )


def _count(tokens: int | None) -> str:
    """In three digits, so that a table fits a window; ``--json`` has them all."""
    if tokens is None:
        return ""
    for unit, size in (("M", 1_000_000), ("K", 1_000)):
        if tokens >= size - size // 2000:  # else it would be rounded to 1000 of the next unit
            return f"{tokens / size:.3g}{unit}"
    return str(tokens)


def _filled(head: Sequence[str], rows: Collection[Sequence[str]]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Without the columns that have nothing in them."""
    kept = [at for at in range(len(head)) if any(row[at] for row in rows)]
    return [head[at] for at in kept], [[row[at] for at in kept] for row in rows]


def _facts(model: "Model") -> dict[str, Any]:
    return {
        "id": model.id,
        "display_name": model.display_name,
        "created": None if model.created is None else model.created.isoformat(),
        "context_window": model.context_window,
        "max_output": model.max_output,
        "capabilities": sorted(model.capabilities),
    }
