"""Recordings ⇄ the file: YAML that a person can read and a diff can show, and that comes back to the byte.

::

    llmkit: cassette
    version: 1
    recordings:
    - request:
        method: POST
        url: https://api.anthropic.com/v1/messages
        headers: {content-type: application/json}
        json: {model: claude-sonnet-5, messages: […]}   # or text
      answer:
        status: 200
        reason: OK
        headers: {…}
        json: {…}        # written as `spelling` says; or body: text or base64; or of a stream, chunks: of either
        end: left        # unless it is whole; or as in a failure
    - request: …
      failure: {error: ConnectionFailedError, text: …}
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from attrs import asdict, fields_dict

from llmkit.errors import ConfigurationError
from llmkit.testing.cassettes.asking import json_of
from llmkit.testing.cassettes.errors import CassetteError
from llmkit.testing.cassettes.recordings import Answered, Asked, End, Failed, Recording

VERSION: Final = 1
_TOP: Final = (
    "# Recorded by llmkit; keys are left out. It may be edited by hand, and should be looked at before it is kept.\n"
)
_SPELLINGS: Final[dict[str, dict[str, Any]]] = {
    "compact": {"separators": (",", ":"), "ensure_ascii": False},
    "spaced": {"ensure_ascii": False},
    "indented": {"indent": 2, "ensure_ascii": False},
    "compact ascii": {"separators": (",", ":")},
    "spaced ascii": {},
    "indented ascii": {"indent": 2},
}


_LAYOUT: Final = dict.fromkeys(map(ord, "\n\t"))


def needed() -> Any:
    """PyYAML.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("cassettes need PyYAML: pip install 'llmkit[testing]'") from None
    return yaml


def write(path: Path, recordings: Iterable[Recording]) -> None:
    """Put them into the file, whole or not at all."""
    data = {"llmkit": "cassette", "version": VERSION, "recordings": [_written(one) for one in recordings]}
    text = _TOP + _dumped(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> tuple[Recording, ...]:
    """What `write` has put there.

    Raises:
        CassetteError: There is no such file, or it holds something else; the message begins with its path.
        ConfigurationError: PyYAML is not installed.
    """
    yaml = needed()
    try:
        data = _loaded(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CassetteError(f"{path}: there is no such cassette: record it with llmkit.testing.record") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CassetteError(f"{path}: it cannot be read ({type(error).__name__}): is it a cassette?") from error
    if not isinstance(data, dict) or data.get("llmkit") != "cassette" or not isinstance(data.get("recordings"), list):
        raise CassetteError(f"{path}: it is no cassette: these begin with 'llmkit: cassette'")
    if data.get("version") != VERSION:
        raise CassetteError(f"{path}: its version is {data.get('version')!r}, this llmkit reads {VERSION}: record anew")
    return tuple(_read(path, f"recordings[{index}]", one) for index, one in enumerate(data["recordings"]))


def _written(recording: Recording) -> dict[str, Any]:
    asked, answered = recording.asked, recording.answered
    body = {"text": asked.text} if asked.text is not None else {"json": asked.json}
    told = {"method": asked.method, "url": asked.url, "headers": dict(asked.headers)}
    request = {**told, **(body if body != {"json": None} else {})}
    if isinstance(answered, Failed):
        return {"request": request, "failure": _failure(answered)}
    answer = {"status": answered.status, "reason": answered.reason, "headers": dict(answered.headers)}
    answer |= _body(answered.chunks)
    if answered.end != "whole":
        answer["end"] = answered.end if isinstance(answered.end, str) else _failure(answered.end)
    return {"request": request, "answer": answer}


def _failure(failed: Failed) -> dict[str, Any]:
    return {name: value for name, value in asdict(failed).items() if value is not None}


def _body(chunks: Sequence[bytes]) -> dict[str, Any]:
    if len(chunks) != 1:
        return {"chunks": [_bytes(chunk) for chunk in chunks]} if chunks else {}
    value = json_of(chunks[0])
    for spelling, style in _SPELLINGS.items():
        if _spelled(value, style) == chunks[0]:
            return {"json": value} if spelling == "compact" else {"spelling": spelling, "json": value}
    return {"body": _bytes(chunks[0])}


def _spelled(value: Any, style: Mapping[str, Any]) -> bytes:
    return json.dumps(value, **style).encode("utf-8", "surrogatepass")


def _bytes(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _read(path: Path, where: str, data: Any) -> Recording:
    try:
        request, answer = data["request"], data.get("answer")
        json_, text = request.get("json"), request.get("text")
        asked = Asked(str(request["method"]), str(request["url"]), _headers(request), json_, text)
        if answer is None:
            return Recording(asked, _failed(data["failure"]))
        told = answer.get("end", "whole")
        end: End = told if told in ("whole", "left") else _failed(told)
        status, reason = int(answer["status"]), str(answer.get("reason", ""))
        return Recording(asked, Answered(status, reason, _headers(answer), _chunks(answer), end))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise CassetteError(f"{path}: {where} cannot be read ({what:.100}): mend it, or record anew") from error


def _headers(data: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in data.get("headers", {}).items()}


def _chunks(answer: Mapping[str, Any]) -> tuple[bytes, ...]:
    if "json" in answer:
        return (_spelled(answer["json"], _SPELLINGS[answer.get("spelling", "compact")]),)
    chunks = [answer["body"]] if "body" in answer else answer.get("chunks", ())
    return tuple(b64decode(one["base64"]) if isinstance(one, dict) else one.encode() for one in chunks)


def _failed(data: Mapping[str, Any]) -> Failed:
    if not Failed.known(data["error"]):
        raise ValueError(f"an error {data['error']!r} is never recorded")
    return Failed(**{name: data[name] for name in fields_dict(Failed) if name in data})


def _dumped(data: Any) -> str:
    yaml = needed()

    class Dumper(yaml.SafeDumper):  # type: ignore[misc,name-defined]  # of a module that is an extra
        def ignore_aliases(self, _: Any) -> bool:
            return True

    Dumper.add_representer(str, _scalar)
    # Not the C one: it writes other lines, and which one is there is no reason for a difference.
    return str(yaml.dump(data, Dumper=Dumper, allow_unicode=True, width=2**31, sort_keys=False))


def _scalar(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    if not text.translate(_LAYOUT).isprintable():
        style = '"'  # PyYAML would write some of it as it is, and read it back as something else
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _loaded(text: str) -> Any:
    yaml = needed()
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # twenty times as quick
    except yaml.YAMLError:
        return yaml.safe_load(text)  # knows escapes that the other does not
