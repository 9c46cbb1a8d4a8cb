"""How a `FakeServer` is told what to do by HTTP, by programs in other languages: all below one path.

=====================  ===========================================================================
``GET /_llmkit``       where it is, what it can do, and how much of what it was told is left
``POST …/reply``       queue one answer: text, a list of parts, or all that a `Reply` has
``POST …/fault``       let the next call fail: a fault's name, or ``{"name": …, "after": …}``
``POST …/script``      all at once, as `llmkit.testing.scripts` has it
``GET …/requests``     what was asked
``POST …/reset``       forget all that it was told and asked
=====================  ===========================================================================

What comes here is no request of a provider: it is not recorded, not limited, never late, and no fault is for it.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from llmkit import __version__
from llmkit.errors import ConfigurationError
from llmkit.json_codec import dump_bytes
from llmkit.testing import scripts
from llmkit.testing.exchange import Answer, RecordedRequest
from llmkit.testing.faults import FAULTS

if TYPE_CHECKING:
    from llmkit.testing.server import FakeServer

PATH: Final = "/_llmkit"
_JSON: Final = {"content-type": "application/json"}


def claims(request: RecordedRequest) -> bool:
    """Whether `request` is for here, and not for a provider."""
    return f"{request.path}/".startswith(f"{PATH}/")


def answer(server: "FakeServer", request: RecordedRequest) -> Answer:
    """Do what `request` asks for, and tell how that went."""
    if "origin" in request.headers:  # a page in somebody's browser: it may not even read what was asked
        return _answer({"error": "no browser is answered here"}, 403)
    name = request.path.removeprefix(PATH).strip("/")
    if name not in _ACTIONS:
        return _answer({"error": f"there is no {request.path}; there are {', '.join(_paths())}"}, 404)
    method, act = _ACTIONS[name]
    if request.method != method:
        return _answer({"error": f"{request.path} is asked by {method}"}, 405)
    if method == "POST" and request.json is None and request.body.strip():
        return _answer({"error": "the body is no JSON"}, 400)
    try:
        return _answer(act(server, request.json))
    except ConfigurationError as exc:
        return _answer({"error": str(exc)}, 400)


def _answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, _JSON, (dump_bytes(body) + b"\n",), latency=0)


def _paths() -> list[str]:
    return [f"{method} {PATH}/{name}".rstrip("/") for name, (method, _) in _ACTIONS.items()]


def _about(server: "FakeServer", _: Any) -> Any:
    return {
        "llmkit": __version__,
        "url": server.url,
        "variables": server.variables,
        "requests": len(server.requests),
        "scripted": server.scripted,
        "refused": server.refused,
        "abandoned": len(server.abandoned),
        "paths": _paths(),
        "faults": dict(FAULTS),
    }


def _reply(server: "FakeServer", data: Any) -> Any:
    server.reply(scripts.reply(data, "reply"))
    return {"scripted": server.scripted}


def _fault(server: "FakeServer", data: Any) -> Any:
    name, after = scripts.fault(data, "fault")
    server.fault(name, after=after)
    return {"scripted": server.scripted}


def _script(server: "FakeServer", data: Any) -> Any:
    server.script(data)
    return {"scripted": server.scripted}


def _requests(server: "FakeServer", _: Any) -> Any:
    return [scripts.request_data(request) for request in list(server.requests)]


def _reset(server: "FakeServer", _: Any) -> Any:
    server.reset()
    return {"scripted": 0}


_ACTIONS: Final[Mapping[str, tuple[str, Callable[["FakeServer", Any], Any]]]] = {
    "": ("GET", _about),
    "reply": ("POST", _reply),
    "fault": ("POST", _fault),
    "script": ("POST", _script),
    "requests": ("GET", _requests),
    "reset": ("POST", _reset),
}
