"""``llmkit providers`` and ``llmkit params``: the table of hosts, and the options that one takes."""

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llmkit.provider import Provider

_GAP: Final = "  "


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments of both."""
    table = commands.add_parser(
        "providers", allow_abbrev=False, help="list the providers", description="List the providers."
    )
    table.add_argument("--json", action="store_true", help="as JSON")
    table.set_defaults(run=show_providers)
    text = "list the options that a provider takes"
    parameters = commands.add_parser("params", allow_abbrev=False, help=text, description=f"{text.capitalize()}.")
    parameters.add_argument("name", metavar="NAME", help="a provider, as in llmkit providers")
    parameters.add_argument("--json", action="store_true", help="as JSON")
    parameters.set_defaults(run=show_parameters)


def show_providers(arguments: argparse.Namespace) -> int:
    """Each provider with its format, its key's variable, its default model and its address."""
    from llmkit.provider import providers  # noqa: PLC0415 - which --help needs not

    rows = providers()
    if arguments.json:
        print(json.dumps([_facts(row) for row in rows], indent=2, ensure_ascii=False))
        return 0
    cells = [(row.name, row.wire, _key(row), row.default_model or "(name one)", row.base_url) for row in rows]
    for line in _aligned([("NAME", "FORMAT", "KEY", "DEFAULT MODEL", "ADDRESS"), *cells]):
        print(line)
    return 0


def show_parameters(arguments: argparse.Namespace) -> int:
    """Each option with its type, its default and its meaning.

    Raises:
        UnknownProviderError: There is no such provider.
    """
    from llmkit.provider import provider  # noqa: PLC0415 - which --help needs not

    row = provider(arguments.name)
    if arguments.json:
        print(row.parameters(as_json=True))
        return 0
    for name, about in row.parameters().items():
        print(f"{name}: {about['type']}")
        print(f"    {about['meaning']} Default: {about['default']}. Example: {json.dumps(about['example'])}")
    return 0


def _facts(row: "Provider") -> dict[str, object]:
    return {
        "name": row.name,
        "wire": row.wire,
        "base_url": row.base_url,
        "key_variables": list(row.key_variables),
        "needs_key": row.needs_key,
        "auth": row.auth,
        "default_model": row.default_model,
        "embedding_model": row.embedding_model,
        "aliases": dict(row.aliases),
        "variables": {name: list(names) for name, names in row.variables.items()},
    }


def _key(row: "Provider") -> str:
    if not row.needs_key:
        return "(none)"
    return " or ".join(row.key_variables) or "(credentials of google-auth)"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
