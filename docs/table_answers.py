"""What answers become, found out by decoding some: the words for their end, and what was counted."""

from collections.abc import Iterable
from typing import Any, get_args

import attrs

from llmkit.response import Reason, Usage
from llmkit.wire import wire
from llmkit.wire.anthropic_messages.decode import REASONS as ANTHROPIC
from llmkit.wire.base import Decoded
from llmkit.wire.gemini_generate import finish as gemini
from llmkit.wire.openai_chat.decode import REASONS as CHAT
from llmkit.wire.openai_responses.decode import INCOMPLETE
from llmkit.wire.signals import ErrorEvent

WIRES = ("anthropic-messages", "openai-responses", "openai-chat", "gemini-generate")
HEAD = ["", *(f"`{name}`" for name in WIRES)]
NONE = "–"


def table(head: list[str], body: Iterable[list[str]]) -> list[str]:
    """In Markdown."""
    cells = [head, ["---"] * len(head), *body]
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |".replace("|  |", "| |") for row in cells
    ]


def reasons() -> list[str]:
    """What each wire's words for the end of an answer become."""
    found = {name: {label: _reason(name, answer) for label, answer in answers()[name].items()} for name in WIRES}
    return table(
        ["`FinishReason.reason`", *HEAD[1:]],
        [
            [f"`{reason}`" if reason != RAISED else reason, *(_words(labels, reason) for labels in found.values())]
            for reason in (*get_args(Reason), RAISED)
            if reason != "unfinished"
        ],
    )


RAISED = "raised as an error"


def _words(labels: dict[str, str], reason: str) -> str:
    return ", ".join(label for label, became in labels.items() if became == reason) or NONE


def _reason(name: str, answer: dict[str, Any]) -> str:
    try:
        return decoded(name, answer).finish_reason.reason
    except ErrorEvent:
        return RAISED


def decoded(name: str, answer: dict[str, Any]) -> Decoded:
    """What an answer says."""
    found = wire(name)
    return found.decode(answer, found.quirks())


ANYTHING = "anything else"
GEMINI = [
    word for word in dict.fromkeys([*gemini.REASONS, *gemini.FINISHED["cloud"]]) if word not in gemini.UNSPECIFIED
]


def answers() -> dict[str, dict[str, dict[str, Any]]]:
    """Wire → how an answer ends, in words → an answer that does."""
    return {
        "anthropic-messages": {
            **{_word(word): _anthropic(word) for word in [*ANTHROPIC, ANYTHING]},
            "`end_turn` with calls": _anthropic("end_turn", ANTHROPIC_CALL),
        },
        "openai-responses": _responses(),
        "openai-chat": {
            **{_word(word): _chat(word) for word in [*CHAT, ANYTHING]},
            "`stop` with a refusal": _chat("stop", content=None, refusal="No."),
            "`stop` with calls": _chat("stop", tool_calls=[CHAT_CALL]),
            "none": _chat(None),
        },
        "gemini-generate": {
            **{_word(word): _gemini(word) for word in [*GEMINI, ANYTHING]},
            "`STOP` with calls": _gemini("STOP", {"functionCall": {"name": "f", "args": {}}}),
            "a `blockReason`": {"promptFeedback": {"blockReason": "SAFETY"}},
        },
    }


def _word(word: str) -> str:
    return word if word == ANYTHING else f"`{word}`"


CHAT_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


ANTHROPIC_CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}


def _anthropic(word: str, block: object = None, usage: object = None) -> dict[str, Any]:
    return {"content": [block or {"type": "text", "text": "x"}], "stop_reason": word, "usage": usage}


def _chat(word: str | None, usage: object = None, **message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "x", **message}, "finish_reason": word}], "usage": usage}


def _gemini(word: str, part: object = None, usage: object = None) -> dict[str, Any]:
    content = {"parts": [part or {"text": "x"}]}
    return {"candidates": [{"content": content, "finishReason": word}], "usageMetadata": usage}


def _responses() -> dict[str, dict[str, Any]]:
    def message(content: dict[str, str]) -> dict[str, Any]:
        return {"type": "message", "content": [content]}

    output = [message({"type": "output_text", "text": "x"})]
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    refusal = message({"type": "refusal", "refusal": "No."})
    return {
        "`completed`": {"status": "completed", "output": output},
        "`completed` with calls": {"status": "completed", "output": [call]},
        "`completed` with a refusal": {"status": "completed", "output": [refusal]},
        **{
            _word(word): {
                "status": "incomplete",
                "incomplete_details": {"reason": word},
                "output": output,
            }
            for word in INCOMPLETE
        },
        "`failed`": {"status": "failed", "output": [], "error": {"code": "server_error", "message": "x"}},
        ANYTHING: {"status": ANYTHING, "output": output},
    }


COUNTS = {
    "anthropic-messages": (
        "input_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "output_tokens",
        "output_tokens_details.thinking_tokens",
    ),
    "openai-responses": (
        "input_tokens",
        "input_tokens_details.cached_tokens",
        "input_tokens_details.cache_write_tokens",
        "output_tokens",
        "output_tokens_details.reasoning_tokens",
    ),
    "openai-chat": (
        "prompt_tokens",
        "prompt_tokens_details.cached_tokens",
        "prompt_tokens_details.cache_write_tokens",
        "completion_tokens",
        "completion_tokens_details.reasoning_tokens",
    ),
    "gemini-generate": (
        "promptTokenCount",
        "cachedContentTokenCount",
        "toolUsePromptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
    ),
}  # what providers count


def usage() -> list[str]:
    """Which of a provider's counts each of llmkit's is the sum of."""
    names = [name for name in attrs.fields_dict(Usage) if name != "raw"]
    sums = {name: _counted(name) for name in WIRES}
    return table(
        HEAD,
        [[f"`Usage.{count}`", *(_sum(COUNTS[name], getattr(sums[name], count)) for name in WIRES)] for count in names],
    )


def _counted(name: str) -> Usage:
    """What is read where each count is another power of two, so that a sum tells what it is made of."""
    told: dict[str, Any] = {}
    for place, path in enumerate(COUNTS[name]):
        *around, last = path.split(".")
        inner = told
        for key in around:
            inner = inner.setdefault(key, {})
        inner[last] = 1 << place
    match name:
        case "anthropic-messages":
            answer = _anthropic("end_turn", usage=told)
        case "openai-responses":
            answer = _responses()["`completed`"] | {"usage": told}
        case "openai-chat":
            answer = _chat("stop", told)
        case _:
            answer = _gemini("STOP", usage=told)
    return decoded(name, answer).usage


def _sum(counts: tuple[str, ...], value: int) -> str:
    return " + ".join(f"`{path}`" for place, path in enumerate(counts) if value >> place & 1) or NONE
