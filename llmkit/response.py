"""What comes back: a whole answer and what it cost; models and embeddings."""

from array import array
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias

from attrs import field, frozen

from llmkit.errors import OutputError
from llmkit.messages import AssistantMessage, Citation, Refusal, Text, Thinking, ToolCall

if TYPE_CHECKING:
    from decimal import Decimal

    from typing_extensions import TypeVar

    from llmkit.prices import Item, Price

    T_co = TypeVar("T_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)

Reason: TypeAlias = Literal[
    "stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other", "unfinished"
]


@frozen
class FinishReason:
    """Why the model stopped.

    Attributes:
        reason: One word for it on every wire; ``unfinished`` only in `Stream.snapshot` and `LLMKitError.partial`.
        raw: The provider's own word; None where it sends none.
        stop_sequence: Which of the `stop` strings it met.
    """

    reason: Reason
    raw: str | None = None
    stop_sequence: str | None = None


UNFINISHED: Final = FinishReason("unfinished")


@frozen
class Usage:
    """Tokens billed.

    Attributes:
        input_tokens: Tokens read, cached ones included.
        output_tokens: Tokens written, hidden reasoning included.
        cache_read_tokens: Tokens of `input_tokens` that came from the provider's cache.
        cache_write_tokens: Tokens of `input_tokens` that were put into it.
        reasoning_tokens: Tokens of `output_tokens` that were reasoning.
        raw: The provider's own object; None, and the counts 0, where it sent none: nothing is estimated.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    raw: dict[str, Any] | None = field(default=None, eq=False, repr=False)

    @property
    def total_tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: object) -> "Usage":
        """The sum of both; it has no `raw`."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )

    def __radd__(self, other: object) -> "Usage":
        """So that `sum` works, which begins with 0."""
        return self if other == 0 else NotImplemented


@frozen
class Unfit:
    """In place of an output: why there is none.

    Attributes:
        problem: What is wrong and what to do, in words.
        path: Where in the answer's JSON.
        fault: What the model can mend, if asked again; "" where it is nothing of that kind.
    """

    problem: str
    path: str = "$"
    fault: str = ""


@frozen
class Tariff:
    """Whose prices hold for an answer: what its cost is found by, if somebody asks.

    Attributes:
        host: The provider of genai-prices; None where it has none.
        table: The caller's own prices, which win.
        asked: The model that was asked for; "" where that is the one that answered.
        batch: Whether it was asked for in a batch.
    """

    host: str | None
    table: "Mapping[str, Price]" = field(factory=dict, hash=False)
    asked: str = ""
    batch: bool = False


def _silent(**options: Any) -> Any:
    """A field about the call rather than the answer: no part of ``==``, the hash or `repr`."""
    return field(eq=False, repr=False, kw_only=True, **options)


@frozen
class Response(Generic[T_co]):
    """A whole answer.

    Attributes:
        id: The provider's id of the answer; "" where it sends none.
        model: The model that answered, as the provider names it.
        provider: The name of the provider's row.
        message: What the model said; append it to the conversation to go on.
        finish_reason: Why it stopped.
        usage: What was billed.
        rounds: A chat's model calls, else ``()``.
        logprobs: The provider's own list, where it was asked for.
        headers: Of the HTTP answer, case-insensitive.
        request_id: The provider's id of the exchange.
        attempts: How often the request was sent.
        raw: The JSON body; of a stream its envelope, which is the last value of every
            top-level key but the content.
    """

    id: str
    model: str
    provider: str
    message: AssistantMessage
    finish_reason: FinishReason
    usage: Usage = field(factory=Usage)
    rounds: "tuple[Response[Any], ...]" = field(default=(), kw_only=True)
    logprobs: Any = field(default=None, kw_only=True, hash=False)
    _cost: "Decimal | Tariff | tuple[Item, ...] | None" = _silent(default=None)
    headers: Mapping[str, str] = _silent(factory=dict)
    request_id: str | None = _silent(default=None)
    attempts: int = _silent(default=1)
    raw: dict[str, Any] = _silent(factory=dict)
    _output: Any = field(default=None, kw_only=True, hash=False, repr=False)

    @property
    def text(self) -> str:
        """The text parts, joined with nothing between; "" where there is none."""
        return self.message.text

    @property
    def thinking(self) -> str:
        """The thoughts that can be read, a blank line between two parts; "" where there is none."""
        return "\n\n".join(part.text for part in self.message.content if isinstance(part, Thinking) and part.text)

    @property
    def refusal(self) -> str | None:
        """The model's words for why it does not answer."""
        found = [part.text for part in self.message.content if isinstance(part, Refusal)]
        return "".join(found) if found else None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model asks for, in its order."""
        return tuple(part for part in self.message.content if isinstance(part, ToolCall))

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources of all text parts."""
        return tuple(citation for part in self.message.content if isinstance(part, Text) for citation in part.citations)

    @property
    def cost(self) -> "Decimal | None":
        """US dollars, found when it is asked for; None where they are not known.

        By the prices that the client was given, else what the host says, else by those of genai-prices
        (``pip install 'llmkit[prices]'``), for what `usage` tells. Of a chat's answer that of all its model calls.
        """
        from llmkit.prices import bills, total  # noqa: PLC0415 - only for who asks

        return total(bills(self))

    @property
    def output(self) -> T_co:
        """The answer as `output_type`; None where none was asked for.

        Raises:
            OutputError: There is none: the model calls tools first, or the answer is not whole or does not fit.
        """
        if isinstance(self._output, Unfit):
            raise self.unfit(self._output)
        return self._output  # type: ignore[no-any-return]

    def unfit(self, why: Unfit) -> OutputError:
        """The error for an answer that is no `output_type`; returned for ``raise``."""
        return OutputError(
            why.problem,
            path=why.path,
            text=self.text,
            response=self,
            provider=self.provider,
            model=self.model,
            attempts=self.attempts,
            request_id=self.request_id,
            retryable=bool(why.fault) or self.finish_reason.reason == "error",  # it may come out otherwise
        )

    def _repr_markdown_(self) -> str:
        from llmkit.display.markdown import of_response  # noqa: PLC0415 - only in a notebook

        return of_response(self)

    def _ipython_display_(self) -> None:
        """Nothing, where `Stream.display` has shown it in the very cell that ends with it.

        Raises:
            NotImplementedError: Elsewhere; IPython then shows it as Markdown.
        """
        from llmkit.display import in_notebook  # noqa: PLC0415 - as above

        if not in_notebook():
            raise NotImplementedError
        from llmkit.display.notebook import just_shown  # noqa: PLC0415 - likewise

        if not just_shown(self):
            raise NotImplementedError


@frozen
class Model:
    """A model that a provider offers.

    Attributes:
        id: What to pass as `model`.
        display_name: Its name for people; "" where the provider tells none.
        created: When it was released.
        context_window: Tokens that it can read.
        max_output: Tokens that it can write.
        capabilities: Words for what it can do, as the provider tells it: ``image_input``, ``thinking``, ….
        raw: The provider's own object.
    """

    id: str
    display_name: str = ""
    created: datetime | None = None
    context_window: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] = frozenset()
    raw: dict[str, Any] = field(factory=dict, eq=False, repr=False)


@frozen
class Embeddings:
    """Texts as points.

    Attributes:
        vectors: One array a text, in the order of the texts.
        model: The model that answered.
        usage: What was billed.
    """

    vectors: "tuple[array[float], ...]" = field(hash=False)
    model: str
    usage: Usage
