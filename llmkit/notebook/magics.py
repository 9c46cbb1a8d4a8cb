"""``%load_ext llmkit``: the magics ``%%llm``, which asks what stands in a cell, and ``%llm``, for one line.

What is between IPython and llmkit is here: names of the notebook, and errors as a notebook shows them.
"""

import re
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from keyword import iskeyword
from token import DEDENT, INDENT
from tokenize import TokenInfo
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from attrs import frozen
from IPython.core.inputtransformer2 import EscapedCommand
from IPython.core.magic import no_var_expand

from llmkit.chat import Chat
from llmkit.client import Client
from llmkit.errors import ConfigurationError, LLMKitError, UnknownProviderError
from llmkit.notebook.arguments import Line, parsed, parser
from llmkit.notebook.filling import filled
from llmkit.notebook.frames import conversation_of
from llmkit.provider import provider

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from llmkit.response import Response
    from llmkit.stream import Stream

NAME: Final = "llm"
LAST: Final = "_llm"
"""The variable of the last answer."""
_PROVIDER: Final = "anthropic"  # as of `llmkit ask`
_QUESTION: Final = re.compile(rf"%{NAME}[ \t]+\S.*\?\s*$")
_OPTIONS: Final = ("model", "system", "max_tokens", "temperature", "reasoning", "timeout")


def load(shell: "InteractiveShell") -> None:
    """Have `shell` know the magics; as ``%load_ext llmkit``."""
    shell.magics_manager.register_function(Magic(shell).llm, "line_cell", NAME)
    shell.input_transformer_manager.token_transformers.append(Question)


def unload(shell: "InteractiveShell") -> None:
    """Have it forget them; as ``%unload_ext llmkit``."""
    for known in shell.magics_manager.magics.values():
        known.pop(NAME, None)
    shell.input_transformer_manager.token_transformers.remove(Question)


class Question(EscapedCommand):
    """A line of ``%llm`` that ends in a question mark, which asks: IPython would look for help instead."""

    priority = 1  # before that

    @classmethod
    def find(cls, tokens_by_line: Iterable[Sequence[TokenInfo]]) -> "Question | None":
        """The first one in a cell; none in a text of the cell's."""
        for tokens in tokens_by_line:
            first = next((token for token in tokens if token.type not in (INDENT, DEDENT)), None)
            if first is not None and _QUESTION.match(first.line, first.start[1]):
                return cls(first.start)
        return None


