"""Clients from the settings of a Django project, and what its checks say of them."""

import runpy
import sys
import threading

import djangos  # noqa: F401 - configures Django
import pytest
from django.core.checks import Error, run_checks
from django.core.checks import Warning as Caution
from django.test import override_settings

import llmkit.django
from llmkit import ConfigurationError, MissingAuthError, OverloadedError, Timeout, UserMessage
from llmkit.django import get_client
from llmkit.testing import FakeServer

GOOD = {"provider": "anthropic", "key": "k"}
CHECKS = {
    "nothing to say": ({"default": GOOD}, []),
    "every keyword": (
        {
            "default": {
                **GOOD,
                "model": "m",
                "base_url": "https://gateway.example",
                "timeout": Timeout(first=5),
                "max_retries": 1,
                "headers": {"x-team": "a"},
                "temperature": 0.5,
                "max_tokens": 10,
                "system": "Be brief.",
            }
        },
        [],
    ),
    "a key by its name in Client": ({"default": {"provider": "openai", "api_key": "k"}}, []),
    "a key by both names": (
        {"default": {**GOOD, "api_key": "k"}},
        [("E005", "LLMKIT['default']: 'key' and 'api_key' are the same: keep one of them")],
    ),
    "a function as a key": ({"default": {"provider": "openai", "key": lambda: 1 / 0}}, []),
    "a fallback": ({"default": {**GOOD, "fallback": ["other"]}, "other": {**GOOD, "provider": "openai"}}, []),
    "no certificates checked": ({"default": {**GOOD, "verify": False}}, []),
    "no dict": ([GOOD], [("E001", "LLMKIT: expected a dict of dicts, one for each alias")]),
    "no dict of dicts": (GOOD, [("E001", "LLMKIT: expected a dict of dicts, one for each alias")]),
    "no provider": ({"default": {"key": "k"}}, [("E002", "LLMKIT['default']: 'provider' is missing")]),
    "no such provider": (
        {"default": {"provider": "antropic", "key": "k"}},
        [("E003", "LLMKIT['default']: provider: none is named 'antropic'; try anthropic, or pass a Provider")],
    ),
    "a misspelt key": (
        {"default": {**GOOD, "temprature": 1, 7: 1}},
        [
            ("E004", "LLMKIT['default']: there is no 'temprature'", "Did you mean 'temperature'?"),
            ("E004", "LLMKIT['default']: there is no 7", "What a provider alone knows goes into 'extra_body'."),
        ],
    ),
    "a wrong value": (
        {"default": {**GOOD, "temperature": "hot"}},
        [("E005", "LLMKIT['default']: temperature: expected a number from 0 to 2, got 'hot'")],
    ),
    "a wrong keyword": (
        {"default": {**GOOD, "max_retries": -1}},
        [("E005", "LLMKIT['default']: max_retries: expected a whole number from 0 to 1000, got -1")],
    ),
    "a key that is none": ({"default": {**GOOD, "key": 7}}, [("E005", "LLMKIT['default']: api_key: expected text")]),
    "a fallback that is no list": (
        {"default": {**GOOD, "fallback": "other"}},
        [("E006", "LLMKIT['default']: 'fallback' is a list of aliases, got str")],
    ),
    "a fallback on what is no name": (
        {"default": {**GOOD, "fallback": [["other"]]}},
        [("E006", "LLMKIT: there is no alias ['other']; there are 'default'")],
    ),
    "a fallback on nobody": (
        {"default": {**GOOD, "fallback": ["other"]}},
        [("E006", "LLMKIT: there is no alias 'other'; there are 'default'")],
    ),
    "a fallback on itself": (
        {"default": {**GOOD, "fallback": ["b"]}, "b": {**GOOD, "fallback": ["default"]}},
        [
            ("E006", "LLMKIT['b']: it falls back on 'default', which falls back on it"),
            ("E006", "LLMKIT['default']: it falls back on 'b', which falls back on it"),
        ],
    ),
    "no key": (
        {"default": {"provider": "anthropic"}},
        [("W001", "LLMKIT['default']: no API key for anthropic: set the environment variable ANTHROPIC_API_KEY")],
    ),
    "an empty key": ({"default": {**GOOD, "key": ""}}, [("W001", "LLMKIT['default']: api_key: it is empty")]),
    "no default": ({"other": GOOD}, [("W002", "LLMKIT: there is no alias 'default'")]),
    "nothing": ({}, [("W002", "LLMKIT: there is no alias 'default'")]),
}


