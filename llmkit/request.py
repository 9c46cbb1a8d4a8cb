"""What is asked: a prompt and its options.

The table `OPTIONS` is the one source of what an option is called, takes and means: the
check of a call, `Provider.parameters()` and the documentation read it; a test holds the
`TypedDict` `Options`, which type checkers read, against it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from attrs import field, frozen

from llmkit.checks import (
    Check,
    body_fields,
    caching,
    choice,
    fraction,
    header_fields,
    integer,
    model_name,
    number,
    query_fields,
    reasoning,
    stops,
    string,
    strings,
    time_limit,
    tool_choice,
    tool_list,
    unchecked,
)
from llmkit.deadlines import Timeout
from llmkit.errors import ConfigurationError
from llmkit.media import CacheTime
from llmkit.messages import Message, Opaque, SystemMessage, Text
from llmkit.tools import ServerTool, Tool

ReasoningLevel: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Prompt: TypeAlias = "str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]] | Request"


class Options(TypedDict, total=False):
    """What a call may be given beside its prompt; None is the same as leaving it out, except for `timeout`.

    What each means: docs/reference.md#options, or `llmkit.request.OPTIONS`.
    """

    model: str | None
    system: str | SystemMessage | Text | Sequence[str | Text] | None
    media: Any
    tools: Sequence[Tool | ServerTool | Callable[..., Any]] | None
    tool_choice: str | None
    parallel_tool_calls: bool | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop: str | Sequence[str] | None
    seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    logprobs: int | None
    reasoning: ReasoningLevel | int | None
    output_retries: int | None
    cache: CacheTime | None
    metadata: Mapping[str, str] | None
    service_tier: str | None
    timeout: float | Timeout | None
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None


class EndpointOptions(TypedDict, total=False):
    """What a call may be given that has no prompt: those of `Options` of the same name."""

    timeout: float | Timeout | None
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None


@frozen
class Option:
    """One row of the table.

    Attributes:
        check: Takes the option's name and a value; returns it in the form that the wires read.
        type: What it takes, in words.
        meaning: What it does.
        example: A value.
        default: What holds where it is left out, in words.
    """

    check: Check
    type: str
    meaning: str
    example: object
    default: str = "the provider's"


_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
OPTIONS: dict[str, Option] = {
    "model": Option(model_name, "str", "Which model answers.", "claude-sonnet-5", "the client's, else the row's"),
    "system": Option(unchecked, "str, SystemMessage, Text or a list of both", "Instructions, before any in the messages.",
                     "Answer in one sentence.", "none"),
    "media": Option(unchecked, "a media part, anything `.of` takes, or a list of them",
                    "Attached to the last user message, before its text.", "cat.png", "none"),
    "tools": Option(tool_list, "list of functions, Tool or ServerTool", "What the model may call.", [], "none"),
    "tool_choice": Option(tool_choice, '"auto", "required", "none" or a tool\'s name', "Whether it must call one.",
                          "required", "auto"),
    "parallel_tool_calls": Option(choice(True, False), "bool", "Whether one turn may hold several calls.", False),
    "max_tokens": Option(integer(1), "int ≥ 1", "Tokens of the answer; a `reasoning` budget is added to it.", 1024,
                         "sent only where the wire demands one: the model's maximum where known, else 4096"),
    "temperature": Option(number(0, 2), "float, 0 to 2 (Anthropic: to 1)", "How freely words are chosen.", 0.7),
    "top_p": Option(fraction, "float, 0 to 1", "Choose among the likeliest words that make up this probability.", 0.9),
    "top_k": Option(integer(1), "int ≥ 1", "Choose among so many of the likeliest words.", 40),
    "stop": Option(stops, "str or list of str", "Where one of these would be written, the answer ends.", ["END"], "none"),
    "seed": Option(integer(-(2**63), 2**64), "int", "The same seed, the same answer, as far as the provider can.", 42),
    "frequency_penalty": Option(number(-2, 2), "float, -2 to 2", "Against words by how often they were used.", 0.5),
    "presence_penalty": Option(number(-2, 2), "float, -2 to 2", "Against words that were used at all.", 0.5),
    "logprobs": Option(integer(0, 100), "int ≥ 0", "Alternatives per token, with their log probabilities.", 5, "none"),
    "reasoning": Option(reasoning(_LEVELS), f"{', '.join(_LEVELS)}, or an int ≥ 1", "How much is thought first: a level, or a budget of tokens.",
                        "medium"),
    "output_retries": Option(integer(0, 100), "int ≥ 0", "How often an answer that does not fit `output_type` is asked for again, with what is wrong; a stream never is.",
                             1, "0"),
    "cache": Option(caching, '"5m" or "1h"', "Asks the provider to cache the conversation up to its end.", "5m", "none"),
    "metadata": Option(strings, "mapping of str to str", "Passed to the provider with the request.", {"user_id": "u1"}, "none"),
    "service_tier": Option(string, "str", "The provider's word for how the request is served and billed.", "auto"),
    "timeout": Option(time_limit, "float, Timeout or None", "Time limits of this call, in seconds; None is no limit.", 60.0,
                      "the client's"),
    "extra_headers": Option(header_fields, "mapping of str to str", "Headers that win over llmkit's.", {"x-trace": "1"}, "none"),
    "extra_query": Option(query_fields, "mapping of str to str", "Added to the address.", {"beta": "true"}, "none"),
    "extra_body": Option(body_fields, "mapping", "Merged into the body last: objects deeply, lists and scalars replaced.",
                         {"inference_geo": "eu"}, "none"),
}  # fmt: skip


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` without those that are None, each in the form that the wires read.

    Raises:
        ConfigurationError: A name is unknown or a value wrong; the message begins with the name.
    """
    found = {}
    for name, value in options.items():
        if name not in OPTIONS:
            raise ConfigurationError(_unknown(name))
        if value is not None or name == "timeout":
            found[name] = OPTIONS[name].check(name, value)
    return found


