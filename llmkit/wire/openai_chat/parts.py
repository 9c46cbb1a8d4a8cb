"""An assistant's message of Chat Completions as parts: thoughts, content, refusal, media, calls, in this order.

A stream puts its message together first and reads it here, too: so both give the same parts.

Source: https://platform.openai.com/docs/api-reference/chat/object
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from llmkit.errors import InvalidResponseError
from llmkit.json_codec import dump_bytes, loads
from llmkit.messages import Citation, Opaque, Part, Refusal, Text, Thinking, ToolCall
from llmkit.wire.openai_chat.media import audio, picture
from llmkit.wire.openai_chat.pieces import is_plain, merged, signed
from llmkit.wire.openai_chat.schema import WIRE_NAME
from llmkit.wire.reading import expect, object_or_empty, text_or


def parts_of(message: Mapping[str, Any], body: Mapping[str, Any], path: str) -> tuple[Part, ...]:
    """The parts of `message`.

    Args:
        message: As the provider sent it.
        body: What it stood in: some hosts tell their sources there.
        path: The message's.

    Raises:
        InvalidResponseError: It is not what the wire promises; the error has the path.
    """
    found: list[Part] = [*_thoughts(message), *_content(message.get("content"), f"{path}.content")]
    _cite(found, message, body)
    if text := text_or(message.get("refusal"), ""):
        found.append(Refusal(text))
    if isinstance(sound := message.get("audio"), dict):
        found += audio(sound)
    found += _pictures(message.get("images"), f"{path}.images")
    found += _calls(message, text_or(body.get("id"), ""), path)
    if found and (rest := _rest(message)):
        first = found[0]
        if not isinstance(first, Opaque):
            found[0] = evolve(first, extra={WIRE_NAME: {**first.extra.get(WIRE_NAME, {}), "message": rest}})
    return tuple(found)


KEPT: Final = ("thinking_blocks", "provider_specific_fields", "extra_content")
"""What hosts tell in a message beside all else, and want to see again: signatures of thoughts, mostly."""


def _rest(message: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: message[key] for key in KEPT if message.get(key)}
    if isinstance(blocks := found.get("thinking_blocks"), list):
        found["thinking_blocks"] = signed(blocks, "thinking")
    return found


def extra_of(rest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`rest` as a part's `extra` for this wire."""
    return {WIRE_NAME: rest} if rest else {}


