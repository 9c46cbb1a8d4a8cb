"""``python -m llmkit.testing``: a `FakeServer` for programs in any language, until Ctrl-C or for one command."""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.testing.control import PATH
from llmkit.testing.server import FakeServer

WRONG, NOT_FOUND, INTERRUPTED = 2, 127, 130
_SIGNALLED: Final = 128  # what shells add to the number of the signal that ended a command
_EPILOG: Final = f"""\
Without a command it prints the environment variables by which the vendors' SDKs find it, as a shell reads them, and
serves until Ctrl-C. With one it runs that with these variables, and ends with its exit code:

    python -m llmkit.testing --script answers.json -- npm test

While it serves, it is told what to answer by HTTP, see GET {PATH}.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve.

    Args:
        argv: The arguments; None for those of the process.

    Returns:
        The exit code.
    """
    arguments = _parser().parse_args(argv)
    try:
        server = FakeServer(port=arguments.port)
        if arguments.script is not None:
            server.script(_script(arguments.script))
        with server:
            return _run(arguments.command, server) if arguments.command else _serve(server)
    except ConfigurationError as error:
        print(f"llmkit.testing: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED if arguments.command else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m llmkit.testing",
        description="Serve as a provider on this machine, in all four formats, with scripted answers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="where to listen; a free port unless given")
    parser.add_argument("--script", type=Path, metavar="FILE", help="JSON or YAML: what to answer, see docs/testing.md")
    parser.add_argument("command", nargs="*", help="what to run meanwhile, after --")
    return parser


def _script(path: Path) -> Mapping[str, Any]:
    """What the file says.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"--script: {path} cannot be read: {exc}") from exc
    read = _yaml if path.suffix in (".yaml", ".yml") else json.loads
    try:
        found: Mapping[str, Any] = read(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"--script: {path}: {exc}") from exc
    return found


def _yaml(text: str) -> Any:
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise ConfigurationError("--script: YAML needs PyYAML: pip install 'llmkit[testing]'") from exc
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


def _serve(server: FakeServer) -> int:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    print(f"# listening on {server.url}, told what to answer at {server.url}{PATH}; Ctrl-C ends it")
    for name, value in server.variables.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"# llmkit reads no address from variables: llmkit ask --base-url {server.url} Hi")
    sys.stdout.flush()
    stopped.wait()
    return 0


def _run(command: Sequence[str], server: FakeServer) -> int:
    variables = {**os.environ, **server.variables, "LLMKIT_SERVER_URL": server.url}
    try:
        process = subprocess.Popen(command, env=variables)  # noqa: S603 - what the user asked for
    except OSError as exc:
        print(f"llmkit.testing: {command[0]}: {exc.strerror}", file=sys.stderr)
        return NOT_FOUND
    code = _ended(process)
    return code if code >= 0 else _SIGNALLED - code


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """The exit code of a command. It is told to end when this program is, so that it does not outlive it."""
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    with process:
        try:
            return process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