def taken(options: Any) -> dict[str, Any] | ConfigurationError:
    """As `checked`, and `options` is empty then, so that no frame of an error shows what may be a key."""
    try:
        return checked(options)
    except ConfigurationError as error:
        return error.with_traceback(None)
    finally:
        options.clear()


def _unknown(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only needed to fail

    if name in _ELSEWHERE:
        hint = _ELSEWHERE[name]
    elif near := get_close_matches(name, OPTIONS, n=1):
        hint = f"did you mean {near[0]!r}?"
    else:
        hint = "what a provider alone knows goes into extra_body"
    return f"{name}: no such option; {hint}"


# What people know from elsewhere, and where it is here.
_ELSEWHERE = {
    "stream": "use Client.stream",
    "messages": "pass them as the prompt",
    "max_retries": "it belongs to Client, or to with_options",
    "headers": "for one call it is extra_headers",
    "unsupported": "it belongs to Client, or to with_options",
    **dict.fromkeys(
        ("api_key", "base_url", "variables", "proxy", "verify", "auth", "session", "provider"),
        "it belongs to Client: what names the host, the key or the connections needs a new one",
    ),
    "stop_sequences": "it is stop",
    "max_completion_tokens": "it is max_tokens",
    "max_output_tokens": "it is max_tokens",
    "thinking": "it is reasoning, or a field of extra_body",
    "reasoning_effort": "it is reasoning",
    "images": "it is media",
    "output_type": "it is no option but an argument of its own, of complete, stream and send",
    "response_format": "it is output_type",
    "response_model": "it is output_type",
}


def _shown(options: Mapping[str, Any]) -> str:
    """`options` for a `repr`: of headers and query the names only, as a value may be a key."""
    telling = {name: OPTIONS[name].check(name, options[name]) for name in _TELLING if options.get(name) is not None}
    return repr({**options, **telling})


_TELLING = ("extra_headers", "extra_query")


@frozen(init=False)
class Request:
    """A call as a value; its options win over the call's.

    Attributes:
        prompt: As `Client.complete` takes it.
        id: The caller's own, by which results are matched.
        output_type: What the answer is to be; wins over the call's.
        options: As `Options` names them; take no part in the hash.

    Raises:
        ConfigurationError: An option is unknown or wrong.
    """

    prompt: "str | Message | Mapping[str, Any] | tuple[Message | Mapping[str, Any], ...]" = field(hash=False)
    id: str | None = None
    output_type: Any = field(default=None, hash=False)
    options: dict[str, Any] = field(factory=dict, hash=False, repr=_shown)

    def __init__(
        self,
        prompt: Prompt,
        *,
        id: str | None = None,  # noqa: A002 - the contract
        output_type: object = None,
        **options: Unpack[Options],
    ) -> None:
        given: dict[str, Any] = {**options}
        del options
        given |= given.pop("options", {})  # as `attrs.evolve` calls it
        if isinstance(prompt, Request):
            raise ConfigurationError("prompt: a Request cannot hold a Request")
        if isinstance(prompt, Sequence) and not isinstance(prompt, str):
            prompt = tuple(prompt)
        found = taken({**given})
        if isinstance(found, ConfigurationError):
            given.clear()  # no frame of the error shows what they hold
            raise found
        self.__attrs_init__(prompt, id, output_type, given)

    @classmethod
    def from_wire(cls, wire: str, body: Mapping[str, Any] | str | bytes) -> "Request":
        """The request that an existing payload is.

        What there is an option for becomes one; everything else goes into `extra_body` as it is, so that sent again on
        the same wire it is the same payload. Whether it is streamed says the method that sends it.

        Args:
            wire: ``anthropic-messages``, ``openai-chat``, ``openai-responses`` or ``gemini-generate``.
            body: The JSON, as text or as a mapping.

        Raises:
            ConfigurationError: There is no such wire, or `body` is no request of it: the message begins with the path
                of what is wrong, as in ``body.messages[2].content[0].type``.
        """
        from llmkit.wire.payload import request_of  # noqa: PLC0415 - calls are not made of payloads

        return request_of(wire, body)


@frozen
class ResolvedRequest:
    """A call with everything settled: what the wires encode.

    Attributes:
        messages: The conversation without its leading system messages; neither empty nor ending in nothing.
        system: The instructions: the option's, then those of the leading system messages.
        output_schema: JSON Schema that the answer's text must fit.
        skipped: How many leading system messages there were, so that errors count as the caller does.

    The others are the options of the same name, in checked form.
    """

    model: str
    messages: tuple[Message, ...]
    system: tuple[Text | Opaque, ...] = ()
    tools: tuple[Tool | ServerTool, ...] = ()
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: int | None = None
    reasoning: ReasoningLevel | int | None = None
    output_retries: int = 0
    cache: CacheTime | None = None
    metadata: Mapping[str, str] | None = None
    service_tier: str | None = None
    timeout: float | Timeout | None = None
    extra_headers: Mapping[str, str] = field(factory=dict)
    extra_query: Mapping[str, str] = field(factory=dict)
    extra_body: Mapping[str, Any] = field(factory=dict)
    output_schema: Mapping[str, Any] | None = None
    skipped: int = 0
