"""What a row is known by from run to run: a hash of its content, that does not depend on where it stands."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from attrs import evolve

from llmkit.asking import Asking
from llmkit.messages import Text, UserMessage
from llmkit.secrets import telling

SHOWN: Final = 1_000  # letters of a prompt that are kept, to be read by people

_SCHEME: Final = "llmkit row 1"
# They tell of one exchange, or of who sends it, and nothing of what is asked.
_PASSING: Final = frozenset((
    "traceparent", "tracestate", "baggage", "x-request-id", "x-client-request-id", "x-correlation-id",
    "x-amzn-trace-id", "user-agent",
))  # fmt: skip


def key_of(asking: Asking) -> str:
    """A hash of what would be sent, and of what the answer is to be, in 64 letters.

    Of the provider's row, the wire, the model, the request as it is encoded (whatever the order of its keys), its
    query and headers, and the schema of the output. Not of the API key, nor of headers and fields of the query whose
    names say that they hold a secret, or that tell of one exchange; nor of the address; nor of time limits and retries.

    Raises:
        ConfigurationError: The wire cannot encode it.
    """
    # What is left out of the request is told of when it is sent.
    call = evolve(asking, refuse=lambda _path, _why: None)._encode(stream=False)  # noqa: SLF001 - of its own
    told = {
        "scheme": _SCHEME,
        "provider": asking.engine.row.name,
        "wire": asking.wire.name,
        "model": asking.request.model,
        "path": call.path,
        "query": _harmless(call.query),
        "headers": _harmless({**call.headers, **asking.headers}),
        "body": _value(call.body),
        "output": None if asking.form is None else asking.form.schema,
    }
    return sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def prompt_of(asking: Asking) -> str:
    """The text of the last message of the user's, or its beginning, by which people know a row."""
    messages = reversed(asking.request.messages)
    last = next((message for message in messages if isinstance(message, UserMessage)), None)
    found = "" if last is None else "".join(part.text for part in last.content if isinstance(part, Text))
    return found if len(found) <= SHOWN else f"{found[: SHOWN - 1]}…"


def _value(body: bytes | None) -> Any:
    try:
        return None if body is None else json.loads(body)
    except (ValueError, RecursionError):  # nested deeply, or a number of many digits
        return None if body is None else body.decode("utf-8", "replace")


def _harmless(fields: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower(): value for name, value in fields.items()}
    return {name: value for name, value in named.items() if not telling(name) and name not in _PASSING}
