"""What blocks of both shapes share: whose they are, and what is to be cached."""

from typing import Any, Final, Literal, TypeAlias, cast

from attrs import evolve

from llmkit.history.nodes import SHOWN, Node, copied
from llmkit.messages import Opaque, Part, Refusal, Thinking

ANTHROPIC: Final = "anthropic-messages"
CHAT: Final = "openai-chat"

Extra: TypeAlias = dict[str, dict[str, Any]]


def extra_of(wire: str, found: dict[str, Any]) -> Extra:
    """`found` as a part's `extra` for `wire`."""
    return {wire: found} if found else {}


def breakpoint_of(node: Node) -> Extra:
    """OpenAI's mark for its cache, which stands on parts of the Chat shape."""
    found = node.find_node("prompt_cache_breakpoint")
    return {} if found is None else {CHAT: {"prompt_cache_breakpoint": copied(found.value, found.where)}}


def cache_of(node: Node) -> Literal["5m", "1h"] | None:
    """How long `node` asks to be cached."""
    if (control := node.find_node("cache_control")) is None:
        return None
    control.only("type", "ttl")
    if (name := control.get("type", str)) != "ephemeral":
        control.fail("type", f"expected 'ephemeral', got {name[:SHOWN]!r}")
    ttl = control.find("ttl", str) or "5m"
    if ttl not in ("5m", "1h"):
        control.fail("ttl", f"expected '5m' or '1h', got {ttl[:SHOWN]!r}")
    return cast('Literal["5m", "1h"]', ttl)


def with_cache(parts: tuple[Part, ...], node: Node) -> tuple[Part, ...]:
    """`parts` with what the message as a whole asks to be cached at its last part, where it ends."""
    cache = cache_of(node)
    if cache is None:
        return parts
    if not parts or isinstance(parts[-1], (Thinking, Refusal, Opaque)):
        node.fail("cache_control", "the message ends with nothing that can be cached")
    return (*parts[:-1], evolve(parts[-1], cache=cache))
