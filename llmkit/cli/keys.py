"""``llmkit keys``: the stored keys. None is ever shown, and none is taken as an argument."""

import argparse
import getpass
import hashlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Final

from llmkit.cli.output import tell
from llmkit.cli.parsing import Reticent, about, add_commands
from llmkit.errors import ConfigurationError, UnknownProviderError

if TYPE_CHECKING:
    from llmkit.provider import Provider

_DESCRIPTION: Final = """\
Keys that are stored for you alone, in profiles. They are used where neither
the environment nor the program has a key."""
_EXAMPLES: Final = """\
examples:
  llmkit keys set anthropic
  llmkit keys set openai --profile work < key.txt
  LLMKIT_PROFILE=work llmkit ask -p openai "Why is the sky blue?" """
_SHOWN: Final = 8  # digits of a fingerprint
_LARGEST: Final = 64 * 1024


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "keys",
        allow_abbrev=False,
        help="store keys",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    deeds = add_commands(parser, parser_class=Reticent)
    profile = "llmkit keys {} openai --profile work"
    for name, run, text, examples in (
        (
            "set",
            store,
            "store a key, which is asked for, or read from standard input",
            ("llmkit keys set anthropic", f"{profile.format('set')} < key.txt"),
        ),
        (
            "get",
            show,
            "tell whether there is a key, and where from; it is not shown",
            ("llmkit keys get anthropic", profile.format("get")),
        ),
        ("remove", remove, "forget a key", ("llmkit keys remove anthropic", profile.format("remove"))),
    ):
        deed = deeds.add_parser(name, **about(text, *examples))
        deed.set_defaults(run=run)
        deed.add_argument("name", metavar="NAME", help="a provider, as in llmkit providers")
        _add_profile(deed)
    text = "list the names that keys are stored under"
    names = deeds.add_parser("list", **about(text, "llmkit keys list", "llmkit keys list --profile work"))
    names.set_defaults(run=show_names)
    _add_profile(names)
    place = deeds.add_parser("path", **about("tell where they are stored", "llmkit keys path"))
    place.set_defaults(run=show_path)


def store(arguments: argparse.Namespace) -> int:
    """Store a key.

    Raises:
        ConfigurationError: There is no such provider, it takes no key, or the key is none.
    """
    from llmkit import keys  # noqa: PLC0415 - which --help needs not
    from llmkit.provider import provider  # noqa: PLC0415

    row = provider(arguments.name)
    if row.auth == "none":
        raise ConfigurationError(f"{row.name} takes no key")
    key = _asked(row.name)
    if not key:
        raise ConfigurationError("no key was told")
    keys.set(row.name, key, profile=arguments.profile)
    tell(f"the key for {row.name} {_fingerprint(key)} is stored in {keys.path()}")
    if (variable := _variable(row)) is not None:
        tell(f"{variable} of the environment is set, and goes before it")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Whether there is a key, and which one is used.

    Raises:
        ConfigurationError: There is no such provider, or the stored keys cannot be read.
    """
    from llmkit import keys  # noqa: PLC0415
    from llmkit.credentials import siblings  # noqa: PLC0415
    from llmkit.keystore import profile_of  # noqa: PLC0415
    from llmkit.provider import provider  # noqa: PLC0415

    profile = profile_of(arguments.profile)
    try:
        row = provider(arguments.name)
    except UnknownProviderError:
        if (found := keys.get(arguments.name, profile=profile)) is None:
            raise
        print(f"{arguments.name}: stored in the profile {profile} {_fingerprint(found)}")
        return 0
    variable = None if arguments.profile is not None else _variable(row)
    if variable is not None:
        print(f"{row.name}: {variable} of the environment {_fingerprint(os.environ[variable].strip())}")
    for name in (row.name, *siblings(row)):
        if (found := keys.get(name, profile=profile)) is not None:
            print(f"{name}: stored in the profile {profile} {_fingerprint(found)}")
            return 0
    if variable is None:
        tell(f"there is no key for {row.name} in the profile {profile}")
        return 1
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """Forget a key.

    Raises:
        ConfigurationError: The stored keys cannot be changed.
    """
    from llmkit import keys  # noqa: PLC0415
    from llmkit.keystore import profile_of  # noqa: PLC0415

    profile = profile_of(arguments.profile)
    if not keys.remove(arguments.name, profile=profile):
        # The name is not repeated: it may be a key, passed by mistake.
        tell(f"there is no key of that name in the profile {profile}")
        return 1
    return 0


def show_names(arguments: argparse.Namespace) -> int:
    """The profiles, and the names in each.

    Raises:
        ConfigurationError: The stored keys cannot be read.
    """
    from llmkit import keys  # noqa: PLC0415

    for profile in keys.profiles() if arguments.profile is None else [arguments.profile]:
        for name in keys.names(profile=profile):
            print(f"{profile}: {name}")
    return 0


def show_path(_: argparse.Namespace) -> int:
    """The file, whether it is there or not.

    Raises:
        ConfigurationError: Nothing tells where it would be.
    """
    from llmkit import keys  # noqa: PLC0415

    print(keys.path())
    return 0


def _add_profile(parser: argparse.ArgumentParser) -> None:
    text = "of which set of keys (default: $LLMKIT_PROFILE, or default)"
    parser.add_argument("--profile", metavar="PROFILE", help=text)


def _variable(row: "Provider") -> str | None:
    """The variable of the environment that goes before what is stored."""
    return next((name for name in row.key_variables if os.environ.get(name, "").strip()), None)


def _asked(name: str) -> str:
    """A key: from the terminal, where it is not shown, or from standard input.

    Raises:
        ConfigurationError: There is none, or the terminal would show it.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise ConfigurationError("standard input is closed: there is nobody to ask for the key")
    if not sys.stdin.isatty():
        # Not its text, as the locale would read it; what is no key is refused where it is stored.
        data = sys.stdin.buffer.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            del data
            raise ConfigurationError(f"what standard input has is no key: it is longer than {_LARGEST:,} bytes")
        return data.decode("utf-8-sig", "replace").strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"Key for {name} (not shown): ").strip()
    except (getpass.GetPassWarning, EOFError):
        pass
    raise ConfigurationError("this terminal would show the key, or has ended; pass it by standard input")


def _fingerprint(key: str) -> str:
    """What tells two keys apart, and neither of them: nobody finds a random key by its digest."""
    return f"(sha256 {hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:_SHOWN]})"
