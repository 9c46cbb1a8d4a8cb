"""Answers as Python objects: a type becomes the schema that a model is held to, and what it wrote an instance.

No I/O. What the schema says is for the model; that an answer fits is decided here, whatever the provider promised.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from attrs import evolve, frozen

from llmkit.errors import ConfigurationError, InvalidResponseError, LLMKitError, OutputError
from llmkit.json_codec import dump_text, loads
from llmkit.messages import AssistantMessage, Message, Text, UserMessage
from llmkit.response import Response, Unfit

VALUE: Final = "value"
"""The one property of the object that answers which are no object are put into: providers take no other root."""

_AROUND: Final = " \t\r\n\ufeff"
"""What may stand around JSON: blanks, and the mark that some put before a text."""
_FENCE: Final = "```"
_NOT_WHOLE: Final[Mapping[str, str]] = {
    "length": "the answer was cut off at the limit of tokens, so it is no output: raise max_tokens",
    "refusal": "the model refused to answer, so there is no output: response.refusal or response.raw may say why",
    "content_filter": "the provider's filter stopped the answer, so there is no output: ask for something else",
    "error": "the model's turn failed, so there is no output: ask again",
    "tool_calls": "the model calls tools first, so there is no output yet: answer the calls, or use Client.chat",
    "pause": "the provider paused the turn, so there is no output yet: send the conversation again, or use Client.chat",
    "unfinished": "the answer is not whole yet, so there is no output: see Stream.partial_output",
}
_DEFINITIONS: Final = ("$defs", "definitions")
_ABOUT: Final = (*_DEFINITIONS, "title", "$schema", "$id")
"""What stands at the root of a schema, whatever is put around it."""
_RETURNED: Final = ("tool_calls", "pause")


@frozen
class OutputForm:
    """What an answer is to be.

    Attributes:
        type: The Python type; or a `GivenSchema`, by which JSON is checked, and left as it is.
        schema: JSON Schema of an object.
        wrapped: Whether that object only holds the value, as what `type` is in JSON is no object.
    """

    type: Any
    schema: Mapping[str, Any]
    wrapped: bool

    def settled(self, response: Response[Any]) -> Response[Any]:
        """`response` with its output, or with why it has none."""
        found: object
        if response.refusal is not None:
            found = Unfit(_NOT_WHOLE["refusal"])
        elif (problem := _NOT_WHOLE.get(_ending(response))) is not None:
            found = Unfit(problem)
        else:
            found = self._read(response.message)
        return evolve(response, output=found)

    def partial(self, message: AssistantMessage) -> Any:
        """The object as far as the beginning of an answer tells it; None where it tells nothing."""
        from llmkit.partial_json import UNKNOWN, completed  # noqa: PLC0415 - only for who looks into a stream
        from llmkit.schema import partial  # noqa: PLC0415 - with cattrs
        from llmkit.schema.given import GivenSchema  # noqa: PLC0415

        found = (completed(_unfenced(text.lstrip(_AROUND))) for text in _texts(message))
        value = next((value for value in found if value is not UNKNOWN), UNKNOWN)
        if self.wrapped and isinstance(value, dict) and (not value or VALUE in value):
            value = value.get(VALUE, UNKNOWN)
        if value is UNKNOWN:
            return None
        return value if isinstance(self.type, GivenSchema) else partial(value, self.type)

    def _read(self, message: AssistantMessage) -> object:
        problem = _unfit("there is no text in it")
        for text in _candidates(message):
            try:
                value = loads(text, "it")
            except InvalidResponseError as error:
                problem = _unfit(str(error))
            else:
                return self._structured(value)
        return problem

    def _structured(self, value: Any) -> object:
        """The output. Where it should be wrapped and is not, that is understood, also if it looks like a wrapper."""
        from llmkit.schema import Misfit, structure  # noqa: PLC0415 - with cattrs
        from llmkit.schema.given import GivenSchema  # noqa: PLC0415

        ways = [(value, "$")]
        if self.wrapped and isinstance(value, dict) and value.keys() == {VALUE}:
            ways = [(value[VALUE], f"$.{VALUE}"), *ways]
        unfit: Unfit | None = None
        for bare, root in ways:
            try:
                if isinstance(self.type, GivenSchema):
                    return self.type.structure(bare)
                return structure(bare, self.type, nulls=True)
            except Misfit as misfit:
                path = root + misfit.path.removeprefix("$")
                unfit = unfit or _unfit(f"{path}: {misfit.problem}", path)
        return unfit


def _unfit(fault: str, path: str = "$") -> Unfit:
    fault = " ".join(fault.split())  # one line, whatever a validator has to say
    return Unfit(f"the answer does not fit output_type: {fault}; ask again, or let output_retries do so", path, fault)


def output_form(type_: object) -> OutputForm | None:
    """What an answer of `type_` is to be; None for None, which asks for no output.

    Raises:
        ConfigurationError: JSON cannot express the type; the message begins with the path of the field. Or it is a
            mapping and no JSON Schema.
    """
    if type_ is None:
        return None
    if isinstance(type_, Mapping):
        return _given(dump_text(dict(type_), "output_type"))
    from llmkit.schema.hints import key  # noqa: PLC0415 - only for who asks for outputs

    try:
        return _form(type_, key(type_))
    except TypeError:  # not hashable: annotated with a list, say
        return _made(type_)


@lru_cache(maxsize=64)  # as each call of a `map` has the same
def _given(text: str) -> OutputForm:
    """Of a schema as a provider reads it: a copy, of which no cycle has no end."""
    from llmkit.schema.given import GivenSchema  # noqa: PLC0415 - only for who has a schema

    try:
        schema = loads(text, "it")
    except InvalidResponseError as error:
        raise ConfigurationError(f"output_type: no JSON Schema: {error}") from None
    given = GivenSchema(schema)
    return _formed(given, given.schema)


def _made(type_: Any, _: object = None) -> OutputForm:
    from llmkit.schema import json_schema  # noqa: PLC0415 - with cattrs

    return _formed(type_, json_schema(type_, "output_type"))


def _formed(type_: Any, schema: dict[str, Any]) -> OutputForm:
    schema = _rooted(schema)
    if schema.get("type") == "object":
        return OutputForm(type_, schema, wrapped=False)
    from llmkit.schema.given import movable  # noqa: PLC0415 - only for what is wrapped

    schema = movable(schema)
    inner = {key: value for key, value in schema.items() if key not in _ABOUT}
    about: dict[str, Any] = {key: schema[key] for key in _ABOUT if key in schema}
    wrapper: dict[str, Any] = {
        "type": "object",
        "properties": {VALUE: inner},
        "required": [VALUE],
        "additionalProperties": False,
    }
    return OutputForm(type_, {**wrapper, **about}, wrapped=True)


_form = lru_cache(maxsize=256)(_made)  # by the type and by its key, as `int | str` is equal to `str | int`


def _rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema`; where its root only refers to a definition, as that of a recursive class does, with that instead."""
    seen: set[str] = set()
    while isinstance(ref := schema.get("$ref"), str) and ref not in seen:
        seen.add(ref)
        place, _, name = ref.removeprefix("#/").partition("/")
        target = (schema.get(place) or {}).get(name) if place in _DEFINITIONS else None
        if not isinstance(target, Mapping):
            break
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def _ending(response: Response[Any]) -> str:
    """How it ended; what calls tools does so, also of hosts that have no word for it, or none at all."""
    reason = response.finish_reason.reason
    return "tool_calls" if reason == "other" and response.tool_calls else reason


