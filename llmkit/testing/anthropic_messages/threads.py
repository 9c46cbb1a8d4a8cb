"""Threads: conversations that the host keeps, so that a request holds only what is new.

A body's ``thread`` is ``{"type": "create"}``, or ``{"type": "continue", "previous_message_id": …}``: then what was said
before, the instructions and the tools are those of the answer with that id.

Source: the types of the vendor's own client, whose runner of tools asks so.
"""

from collections.abc import Mapping
from typing import Any, Final

_FIELDS: Final = ("messages", "system", "tools")


def resume(body: Any, kept: Mapping[str, Any]) -> Any:
    """`body` with the thread that it continues; None where it continues none that there is."""
    earlier = kept.get(_continued(body) or "")
    if earlier is None or not isinstance(body.get("messages"), list):
        return None
    return {**earlier, **body, "messages": [*earlier["messages"], *body["messages"]]}


def refusal(body: Any, kept: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is said where `body` continues a thread that there is not; the vendor's client then sends all of it."""
    id_ = _continued(body)
    if id_ is None or id_ in kept:
        return None
    problem = {"type": "not_found_error", "message": f"thread: there is no message {id_} to continue from"}
    return {"type": "error", "error": {**problem, "details": {"error_code": "thread_not_found"}}}


def keep(body: Mapping[str, Any], said: Mapping[str, Any], kept: dict[str, Any]) -> None:
    """Keep the conversation of `body` and the answer `said`, where that is asked for."""
    if isinstance(body.get("thread"), Mapping):
        answered = {"role": "assistant", "content": said["content"]}
        fields = {name: body[name] for name in _FIELDS if name in body}
        kept[said["id"]] = {**fields, "messages": [*body["messages"], answered]}


def _continued(body: Any) -> str | None:
    thread = body.get("thread") if isinstance(body, Mapping) else None
    if not isinstance(thread, Mapping) or thread.get("type") != "continue":
        return None
    return str(thread.get("previous_message_id"))
