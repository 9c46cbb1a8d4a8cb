"""``llmkit providers`` and ``llmkit params``: the table of hosts, and the options that one takes."""

import argparse
import json
from typing import TYPE_CHECKING

from llmkit.cli.parsing import about
from llmkit.cli.tables import show_table

if TYPE_CHECKING:
    from llmkit.provider import Provider


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments of both."""
    table = commands.add_parser(
        "providers", **about("list the providers", "llmkit providers", "llmkit providers --json")
    )
    table.add_argument("--json", action="store_true", help="as JSON")
    table.set_defaults(run=show_providers)
    text = "list the options that a provider takes"
    parameters = commands.add_parser("params", **about(text, "llmkit params openai", "llmkit params gemini --json"))
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
    show_table(("NAME", "FORMAT", "KEY", "DEFAULT MODEL", "ADDRESS"), cells)
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
    for name, option in row.parameters().items():
        print(f"{name}: {option['type']}")
        print(f"    {option['meaning']} Default: {option['default']}. Example: {json.dumps(option['example'])}")
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
