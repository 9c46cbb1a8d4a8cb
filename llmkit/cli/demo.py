"""``llmkit demo``: what llmkit does, shown without a key and without a network."""

import argparse
import sys
from pathlib import Path
from typing import Final

from llmkit.cli.parsing import about

WORD_SECONDS: Final = 0.02
PROVIDERS: Final = ("anthropic", "openai", "openai-chat", "gemini")  # one of each format
_INTRODUCTION: Final = """\
llmkit demo: no key and no network: answers come from a server in this process,
scripted. What is sent and read is real HTTP, as it would be with a provider.
Each piece of code below is what runs.

    from llmkit import Client, Image, IncompleteStreamError, Tool, UserMessage

    client = Client("anthropic")  # then "openai", "openai-chat" and "gemini": four formats, the same code
"""
_GOODBYE: Final = """\
== With a real key ==

    export ANTHROPIC_API_KEY=…
    {command} ask "Why is the sky blue?"
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments: there are none."""
    text = "show what llmkit does, without a key and without a network"
    parser = commands.add_parser("demo", **about(text, "llmkit demo"))
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Show every scene."""
    from llmkit.cli.scenes import SCENES  # noqa: PLC0415 - with all of llmkit, which --help needs not
    from llmkit.testing import FakeServer  # noqa: PLC0415

    print(_INTRODUCTION)
    with FakeServer() as server:
        # With a terminal one sees the words arrive; else nobody waits.
        server.delay = WORD_SECONDS if sys.stdout.isatty() else 0.0
        clients = {name: server.client(name) for name in PROVIDERS}
        for number, scene in enumerate(SCENES, 1):
            print(f"== {number}. {scene.title} ==\n\n{scene.code()}")
            for name, client in clients.items():
                print(f"{name}:")
                scene.script(server)
                scene.play(client)
                print()
    print(_GOODBYE.format(command=_command()), end="")
    return 0


def _command() -> str:
    """How this command can be called again: by its name where it is found, else as it was."""
    from shutil import which  # noqa: PLC0415 - only here

    if which("llmkit"):
        return "llmkit"
    called = Path(sys.argv[0])
    return str(called) if called.name == "llmkit" else "python -m llmkit"
