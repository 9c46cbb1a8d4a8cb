"""An answer as the events that stream it.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from llmkit.testing.openai.writing import Json
from llmkit.testing.openai_responses.answers import whole
from llmkit.testing.replies import Chunking, Reply, by_words


def events(
    reply: Reply,
    *,
    id: str = "resp_fake",  # noqa: A002
    model: str = "gpt-5.5",
    input_tokens: int = 1,
    chunking: Chunking = by_words,
    asked: Mapping[str, Any] | None = None,
) -> list[Json]:
    """The data of the events that stream `reply`, in their order; each has the event's name as its ``type``.

    Decoded they are what `whole` of the same reply is.

    Args:
        reply: As for `whole`.
        id: As for `whole`.
        model: As for `whole`.
        input_tokens: As for `whole`.
        chunking: Cuts text, thoughts and the JSON of arguments into deltas.
        asked: As for `whole`.

    Raises:
        ConfigurationError: As `whole`.
    """
    body = whole(reply, id=id, model=model, input_tokens=input_tokens, asked=asked or {})
    begun = {**body, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    begun |= {"error": None, "incomplete_details": None}
    found = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *(event for index, item in enumerate(body["output"]) for event in _item_events(index, item, chunking)),
        {"type": _TERMINAL.get(body["status"], "response.incomplete"), "response": body},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(found)]


_TERMINAL: Final = {"completed": "response.completed", "failed": "response.failed"}


def _item_events(index: int, item: Json, chunking: Chunking) -> Iterator[Json]:
    split, key, kind = _SPLITTERS.get(item["type"], (_at_once, "type", str))
    # What lacks that which is cut comes at once.
    skeleton, inner = (split if isinstance(item.get(key), kind) else _at_once)(item, chunking)
    place = {"output_index": index, **({"item_id": item["id"]} if "id" in item else {})}
    yield {"type": "response.output_item.added", "output_index": index, "item": skeleton}
    for event in inner:
        yield {**event, **place}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


_Split = tuple[Json, Sequence[Json]]


def _begun(item: Json, **emptied: Any) -> Json:
    """`item` as it is at its beginning."""
    status = {"status": "in_progress"} if "status" in item else {}
    return {**item, **status, **emptied}


# Hosted tools, and the steps that they tell of.
_STEPS: Final[Mapping[str, Sequence[str]]] = {
    "image_generation_call": ("in_progress", "generating", "completed"),
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "mcp_call": ("in_progress", "completed"),
    "mcp_list_tools": ("in_progress", "completed"),
}


def _at_once(item: Json, _: Chunking) -> _Split:
    kind = item["type"]
    return _begun(item), [{"type": f"response.{kind}.{step}"} for step in _STEPS.get(kind, ())]


def _split_picture(item: Json, chunking: Chunking) -> _Split:
    skeleton, steps = _at_once(item, chunking)
    return {key: value for key, value in skeleton.items() if key != "result"}, steps


def _split_call(item: Json, chunking: Chunking) -> _Split:
    name = f"response.{item['type']}_arguments"
    deltas = [{"type": f"{name}.delta", "delta": piece} for piece in chunking(item["arguments"])]
    done = {"type": f"{name}.done", "name": item["name"], "arguments": item["arguments"]}
    return _begun(item, arguments=""), [*deltas, done]


def _split_custom_call(item: Json, chunking: Chunking) -> _Split:
    name = "response.custom_tool_call_input"
    deltas = [{"type": f"{name}.delta", "delta": piece} for piece in chunking(item["input"])]
    return _begun(item, input=""), [*deltas, {"type": f"{name}.done", "input": item["input"]}]


def _split_message(item: Json, chunking: Chunking) -> _Split:
    found = [
        {**event, "content_index": index}
        for index, part in enumerate(item["content"])
        for event in _content_events(part, chunking)
    ]
    return _begun(item, content=[]), found


# The parts of a message or of reasoning: type → the name of their events, and the key of their text.
_CONTENT: Final[Mapping[str, tuple[str, str]]] = {
    "output_text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning_text": ("response.reasoning_text", "text"),
}


def _content_events(part: Json, chunking: Chunking) -> Iterator[Json]:
    name, key = _CONTENT.get(part.get("type", ""), ("", ""))
    key = key if isinstance(part.get(key), str) else ""
    told: Json = {"logprobs": []} if part.get("type") == "output_text" else {}
    emptied = {key: "", **({"annotations": []} if "annotations" in part else {})} if key else {}
    yield {"type": "response.content_part.added", "part": {**part, **emptied}}
    if key:
        yield from ({"type": f"{name}.delta", "delta": piece, **told} for piece in chunking(part[key]))
        for index, annotation in enumerate(part.get("annotations", ())):
            yield {"type": f"{name}.annotation.added", "annotation_index": index, "annotation": annotation}
        yield {"type": f"{name}.done", key: part[key], **told}
    yield {"type": "response.content_part.done", "part": part}


def _split_reasoning(item: Json, chunking: Chunking) -> _Split:
    found = [
        {**event, "summary_index": index}
        for index, part in enumerate(item.get("summary", ()))
        for event in _summary_events(part, chunking)
    ]
    found += [
        {**event, "content_index": index}
        for index, part in enumerate(item.get("content") or ())
        for event in _content_events(part, chunking)
    ]
    # Encrypted content is told only when it is whole.
    skeleton = {key: value for key, value in item.items() if key not in ("encrypted_content", "content")}
    return _begun(skeleton, summary=[]), found


def _summary_events(part: Json, chunking: Chunking) -> Iterator[Json]:
    yield {"type": "response.reasoning_summary_part.added", "part": {**part, "text": ""}}
    for piece in chunking(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", "part": part}


# Type → what cuts it, and the key and type of what is cut.
_SPLITTERS: Final[Mapping[str, tuple[Callable[[Json, Chunking], _Split], str, type]]] = {
    "message": (_split_message, "content", list),
    "reasoning": (_split_reasoning, "summary", list),
    "function_call": (_split_call, "arguments", str),
    "custom_tool_call": (_split_custom_call, "input", str),
    "image_generation_call": (_split_picture, "result", str),
}