class Magic:
    """The magics of one notebook.

    Args:
        shell: Who has the variables.
    """

    def __init__(self, shell: "InteractiveShell") -> None:
        self._shell = shell
        self._clients: dict[str, Client] = {}  # by what names them, so that connections are used again
        self._chats: WeakKeyDictionary[Chat, Client] = WeakKeyDictionary()  # those begun here, and who is asked
        self._held = parsed("", self._names_somebody)

    @no_var_expand
    def llm(self, line: str, cell: str | None = None) -> None:
        """Ask a model; set below."""
        try:
            self._run(line, cell)
        except (LLMKitError, KeyboardInterrupt) as error:
            _show_plainly(error)
            raise

    llm.__doc__ = parser().format_help()

    def _run(self, line: str, cell: str | None) -> None:
        said = parsed(line, self._names_somebody if cell is None else lambda _: True)
        prompt = said.prompt if cell is None else cell.strip("\n")
        if said.options.help:
            print(parser().format_help())  # noqa: T201 - what is asked for
        elif cell is not None and said.prompt:
            raise ConfigurationError(f"%%llm: {said.prompt:.40}: what is asked stands below this line, not in it")
        elif prompt.strip():
            self._ask(said, prompt)
        elif cell is not None:
            raise ConfigurationError("%%llm: nothing is asked: the cell is empty")
        else:
            self._hold(said)

    def _hold(self, said: Line) -> None:
        """Have it hold for all that follow; say what holds."""
        if said.who is not None:
            self._client(said.who)  # to hear now that it cannot be one
        if said.who is not None or said.said:
            self._held = said
        told = (f"{name}={value!r}" for name, value in self._held.said.items())
        print(f"%llm: {self._held.who or _PROVIDER}", *told)  # noqa: T201 - likewise

    def _joined(self, said: Line) -> Line:
        """What is said, and of what holds all else."""
        options = Namespace(**{**vars(said.options), **self._held.said, **said.said})
        return Line(said.who or self._held.who, options, said.prompt)

    def _ask(self, said: Line, template: str) -> None:
        joined = self._joined(said)
        wanted, names = joined.options, self._shell.user_ns
        for name in filter(None, (wanted.output, wanted.chat)):
            if not name.isidentifier() or iskeyword(name):
                raise ConfigurationError(f"{name!r} is no name of a variable")
        prompt = template if wanted.raw else conversation_of(template, names)
        output_type = self._type(wanted.type)
        chat = self._known_chat(wanted.chat, said.who)
        options = self._options(joined if chat is None else said, names)  # a chat has its own
        asked: Client | Chat
        if chat is None and (wanted.chat or wanted.tool):
            asked = self._new_chat(wanted.chat, self._client(joined.who or _PROVIDER), options)
        else:
            asked = chat or self._client(joined.who or _PROVIDER)
        self._keep(wanted, self._answer(asked.stream(prompt, output_type=output_type, **options), wanted))

    def _answer(self, stream: "Stream[Any]", wanted: Namespace) -> "Response[Any]":
        """The answer, shown as it arrives; what has come of one that breaks off is kept all the same."""
        try:
            with stream:
                return stream.collect() if wanted.quiet else stream.display()
        except LLMKitError as error:
            if error.partial is not None:
                self._keep(wanted, error.partial)
            raise
        except KeyboardInterrupt as interrupt:
            self._keep(wanted, stream.snapshot)
            raise KeyboardInterrupt(f"interrupted; what had come is in {wanted.output or LAST}") from interrupt

    def _keep(self, wanted: Namespace, response: "Response[Any]") -> None:
        self._set(LAST, response)
        if wanted.output:
            self._set(wanted.output, response)

    def _set(self, name: str, value: object) -> None:
        self._shell.push({name: value})  # type: ignore[no-untyped-call]

    def _options(self, said: Line, names: Mapping[str, Any]) -> dict[str, Any]:
        wanted = said.options
        found = {name: value for name in _OPTIONS if (value := getattr(wanted, name)) is not None}
        if "system" in found and not wanted.raw:
            found["system"] = filled(found["system"], names)
        if wanted.tool:
            found["tools"] = [self._named(name, "--tool") for name in wanted.tool]
        if wanted.attach:
            found["media"] = [thing for word in wanted.attach for thing in self._attached(word)]
        return found

    def _attached(self, word: str) -> list[Any]:
        """A path or a URL as it is; of ``{name}`` what the notebook has, which may be several."""
        if not (word.startswith("{") and word.endswith("}")):
            return [word]
        found = self._named(word[1:-1].strip(), "--attach")
        return [*found] if isinstance(found, list) else [found]

    def _named(self, name: str, option: str) -> Any:
        if name not in self._shell.user_ns:
            raise ConfigurationError(f"{option}: there is no variable {name!r}")
        return self._shell.user_ns[name]

    def _type(self, text: str | None) -> Any:
        """The type that an expression of the notebook's names."""
        if text is None:
            return None
        try:
            return self._shell.ev(text)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise ConfigurationError(f"--type: {text}: {type(error).__name__}: {error}") from error

    def _known_chat(self, name: str | None, who: str | None) -> Chat | None:
        """The chat in that variable, which goes on; None where there is none."""
        found = self._shell.user_ns.get(name) if name else None
        if found is None:
            return None
        if not isinstance(found, Chat):
            raise ConfigurationError(f"--chat: {name} is a {type(found).__name__}, no chat")
        if who is not None and self._chats.get(found) is not self._client(who):
            raise ConfigurationError(
                f"--chat: {name} goes on with whom it began with: name nobody, or "
                f"{name} = Client(…).chat(history={name}.messages) to move it"
            )
        return found

    def _new_chat(self, name: str | None, client: Client, options: Mapping[str, Any]) -> Chat:
        """A chat, which has the options for its own, in that variable."""
        found = client.chat(**{each: value for each, value in options.items() if each != "media"})
        self._chats[found] = client
        if name:
            self._set(name, found)
        return found

    def _client(self, who: str) -> Client:
        """The client of the notebook's under that name, else one of that provider, always the same."""
        found = self._shell.user_ns.get(who)
        if isinstance(found, Client):
            return found
        if who not in self._clients:
            self._clients[who] = Client(who)
        return self._clients[who]

    def _names_somebody(self, word: str) -> bool:
        if isinstance(self._shell.user_ns.get(word), Client):
            return True
        try:
            provider(word.partition(":")[0])
        except UnknownProviderError:
            return False
        return True


@frozen
class _Plainly:
    """How IPython is to show an error: its first line, as nobody looks for a mistake in llmkit's frames.

    Attributes:
        text: What is shown.
    """

    text: str

    def __call__(self) -> list[str]:
        return [self.text]


def _show_plainly(error: BaseException) -> None:
    told = str(error) or "interrupted before an answer came"
    error._render_traceback_ = _Plainly(f"{type(error).__name__}: {told}")  # type: ignore[attr-defined]
