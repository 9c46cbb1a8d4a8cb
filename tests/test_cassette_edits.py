"""Cassettes that were written by hand, and places where none can be written: what is wrong is told, with its line."""

import os

import pytest

from llmkit.testing import CassetteError, record, replay
from llmkit.testing.cassettes.files import read

TOP = "llmkit: cassette\nversion: 1\nrecordings:\n"
GET = "- request: {method: GET, url: 'https://h'}\n  "
SENT = TOP + "- request: {{method: POST, url: 'https://h/p', json: {}}}\n  answer: {{status: 200}}\n"
ANSWERED = TOP + GET.replace("{", "{{").replace("}", "}}") + "answer: {{status: 200, {}}}\n"
BOMB = "[&a [x, x], &b [*a, *a], &c [*b, *b], [*c, *c]]"
BROKEN = {
    "a tag of Python": (SENT.format("!!python/object/apply:os.abort []"), "line 4: .*python/object"),
    "a tag of nobody": (SENT.format("!mine x"), "line 4: .*!mine"),
    "a set": (SENT.format("!!set {a}"), "line 4: .*set"),
    "bytes": (ANSWERED.format("json: !!binary aGk="), "line 5: .*binary"),
    "a bomb": (SENT.format(BOMB), "line 4: .*alias"),
    "a list in itself": (SENT.format("&a [*a]"), "line 4: .*alias"),
    "names taken over": (TOP + "- &a {x: 1}\n- {<<: [*a, *a]}\n", "line 5: .*<<"),
    "a name that is a number": (SENT.format("{1: 2, a: 3}"), "line 4: the name 1 is no text"),
    "a name that is a truth": (SENT.format("{on: 2}"), "line 4: the name True is no text"),
    "a name twice": (TOP + GET + "answer: {status: 200}\n  answer: {status: 300}\n", "line 4: .*two values"),
    "a tab": (TOP + GET + "answer:\n\tstatus: 200\n", "line 6: "),
    "no end": (TOP + "- [", "line 4: "),
    "a control character": (SENT.format("a\x00"), "line 4: a character .* 0x0"),
    "two documents": (TOP.replace("\nrec", "\n---\nrec"), "line 3: "),
    "too deep": (SENT.format("[" * 200 + "]" * 200), "line 4 .*nested too deep"),
    "too deep for the slow reader": (TOP + '- "\\ud800"\n- ' + "- " * 600 + "x\n", "nested too deep"),
    "another encoding": (SENT.format("é").encode("latin-1"), "utf-8"),
    "what only the slow reader reads": (
        SENT.format(r'"\ud800"').replace("GET", "").replace("POST", "yes"),
        "line 4 .*True",
    ),
    "no recording": (TOP + "- text\n", r"recordings\[0\] in line 4 .*'text' stands where request, answer"),
    "the second": (TOP + GET + "answer: {status: 200}\n-\n", r"recordings\[1\] in line 6 .*None stands"),
    "no outcome": (TOP + GET + "\n", "'failure' is missing"),
    "a method that is a truth": (ANSWERED.format("").replace("GET", "yes"), "True is no text"),
    "no address": (ANSWERED.format("").replace("https://h", "https://[h"), "line 4 .*IPv6"),
    "a body of a number": (ANSWERED.format("body: 1"), "1 is no text: put it in quotes"),
    "a piece of a number": (ANSWERED.format("chunks: [a, 1]"), "1 is no text"),
    "a header of a number": (ANSWERED.format("headers: {retry-after: 1}"), "1 is no text"),
    "no base64": (ANSWERED.format("body: {base64: 'a%'}"), "base64"),
    "a name that is misspelt": (ANSWERED.format("jsn: {}"), "'jsn' is not known, but status, .*json"),
    "a spelling of no kind": (ANSWERED.format("spelling: odd, json: {}"), "'odd', but compact, spaced"),
    "an end of no kind": (ANSWERED.format("end: half"), "'half' stands where error"),
    "a status of words": (ANSWERED.format("").replace("200", "OK"), "'OK'"),
    "a failure that says nothing": (TOP + GET + "failure: {error: DeadlineError}\n", "'text' is missing"),
    "a failure that says a number": (TOP + GET + "failure: {error: DeadlineError, text: 1}\n", "1 is no text"),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.yaml"


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong(path, text, told):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CassetteError, match=told) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 500


FINE = {
    "a date is text": (SENT.format("{a: 2026-01-01}"), {"a": "2026-01-01"}),
    "a mark at the beginning": ("\ufeff" + SENT.format("[1]"), [1]),
    "line ends of Windows": (SENT.format("[1]").replace("\n", "\r\n"), [1]),
    "headers of nothing": (SENT.format("[1], headers: "), [1]),
}


@pytest.mark.parametrize(("text", "json"), FINE.values(), ids=FINE.keys())
def test_what_can_be_read_all_the_same(path, text, json):
    path.write_bytes(text.encode())
    assert read(path)[0].asked.json == json


def test_it_comes_back_from_windows(path):
    """Lines of a stream end as they did, whatever git makes of those of the file."""
    path.write_bytes((TOP + GET + "answer:\n    status: 200\n    body: |+\n      data: a\n\n").encode())
    before = read(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read(path) == before
    assert before[0].answered.chunks == (b"data: a\n\n",)


def test_a_place_that_is_none(path, monkeypatch):
    """That is told before anything is asked."""
    path.write_text("")
    for place in (path.parent, path / "calls.yaml", path.with_name("x" * 300)):
        with pytest.raises(CassetteError, match="can be written there") as caught, record(place):
            pytest.fail("it began")
        assert str(caught.value).startswith(f"{place}: ")
    monkeypatch.setattr(os, "access", lambda *_: False)  # who runs the tests may be allowed everything
    with pytest.raises(CassetteError, match="read only"), record(path):
        pytest.fail("it began")


def test_a_place_that_is_gone_meanwhile(path):
    with pytest.raises(CassetteError, match="cannot be written"), record(path):
        path.mkdir()
    assert [*path.parent.iterdir()] == [path]
    with pytest.raises(CassetteError, match="directory"), replay(path):
        pass


def test_a_program_that_goes_elsewhere_meanwhile(path, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with record(path.name):
        monkeypatch.chdir("elsewhere")
    assert path.exists()


def test_a_fork_writes_nothing(path, monkeypatch):
    """Also where it comes to the end of the block, as its parent does."""
    with monkeypatch.context() as patch, record(path):
        patch.setattr(os, "getpid", lambda: -1)
    assert not path.exists()
    recording = record(path)
    recording.__enter__()
    if (child := os.fork()) == 0:
        try:
            recording.__exit__(None, None, None)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert not path.exists()
    recording.__exit__(None, None, None)
    assert path.exists()