def others(found: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """What an object has beside `known`: its host wants to see it again."""
    return {key: value for key, value in found.items() if key not in known and value is not None}


# ---- thoughts --------------------------------------------------------------------------------------------------------

FIELDS: Final = ("reasoning_content", "reasoning")
"""Where hosts put what a model thought, beside the content."""


def _thoughts(message: Mapping[str, Any]) -> Iterator[Thinking]:
    rows = rows_of(message.get("reasoning_details"))
    key = next((key for key in FIELDS if text_or(message.get(key), "")), None)
    if key is None and not rows:
        return
    text = message[key] if key else details_text(rows)
    kept = {"reasoning_details": rows} if rows else {}
    yield Thinking(text, wire=WIRE_NAME, extra={WIRE_NAME: {"field": key or "reasoning_details", **kept}})


def rows_of(details: object) -> list[dict[str, Any]]:
    """The rows of reasoning details, as far as they are some."""
    return [row for row in details if isinstance(row, dict)] if isinstance(details, list) else []


def details_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """What can be read of reasoning details."""
    return "".join(text_or(row.get("text"), "") or text_or(row.get("summary"), "") for row in rows)


# ---- content ---------------------------------------------------------------------------------------------------------


def _content(content: Any, path: str) -> Iterator[Part]:
    if content is None or content == "":
        return
    if isinstance(content, str):
        yield Text(content)
    elif isinstance(content, dict):  # some hosts send an answer in a schema as an object
        yield Text(as_json(content))
    else:
        for at, block in enumerate(merged(expect(content, list, path), path)):
            yield from _block(block, f"{path}[{at}]")


def _block(block: dict[str, Any], path: str) -> Iterator[Part]:
    reader = _BLOCKS.get(text_or(block.get("type"), ""))
    if reader is None:
        yield Opaque(WIRE_NAME, block)
    else:
        yield from reader(block, path)


def _text(block: dict[str, Any], path: str) -> Iterator[Part]:
    if text := expect(block.get("text"), str, f"{path}.text"):
        yield Text(text, extra=extra_of(others(block, "type", "text")))


def _thinking(block: dict[str, Any], path: str) -> Iterator[Part]:
    pieces = merged(expect(block.get("thinking"), list, f"{path}.thinking"), path)
    text = "".join(text_or(piece.get("text"), "") for piece in pieces)
    rest = others(block, "type", "thinking")
    if any(not is_plain(piece) for piece in pieces):
        rest["thinking"] = pieces
    if text or rest:
        yield Thinking(text, wire=WIRE_NAME, extra={WIRE_NAME: {"field": "content", **rest}})


def _reasoning(block: dict[str, Any], _: str) -> Iterator[Part]:
    """Thoughts as a list of summaries, which may be signed: the block goes back as it is."""
    if isinstance(block.get("summary"), list):
        yield Thinking(
            details_text(rows_of(block["summary"])),
            wire=WIRE_NAME,
            extra={WIRE_NAME: {"field": "content", "block": block}},
        )
    else:
        yield Opaque(WIRE_NAME, block)


def _refusal(block: dict[str, Any], path: str) -> Iterator[Part]:
    if text := expect(block.get("refusal"), str, f"{path}.refusal"):
        yield Refusal(text)


def _picture(block: dict[str, Any], _: str) -> Iterator[Part]:
    yield picture(block, "content")


_BLOCKS: Final[Mapping[str, Callable[[dict[str, Any], str], Iterator[Part]]]] = {
    "text": _text,
    "thinking": _thinking,
    "reasoning": _reasoning,
    "refusal": _refusal,
    "image_url": _picture,
}


def _pictures(images: object, path: str) -> Iterator[Part]:
    if isinstance(images, list):
        for at, item in enumerate(images):
            yield picture(expect(item, dict, f"{path}[{at}]"), "images")


# ---- sources ---------------------------------------------------------------------------------------------------------


def _cite(found: list[Part], message: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """Put the sources that stand beside the content at its last text; without any text they stay in `raw`."""
    told = message.get("annotations")
    notes = [note for note in told if isinstance(note, dict)] if isinstance(told, list) else []
    pages = [note for note in notes if text_or(note.get("type"), "url_citation") == "url_citation"]
    citations = [citation_of(note) for note in pages] or list(_searched(body))
    rest = [note for note in notes if note not in pages]
    for at in range(len(found) - 1, -1, -1):
        text = found[at]
        if isinstance(text, Text):
            extra = {WIRE_NAME: {**text.extra.get(WIRE_NAME, {}), "annotations": rest}} if rest else text.extra
            found[at] = evolve(text, citations=(*text.citations, *citations), extra=extra)
            return


def citation_of(note: dict[str, Any]) -> Citation:
    """A page's address; its indices count in the answer, not in the source, and stay in `raw`."""
    place = object_or_empty(note.get("url_citation")) or note
    return Citation(url=text_or(place.get("url"), None), title=text_or(place.get("title"), None), raw=note)


def _searched(body: Mapping[str, Any]) -> Iterator[Citation]:
    """What hosts that search tell beside the choices: pages with titles, else mere addresses."""
    results, addresses = body.get("search_results"), body.get("citations")
    rows = [row for row in results if isinstance(row, dict)] if isinstance(results, list) else []
    for row in rows:
        yield Citation(
            text_or(row.get("snippet"), ""), text_or(row.get("url"), None), text_or(row.get("title"), None), raw=row
        )
    if not rows and isinstance(addresses, list):
        yield from (Citation(url=url, raw={"url": url}) for url in addresses if isinstance(url, str) and url)


# ---- calls -----------------------------------------------------------------------------------------------------------


def _calls(message: Mapping[str, Any], answer: str, path: str) -> Iterator[ToolCall | Opaque]:
    listed = message.get("tool_calls")
    calls = [] if listed is None else expect(listed, list, f"{path}.tool_calls")
    for at, item in enumerate(calls):
        where = f"{path}.tool_calls[{at}]"
        call = expect(item, dict, where)
        yield Opaque(WIRE_NAME, call) if unknown_kind(call) else tool_call(call, at, answer, where)
    if isinstance(old := message.get("function_call"), dict) and not calls:
        yield tool_call({"function": old}, 0, answer, f"{path}.function_call")


def unknown_kind(item: Mapping[str, Any]) -> str | None:
    """The type of a call that is neither a function's nor a custom one: of a tool that runs at the host, say."""
    kind = text_or(item.get("type"), "function")
    return None if kind in ("function", "custom") or "function" in item or "custom" in item else kind


def tool_call(item: dict[str, Any], number: int, answer: str, path: str) -> ToolCall:
    """A call of a turn.

    Args:
        item: As the provider sent it.
        number: Which one of the turn, from 0.
        answer: The answer's id.
        path: The call's.
    """
    id_ = identifier(item.get("id")) or made_up_id(number, answer)
    if item.get("type") == "custom" or ("custom" in item and "function" not in item):
        inner = expect(item.get("custom"), dict, f"{path}.custom")
        name = expect(inner.get("name"), str, f"{path}.custom.name")
        text = expect(inner.get("input") or "", str, f"{path}.custom.input")
        rest = others(item, "id", "type", "index", "custom")
        return ToolCall(id_, name, {"input": text}, extra={WIRE_NAME: {"type": "custom", **rest}})
    inner = expect(item.get("function"), dict, f"{path}.function")
    name = expect(inner.get("name"), str, f"{path}.function.name")
    arguments, raw, very_text = arguments_of(inner.get("arguments"))
    rest = others(item, "id", "type", "index", "function")
    if very_text is not None:
        rest["arguments"] = very_text
    return ToolCall(id_, name, arguments, raw, extra=extra_of(rest))


def identifier(value: object) -> str:
    """An id, which some hosts send as a number; "" where there is none."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_or(value, "")


def made_up_id(number: int, answer: str) -> str:
    """An id for a call that has none: another one in each answer, and no longer than OpenAI takes."""
    return f"call_{number}_{answer[-24:]}" if answer else f"call_{number}"


def arguments_of(value: object) -> tuple[dict[str, Any], str | None, str | None]:
    """The arguments; the text where they are no object; the provider's very text where ours would differ."""
    if value is None or value == "":
        return {}, None, None
    if isinstance(value, dict):
        return value, None, None
    text = value if isinstance(value, str) else as_json(value)
    try:
        found = loads(text)
    except InvalidResponseError:
        found = None
    if not isinstance(found, dict):
        return {}, text, None
    return found, None, (None if as_json(found) == text else text)


def as_json(value: object) -> str:
    """`value` as compact JSON."""
    return dump_bytes(value).decode()
