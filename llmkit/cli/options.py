"""The options that commands share: who is asked, and how."""

import argparse
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from llmkit.client import Client
    from llmkit.request import Options

PROVIDER: Final = "anthropic"


def add_who(parser: argparse.ArgumentParser) -> None:
    """Declare those that say who is asked."""
    add_ = parser.add_argument
    add_provider(parser, "who is asked, also as provider:model")
    add_("-m", "--model", help="which model answers (default: the provider's row names one)")
    add_("-s", "--system", help="instructions")


def add_provider(parser: argparse.ArgumentParser, text: str) -> None:
    """Declare the one that names the provider."""
    parser.add_argument("-p", "--provider", default=PROVIDER, help=f"{text} (default: {PROVIDER})")


def add_how(parser: argparse.ArgumentParser) -> None:
    """Declare those that say how."""
    add_ = parser.add_argument
    add_("--max-tokens", type=int, metavar="N", help="tokens of the answer, at most")
    add_("--temperature", type=float, metavar="T", help="how freely words are chosen")
    add_where(parser)


def add_where(parser: argparse.ArgumentParser) -> None:
    """Declare those that say over which line, and with which key."""
    add_ = parser.add_argument
    add_("--timeout", type=float, metavar="SECONDS", help="how long to wait for anything at all")
    add_("--base-url", metavar="URL", help="another address of the provider")
    add_("--profile", metavar="PROFILE", help="take the key from this set of those that llmkit keys stores")


def add_showing(parser: argparse.ArgumentParser) -> None:
    """Declare those that say how answers are shown."""
    add_ = parser.add_argument
    add_("--plain", action="store_true", help="show no Markdown, also in a terminal")
    add_("--thinking", action="store_true", help="leave what the model thinks above the answer, in a terminal")


def client_of(arguments: argparse.Namespace, **more: Any) -> "Client":
    """A client as they say.

    Raises:
        ConfigurationError: As `Client`.
    """
    from llmkit.client import Client  # noqa: PLC0415 - with the network, which --help needs not

    limits = {} if arguments.timeout is None else {"timeout": arguments.timeout}
    return Client(arguments.provider, base_url=arguments.base_url, profile=arguments.profile, **limits, **more)


def options_of(arguments: argparse.Namespace) -> "Options":
    """The options of each call."""
    return {
        "model": arguments.model,
        "system": arguments.system,
        "max_tokens": arguments.max_tokens,
        "temperature": arguments.temperature,
    }
