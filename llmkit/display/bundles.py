"""One thing in several media types, of which a frontend shows the one that it likes best. Pure."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from llmkit.display import cards, markdown, players
from llmkit.display.controls import cut, shown
from llmkit.media import Image, Media, base64_of
from llmkit.messages import PARTS, AssistantMessage, Part, SystemMessage, ToolCall, ToolResult, UserMessage

Bundle: TypeAlias = Mapping[str, Any]
_NATIVE: Final = ("image/png", "image/jpeg")  # which every frontend and every export shows


def of_markdown(text: str, plain: str | None = None) -> Bundle:
    """Markdown."""
    return {"text/markdown": text, "text/plain": shown(text if plain is None else plain)}


def of_html(text: str, plain: str, inline: str = "") -> Bundle:
    """HTML; `inline` is its Markdown, for what is made of a notebook."""
    return {"text/html": text, "text/plain": shown(plain), **({"text/markdown": inline} if inline else {})}


def of_medium(part: Media, plain: str | None = None) -> Bundle:
    """A picture as itself, where it can be."""
    plain = repr(part) if plain is None else plain
    if isinstance(part, Image) and part.media_type in _NATIVE and part.data and len(part.data) <= players.LARGEST:
        return {part.media_type: base64_of(part).decode(), "text/plain": plain}
    return of_html(players.of_medium(part), plain)


def of_call(call: ToolCall, result: ToolResult | None = None, state: str = "") -> Bundle:
    """A tool call, with its result if there is one."""
    inline = markdown.joined([markdown.of_part(call), "" if result is None else markdown.of_part(result)])
    told = "" if result is None else f"\n→ {cut(result.text, markdown.READ)}"
    plain = f"{cut(call.name, markdown.TITLE)}({markdown.arguments_of(call)}){told}"
    return of_html(cards.of_call(call, result, state), plain, inline)


def of_part(part: Part) -> Bundle:
    """A part, as a cell shows it that ends with one."""
    if isinstance(part, players.MEDIA):
        return of_medium(part)
    plain, inline = repr(part), markdown.of_part(part)
    if isinstance(part, ToolCall):
        return of_html(cards.of_call(part), plain, inline)
    if isinstance(part, ToolResult):
        return of_html(cards.of_result(part), plain, inline)
    return of_markdown(inline, plain)


def of_value(value: object) -> Bundle:
    """A part or a message, likewise."""
    if isinstance(value, PARTS):
        return of_part(value)
    content = value.content if isinstance(value, (SystemMessage, UserMessage, AssistantMessage)) else ()
    inline = markdown.of_content(content)
    return of_markdown(inline if isinstance(value, AssistantMessage) else markdown.quoted(inline), repr(value))
