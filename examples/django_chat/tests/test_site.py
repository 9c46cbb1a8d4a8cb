"""The site without a browser: who may do what, and many at once."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import FOLDER, PATIENCE, served

from llmkit import Text, ToolCall, UserMessage
from llmkit.testing import FakeServer, RecordedRequest

MANY = 50


class Visitor:
    """Somebody with cookies of their own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy on the way to this machine

    def get(self, path: str = "/") -> requests.Response:
        return self.session.get(f"{self.url}{path}", timeout=PATIENCE)

    def post(self, path: str, *, token: str | None = None, **fields: str) -> requests.Response:
        fields["csrfmiddlewaretoken"] = self.session.cookies.get("csrftoken", "") if token is None else token
        return self.session.post(f"{self.url}{path}", data=fields, timeout=PATIENCE, stream=True)

    def say(self, text: str, path: str = "/say/") -> tuple[str, list[tuple[str, Any]]]:
        """The address of the conversation, and the events of the answer."""
        with self.post(path, text=text) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            found = re.findall(r"^event: (.*)\ndata: (.*)$", response.text, re.MULTILINE)
        return response.headers["Content-Location"], [(event, json.loads(data)) for event, data in found]


@contextmanager
def visiting(url: str) -> Iterator[Visitor]:
    visitor = Visitor(url)
    with closing(visitor.session):
        assert visitor.get().status_code == 200
        yield visitor


def test_what_cannot_be_written_in_a_page(gunicorn: str, provider: FakeServer) -> None:
    """A conversation that holds halves of surrogate pairs stays one that can be looked at."""
    provider.reply([Text("here \ud800 there"), ToolCall("c", "weather", {"city": "Oslo\udc00"})])
    provider.reply("done")
    with visiting(gunicorn) as visitor:
        address, _ = visitor.say("Hi")
        assert "here \ufffd there" in visitor.get(address).text


def test_calls_whose_ids_are_used_again(gunicorn: str, provider: FakeServer) -> None:
    """Each is shown with the result of its own round."""
    for city in ("Oslo", "Rome"):
        provider.reply(ToolCall("c", "weather", {"city": city}))
        provider.reply("done")
    with visiting(gunicorn) as visitor:
        address, _ = visitor.say("Oslo?")
        visitor.say("Rome?", f"{address}say/")
        page = visitor.get(address).text
    results = re.findall(r'<pre class="result">(.+?)</pre>', page, re.DOTALL)
    assert ["Oslo" in result for result in results] == [True, False]
    assert ["Rome" in result for result in results] == [False, True]


def test_two_tabs_that_ask_again(gunicorn: str, provider: FakeServer) -> None:
    """One of the two answers is kept."""
    both = threading.Barrier(2)

    def answer(_: RecordedRequest) -> str:
        both.wait(PATIENCE)
        return "an answer"

    provider.fault("cut stream", after=6)
    with visiting(gunicorn) as visitor, ThreadPoolExecutor(2) as pool:
        address, _ = visitor.say("Count to four")
        provider.reply_with(answer)
        list(pool.map(lambda _: visitor.say("", f"{address}again/"), range(2)))
        assert visitor.get(address).text.count("an answer") == 1


def test_lines_are_counted_as_they_were_typed(gunicorn: str, provider: FakeServer) -> None:
    """A browser counts one character for the end of a line, and sends two."""
    text = "\n".join("x" * 10_000)
    with visiting(gunicorn) as visitor:
        visitor.say(text.replace("\n", "\r\n"))
    assert provider.requests[-1].messages[-1] == UserMessage(text)


def test_many_at_once(gunicorn: str, provider: FakeServer) -> None:
    """Nobody is answered before all have asked, and everybody gets their own answer, which is kept."""
    all_there = threading.Barrier(MANY)

    def answer(request: RecordedRequest) -> str:
        all_there.wait(PATIENCE)
        return f"You said: {request.messages[-1].text}"

    def visit(number: int) -> str:
        with visiting(gunicorn) as visitor:
            address, events = visitor.say(f"I am {number}")
            assert events[-1] == ("end", {"complete": True})
            said = "".join(data["text"] for event, data in events if event == "text_delta")
            assert said in visitor.get(address).text
            return said

    provider.reply_with(answer)
    with ThreadPoolExecutor(MANY) as pool:
        assert list(pool.map(visit, range(MANY))) == [f"You said: I am {number}" for number in range(MANY)]


