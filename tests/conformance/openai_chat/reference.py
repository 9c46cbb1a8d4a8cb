"""The wire format of Chat Completions as its documentation has it, for comparison: nothing of llmkit is used.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

DONE = "[DONE]"


def data_of(body: bytes) -> list[str]:
    """The data of a recorded stream's events. Good enough for recordings, whose lines are plain."""
    text = body.decode().replace("\r\n", "\n")
    found = []
    for block in text.split("\n\n"):
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if data:
            found.append("\n".join(data))
    return found


def events(body: bytes) -> list[dict[str, Any]]:
    """The chunks of a recorded stream."""
    return [json.loads(data) for data in data_of(body) if data != DONE]


def sse(data: Iterable[Mapping[str, Any]]) -> bytes:
    """A stream as the provider writes it."""
    return b"".join(f"data: {json.dumps(item)}\n\n".encode() for item in data) + b"data: [DONE]\n\n"


# ---- a stream as a whole ---------------------------------------------------------------------------------------------

LAST = ("finish_reason", "native_finish_reason", "index")  # of a choice: the last that says something
FIXED = ("role", "type", "index", "id", "format")  # of a message and what stands in it: said once, not joined


def whole(chunks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole body of the same answer.

    Of the keys beside the choices the last that says anything holds; of the choices each string is joined.
    """
    body: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in [deepcopy(dict(chunk)) for chunk in chunks]:
        for choice in chunk.pop("choices", None) or ():
            _take(choices.setdefault(choice.get("index") or 0, {"message": {}}), choice)
        for key, value in chunk.items():
            if key not in body or value not in (None, ""):
                body[key] = value
    return {**body, "object": "chat.completion", "choices": [choices[index] for index in sorted(choices)]}


def _take(found: dict[str, Any], choice: dict[str, Any]) -> None:
    message = found["message"]
    for key, value in (choice.pop("delta", None) or {}).items():
        if key == "tool_calls":
            message[key] = _calls(message.get(key) or [], value or [])
        else:
            message[key] = _joined(message.get(key), value, key)
    for key, value in choice.items():
        if key == "logprobs":
            found[key] = _logprobs(found.get(key), value)
        elif key not in found or value not in (None, ""):
            found[key] = value


def _joined(old: Any, new: Any, key: str) -> Any:
    """Strings and lists are appended, objects joined by key; what is said once stays."""
    if new is None or old is None:
        return old if new is None else new
    if key == "reasoning_details":
        return _details([*old, *new])
    if isinstance(old, list) or isinstance(new, list):
        return _parts([*_as_parts(old), *_as_parts(new)])
    if isinstance(old, str) and isinstance(new, str):
        return (old or new) if key in FIXED else old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: _joined(old.get(name), new.get(name), name) for name in [*old, *(set(new) - set(old))]}
    return new


def _details(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one kind and index are pieces of one; of what is encrypted only those that have an index."""
    found: dict[Any, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        kind, index = row["type"], row.get("index")
        key = number if kind == "reasoning.encrypted" and index is None else (kind, index)
        joined = {
            name: found.get(key, {}).get(name, "") + row[name] for name in ("text", "summary", "data") if row.get(name)
        }
        found[key] = {**found.get(key, {}), **row, **joined}
    return list(found.values())


def _as_parts(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [{"type": "text", "text": value}] if value else []


def _parts(parts: Sequence[Any]) -> list[Any]:
    """Neighbours of one kind are one: two halves of a text, of a thought."""
    found: list[Any] = []
    for part in parts:
        before = found[-1] if found else {}
        if part.get("type") in ("text", "thinking") and before.get("type") == part["type"]:
            found[-1] = {key: _piece(before.get(key), part.get(key), key) for key in {**before, **part}}
        else:
            found.append(part)
    return found


def _piece(old: Any, new: Any, key: str) -> Any:
    if key == "type" or new is None or old is None:
        return old if new is None else new
    if key == "thinking":
        return [{"type": "text", "text": "".join(item["text"] for item in [*old, *new])}]
    return old + new if isinstance(old, str) else new


def _calls(calls: list[Any], fragments: Sequence[Any]) -> list[Any]:
    """A fragment belongs to the call of its index; without one, or with another id, a new call begins."""
    for fragment in fragments:
        at = fragment.get("index")
        open_call = next((call for call in calls if call.get("index") == at), None) if at is not None else None
        if open_call is None or (fragment.get("id") and open_call.get("id") not in (None, "", fragment["id"])):
            calls.append(fragment)
            continue
        open_call["id"] = open_call.get("id") or fragment.get("id")
        kind, text = ("custom", "input") if "custom" in open_call else ("function", "arguments")
        inner, more = open_call.setdefault(kind, {}), fragment.get(kind) or {}
        inner["name"] = inner.get("name") or more.get("name")
        inner[text] = (inner.get(text) or "") + (more.get(text) or "")
    return calls


def _logprobs(old: Any, new: Any) -> Any:
    if not old or not new:
        return new or old
    return {key: (old.get(key) or []) + (new.get(key) or []) or None for key in {**old, **new}}


# ---- a whole as a stream ---------------------------------------------------------------------------------------------

PIECEWISE = ("content", "reasoning", "reasoning_content", "refusal")


def rendered(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks that a whole body would have been streamed in; what it thought comes before what it said."""
    rest = {key: value for key, value in body.items() if key not in ("choices", "usage", "object")}
    nothing = {"usage": None} if "usage" in body else {}
    about = {"object": "chat.completion.chunk", **rest, **nothing}
    choices = [deepcopy(choice) for choice in body["choices"]]
    for number, choice in enumerate(choices):
        index = choice.get("index", number)
        for delta in _deltas(choice.get("message") or {}):
            yield {**about, "choices": [{"index": index, "delta": delta, "finish_reason": None}]}
        if choice.get("logprobs"):
            for kind, tokens in choice["logprobs"].items():
                for token in tokens or ():
                    some = {"index": index, "delta": {}, "logprobs": {kind: [token]}, "finish_reason": None}
                    yield {**about, "choices": [some]}
    for number, choice in enumerate(choices):
        ending = {key: value for key, value in choice.items() if key not in ("message", "delta", "logprobs")}
        yield {**about, "choices": [{"index": number, **ending, "delta": {}}]}
    if "usage" in body:
        yield {**about, "choices": [], "usage": body["usage"]}


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    first = {"role": message.get("role", "assistant"), "content": "" if message.get("content") else None}
    yield first
    for key in ("reasoning", "reasoning_content"):
        yield from ({key: piece} for piece in _pieces(message.get(key) or ""))
    content = message.get("content")
    if isinstance(content, str):
        yield from ({"content": piece} for piece in _pieces(content))
    elif isinstance(content, list):
        yield from ({"content": [piece]} for part in content for piece in _part_pieces(part))
    elif content is not None:
        yield {"content": content}
    yield from ({"refusal": piece} for piece in _pieces(message.get("refusal") or ""))
    yield from _audio(message.get("audio") or {})
    for number, call in enumerate(message.get("tool_calls") or ()):
        yield from _call(number, call)
    if call := message.get("function_call"):
        yield {"function_call": {"name": call["name"], "arguments": ""}}
        yield from ({"function_call": {"arguments": piece}} for piece in _pieces(call["arguments"]))
    for row in message.get("reasoning_details") or ():
        yield from ({"reasoning_details": [piece]} for piece in _row_pieces(row))
    known = ("role", "tool_calls", "function_call", "audio", "reasoning_details", *PIECEWISE)
    if rest := {key: value for key, value in message.items() if key not in known and value is not None}:
        yield rest


def _part_pieces(part: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if part["type"] == "text":
        yield from ({**part, "text": piece} for piece in _pieces(part["text"]))
    elif part["type"] == "thinking":
        text = "".join(item["text"] for item in part["thinking"])
        yield from ({**part, "thinking": [{"type": "text", "text": piece}]} for piece in _pieces(text))
    else:
        yield dict(part)


def _row_pieces(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What is encrypted, or has no words, comes whole."""
    key = next((key for key in ("text", "summary") if row.get(key)), None)
    if key is None:
        yield dict(row)
    else:
        yield from ({**row, key: piece} for piece in _pieces(row[key]))


def _audio(audio: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if not audio:
        return
    yield {"audio": {"id": audio["id"], "transcript": ""}}
    yield from ({"audio": {"transcript": piece}} for piece in _pieces(audio["transcript"]))
    # Whole groups of four characters: each piece is base64 by itself, as the provider sends it.
    yield from ({"audio": {"data": piece}} for piece in _pieces(audio["data"], 4))
    yield {"audio": {"expires_at": audio["expires_at"]}}


def _call(number: int, call: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind, text = ("custom", "input") if "custom" in call else ("function", "arguments")
    inner = call[kind]
    yield {"tool_calls": [{**call, "index": number, kind: {**inner, text: ""}}]}
    for piece in _pieces(inner.get(text) or ""):
        yield {"tool_calls": [{"index": number, kind: {text: piece}}]}


def _pieces(text: str, size: int = 7) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))