def demanded(response: Response[Any]) -> Response[Any]:
    """`response`, unless it ought to have an output and has none.

    Raises:
        OutputError: It does not fit, was cut, refused or filtered; not where the model only calls tools first.
    """
    found = response._output  # noqa: SLF001 - `output` raises
    if isinstance(found, Unfit) and _ending(response) not in _RETURNED:
        raise response.unfit(found)
    return response


def misfit(response: Response[Any]) -> Unfit | None:
    """What is wrong with an answer that is whole and does not fit; None with any other."""
    found = response._output  # noqa: SLF001 - `output` raises
    return found if isinstance(found, Unfit) and found.fault else None


def asking_again(response: Response[Any], why: Unfit) -> tuple[Message, ...]:
    """What to say after an answer that does not fit."""
    told = UserMessage(
        f"Your answer does not fit: {why.fault}. Answer again, with nothing but JSON that fits the schema."
    )
    return (response.message, told) if response.message.content else (told,)


def together(first: Response[Any], then: Response[Any]) -> Response[Any]:
    """The second of two answers to one question, with what both cost."""
    from llmkit.prices import bills  # noqa: PLC0415 - only where it was asked twice

    cost = (*bills(first), *bills(then))
    return evolve(then, usage=first.usage + then.usage, cost=cost, attempts=first.attempts + then.attempts)


def beside(error: LLMKitError, paid: Response[Any]) -> LLMKitError:
    """`error`, which came of asking again, with the answer that was paid for before; returned for ``raise``."""
    error.attempts += paid.attempts
    error.partial = paid if error.partial is None else together(error.partial, paid)
    return error


def paid_for(error: LLMKitError) -> Response[Any] | None:
    """The whole answer that was billed in vain: one that does not fit, or that was asked for again."""
    found = error.response if isinstance(error, OutputError) else error.partial
    return None if found is None or found.finish_reason.reason == "unfinished" else found


def _texts(message: AssistantMessage) -> Iterator[str]:
    """Where an answer's JSON may stand: all of its text, else the last part of it, as words may come before."""
    texts = [part.text for part in message.content if isinstance(part, Text) and part.text.strip()]
    yield from filter(None, dict.fromkeys(("".join(texts), *texts[-1:])))


def _candidates(message: AssistantMessage) -> Iterator[str]:
    """What may be an answer's JSON: as it was written, or in a fence, as some models put it."""
    for text in _texts(message):
        stripped = text.strip(_AROUND)
        yield stripped
        if stripped.startswith(_FENCE) and stripped.endswith(_FENCE):
            yield _unfenced(stripped).removesuffix(_FENCE).strip(_AROUND)


def _unfenced(text: str) -> str:
    """`text` without the fence that it may begin with."""
    if not text.startswith(_FENCE):
        return text
    rest = text.removeprefix(_FENCE).lstrip()
    return rest[len("json") :] if rest[: len("json")].lower() == "json" else rest
