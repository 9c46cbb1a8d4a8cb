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
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import asdict, fields_dict

from llmkit.testing.cassettes.asking import json_of, shallow
from llmkit.testing.cassettes.errors import CassetteError
from llmkit.testing.cassettes.plain import dumped, line_of, loaded, needed
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
_ANSWER: Final = ("status", "reason", "headers", "json", "spelling", "body", "chunks", "end")


def target(path: Path) -> Path:
    """Where a cassette is going to be written: with its folder, as the program may go into another one meanwhile.

    Raises:
        CassetteError: It cannot be written there, which is better said before calls are paid for.
        ConfigurationError: PyYAML is not installed.
    """
    needed()
    place = path.absolute()
    try:
        folder = next(folder for folder in place.parents if folder.exists())
        fit = folder.is_dir() and os.access(folder, os.W_OK) and not place.is_dir()
    except OSError:  # it cannot even be looked at
        fit = False
    if not fit:
        raise CassetteError(f"{path}: no cassette can be written there: is it a folder, or in one that is read only?")
    return place


def write(path: Path, recordings: Iterable[Recording]) -> None:
    """Put them into the file, whole or not at all.

    Raises:
        CassetteError: It cannot be written there.
    """
    data = {"llmkit": "cassette", "version": VERSION, "recordings": [_written(one) for one in recordings]}
    text = _TOP + dumped(data)
    beside = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_text(text, encoding="utf-8", newline="\n")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise CassetteError(f"{path}: it cannot be written: {error.strerror}") from error


def read(path: Path) -> tuple[Recording, ...]:
    """What `write` has put there.

    Raises:
        CassetteError: There is no such file, or it holds something else; the message begins with its path.
        ConfigurationError: PyYAML is not installed.
    """
    needed()
    try:
        text = path.read_text(encoding="utf-8")
        data = loaded(text)
    except FileNotFoundError:
        raise CassetteError(f"{path}: there is no such cassette: record it with llmkit.testing.record") from None
    except OSError as error:
        raise CassetteError(f"{path}: it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CassetteError(f"{path}: it cannot be read ({error}): is it a cassette?") from error
    if not isinstance(data, dict) or data.get("llmkit") != "cassette" or not isinstance(data.get("recordings"), list):
        raise CassetteError(f"{path}: it is no cassette: these begin with 'llmkit: cassette'")
    if (version := data.get("version")) != VERSION:
        raise CassetteError(f"{path}: its version is {version!r}, this llmkit reads {VERSION}: record anew")
    return tuple(_read(path, text, index, one) for index, one in enumerate(data["recordings"]))


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


def _read(path: Path, text: str, index: int, data: Any) -> Recording:
    try:
        one = _parts(data, ("request", "answer", "failure"))
        asked = _asked(_parts(one["request"], ("method", "url", "headers", "json", "text")))
        if "answer" not in one:
            return Recording(asked, _failed(one["failure"]))
        return Recording(asked, _answered(_parts(one["answer"], _ANSWER)))
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        where = f"recordings[{index}] in line {line_of(text, 'recordings', index)}"
        raise CassetteError(f"{path}: {where} cannot be read ({what:.200}): mend it, or record anew") from error


def _parts(data: Any, known: Iterable[str]) -> Mapping[str, Any]:
    """`data`, an object without names that nobody knows: they are misspelt."""
    if not isinstance(data, dict):
        raise TypeError(f"{data!r:.50} stands where {', '.join(known)} are expected")
    for name in sorted(data.keys() - known):
        raise ValueError(f"{name!r} is not known, but {', '.join(known)}")
    return data


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.50} is no text: put it in quotes")
    return value


def _asked(data: Mapping[str, Any]) -> Asked:
    urlsplit(url := _text(data["url"]))
    text = _text(data["text"]) if "text" in data else None
    if not shallow(data.get("json")):
        raise ValueError("its JSON is nested too deep: write it as text")
    return Asked(_text(data["method"]), url, _headers(data), data.get("json"), text)


def _answered(data: Mapping[str, Any]) -> Answered:
    told = data.get("end", "whole")
    end: End = told if told in ("whole", "left") else _failed(told)
    return Answered(int(data["status"]), _text(data.get("reason", "")), _headers(data), _chunks(data), end)


def _headers(data: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in (data.get("headers") or {}).items()}


def _chunks(answer: Mapping[str, Any]) -> tuple[bytes, ...]:
    if "json" in answer:
        spelling = answer.get("spelling", "compact")
        if spelling not in _SPELLINGS:
            raise ValueError(f"there is no spelling {spelling!r}, but {', '.join(_SPELLINGS)}")
        return (_spelled(answer["json"], _SPELLINGS[spelling]),)
    chunks = [answer["body"]] if "body" in answer else answer.get("chunks") or ()
    return tuple(map(_chunk, chunks))


def _chunk(data: Any) -> bytes:
    if isinstance(data, dict):
        return b64decode(_parts(data, ("base64",))["base64"], validate=True)
    return _text(data).encode()


def _failed(data: Any) -> Failed:
    known = _parts(data, fields_dict(Failed))
    if not Failed.known(_text(known["error"])):
        raise ValueError(f"an error {known['error']!r} is never recorded")
    _text(known["text"])
    return Failed(**known)