def test_two_tabs_of_one_conversation(gunicorn: str, provider: FakeServer) -> None:
    """What one of them says while the other is answered is kept as well; each answer with its question."""
    asked, told = threading.Event(), threading.Event()

    def answer(request: RecordedRequest) -> str:
        text = request.messages[-1].text
        if text == "slow":
            asked.set()
            assert told.wait(PATIENCE)
        return f"re: {text}"

    provider.reply_with(answer)
    with visiting(gunicorn) as visitor, ThreadPoolExecutor(1) as pool:
        address, _ = visitor.say("first")
        slow = pool.submit(visitor.say, "slow", f"{address}say/")
        assert asked.wait(PATIENCE)
        visitor.say("quick", f"{address}say/")
        told.set()
        slow.result(PATIENCE)
        page = visitor.get(address).text
    said = re.findall(r"data-markdown>(.+?)</div>", page)
    assert said == ["first", "re: first", "slow", "re: slow", "quick", "re: quick"]


def test_conversations_are_their_owners(gunicorn: str, provider: FakeServer) -> None:
    with visiting(gunicorn) as owner, visiting(gunicorn) as other:
        address, _ = owner.say("my secret")
        assert owner.get(address).status_code == 200
        assert other.get(address).status_code == 404
        assert "my secret" not in other.get().text
        for action in ("say", "again", "forget"):
            assert other.post(f"{address}{action}/", text="Hi").status_code == 404
        assert other.get(f"{address}pictures/0/0/").status_code == 404
        assert owner.get(address).status_code == 200
    assert len(provider.requests) == 1


REFUSED = {
    "without a token": ({"token": "", "text": "Hi"}, 403),
    "with a wrong token": ({"token": "x" * 32, "text": "Hi"}, 403),
    "nothing said": ({}, 422),
    "only blanks": ({"text": "  "}, 422),
    "too much said": ({"text": "x" * 20_001}, 422),
}


@pytest.mark.parametrize(("fields", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(gunicorn: str, provider: FakeServer, fields: dict[str, str], status: int) -> None:
    with visiting(gunicorn) as visitor:
        with visitor.post("/say/", **fields) as response:
            assert response.status_code == status
        assert "chat/" not in visitor.get().text.partition('id="conversations"')[2].partition("</ul>")[0]
    assert provider.requests == []


def test_nothing_to_answer_again(gunicorn: str, provider: FakeServer) -> None:
    with visiting(gunicorn) as visitor:
        address, _ = visitor.say("Hi")
        assert visitor.post(f"{address}again/").status_code == 409
    assert len(provider.requests) == 1


def test_what_is_forgotten_while_it_is_answered(gunicorn: str, provider: FakeServer) -> None:
    asked, told = threading.Event(), threading.Event()

    def answer(_: RecordedRequest) -> str:
        asked.set()
        assert told.wait(PATIENCE)
        return "too late"

    with visiting(gunicorn) as visitor, ThreadPoolExecutor(1) as pool:
        address, _ = visitor.say("Hi")
        provider.reply_with(answer)
        late = pool.submit(visitor.say, "More", f"{address}say/")
        assert asked.wait(PATIENCE)
        assert visitor.post(f"{address}forget/").status_code == 200
        told.set()
        assert late.result(PATIENCE)[1][-1] == ("end", {"complete": True})
        assert visitor.get(address).status_code == 404


def test_the_demo_needs_no_key(environment: dict[str, str], tmp_path: Path) -> None:
    without = {name: value for name, value in environment.items() if not name.startswith("CHAT_")}
    without["CHAT_DATABASE"] = str(tmp_path / "chat.sqlite3")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with served(("manage.py", "demo", port, "--delay", "0"), without) as url, visiting(url) as visitor:
        address, events = visitor.say("Do I need an umbrella in Oslo or in Lisbon?")
        cities = [data["arguments"]["city"] for event, data in events if event == "tool_call"]
        assert cities == ["Oslo", "Lisbon"]
        assert [data["is_error"] for event, data in events if event == "tool_result"] == [False, False]
        for text, word in {"Roll five dice": "You rolled", "Explain binary search": "bisect", "Hi": "&gt; Hi"}.items():
            visitor.say(text, f"{address}say/")
            assert word in visitor.get(address).text
        with visitor.post(f"{address}say/", text="Fail, please") as response:
            assert (response.status_code, response.json()["type"]) == (502, "OverloadedError")


@pytest.mark.parametrize("command", [("check", "--deploy", "--fail-level", "WARNING"), ("makemigrations", "--check")])
def test_the_project_is_sound(environment: dict[str, str], command: tuple[str, ...]) -> None:
    """With what the README says of sites that others use."""
    deployed = {**environment, "SECRET_KEY": "".join(map(chr, range(33, 99))), "CHAT_HTTPS": "1"}
    subprocess.run([sys.executable, "manage.py", *command], cwd=FOLDER, env=deployed, check=True)