@pytest.mark.parametrize(("setting", "expected"), CHECKS.values(), ids=CHECKS.keys())
def test_checks(setting, expected):
    with override_settings(LLMKIT=setting):
        found = run_checks()
    assert [one.id for one in found] == [f"llmkit.{id_}" for id_, *_ in expected]
    for one, (id_, message, *hint) in zip(found, expected, strict=True):
        assert isinstance(one, Error if id_.startswith("E") else Caution)
        assert one.msg.startswith(message)
        assert one.hint, "what to do"
        assert not hint or one.hint == hint[0]


@pytest.fixture
def setting(server):
    return {
        "default": {**GOOD, "base_url": server.url, "model": "m1", "max_tokens": 77, "system": "Be brief."},
        "other": {"provider": "openai-chat:m2", "key": "k", "base_url": server.url, "max_retries": 0},
    }


def test_a_client_is_what_the_settings_say(server, setting):
    with override_settings(LLMKIT=setting):
        get_client().complete("Hi")
        get_client("other").complete("Hi")
    first, second = server.requests
    assert (first.json["model"], first.json["max_tokens"], first.messages[0].text) == ("m1", 77, "Be brief.")
    assert (second.path.rpartition("/")[2], second.json["model"]) == ("completions", "m2")


def test_a_key_by_its_name_in_client(server, setting):
    row = setting["default"]
    both = override_settings(LLMKIT={"default": {**row, "api_key": row["key"], "key": None}})
    with both, pytest.raises(ConfigurationError, match="'key' and 'api_key' are the same"):
        get_client()
    row["api_key"] = row.pop("key")
    with override_settings(LLMKIT=setting):
        get_client().complete("Hi")
    assert server.requests[-1].headers["x-api-key"] == "k"


def test_the_same_one_each_time(setting):
    with override_settings(LLMKIT=setting):
        client = get_client()
        assert get_client() is client
        assert get_client("other") is not client
        with override_settings(LLMKIT={"default": GOOD}):
            assert get_client() is not client
        assert get_client() is not client
        with override_settings(USE_TZ=False):
            assert get_client() is get_client()


def test_the_same_one_for_all_threads(setting):
    found, ready = [], threading.Barrier(8)

    def get():
        ready.wait()
        found.append(get_client())

    with override_settings(LLMKIT=setting):
        threads = [threading.Thread(target=get) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 8
    assert len({id(client) for client in found}) == 1


def test_fallback(server, setting):
    """In the order of the lists, and nobody twice."""
    third = {**setting["other"], "model": "m3", "fallback": ["other"]}
    rows = {
        **setting,
        "default": {**setting["default"], "max_retries": 0, "fallback": ["third", "other"]},
        "third": third,
    }
    with override_settings(LLMKIT=rows):
        server.reply(OverloadedError("down"))
        server.reply(OverloadedError("down"))
        assert get_client().complete("Hi").text == "Hi"
    assert [request.json["model"] for request in server.requests] == ["m1", "m3", "m2"]


WRONG = {
    "no such alias": ({"other": GOOD}, ConfigurationError, "LLMKIT: there is no alias 'default'; there are 'other'"),
    "no aliases": ({}, ConfigurationError, "LLMKIT: there is no alias 'default'; there are none"),
    "no provider": ({"default": {}}, ConfigurationError, r"LLMKIT\['default'\]: 'provider' is missing"),
    "no key": ({"default": {"provider": "groq"}}, MissingAuthError, r"LLMKIT\['default'\]: no API key for groq"),
    "no text": ({"default": {**GOOD, 7: 1}}, ConfigurationError, r"LLMKIT\['default'\]: 7: no such option"),
    "no option": ({"default": {**GOOD, "x": 1}}, ConfigurationError, r"LLMKIT\['default'\]: x: no such option"),
}


@pytest.mark.parametrize(("setting", "cls", "message"), WRONG.values(), ids=WRONG.keys())
def test_no_client(setting, cls, message):
    with override_settings(LLMKIT=setting), pytest.raises(cls, match=f"^{message}"):
        get_client()


def test_settings_without_it():
    with override_settings():
        from django.conf import settings

        if hasattr(settings, "LLMKIT"):
            del settings.LLMKIT
        with pytest.raises(ConfigurationError, match="there are none"):
            get_client()


def test_a_chat_of_it():
    with FakeServer() as server, override_settings(LLMKIT={"default": {**GOOD, "base_url": server.url}}):
        chat = get_client().chat(history=[UserMessage("Hi")])
        assert chat.send().text == "Hi"


def test_without_django(monkeypatch):
    """The message names the extra."""
    monkeypatch.setitem(sys.modules, "django", None)
    with pytest.raises(ConfigurationError, match=r"^llmkit\.django needs Django: pip install 'llmkit\[django\]'$"):
        runpy.run_path(llmkit.django.__file__)
