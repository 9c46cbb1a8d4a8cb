"""Responses of `requests` that were made by hand, as tests of programs do: with `_content`, and nothing below."""

from unittest.mock import Mock

import pytest
import requests
from faults.calls import each_mode
from faults.formats import CHAT, MODEL, TEXT

from llmkit import AuthenticationError, Client, LLMKitError

KEY = "sk-secret-0123456789"


@pytest.fixture
def session():
    with requests.Session() as session:
        yield session


class Written(requests.adapters.BaseAdapter):
    """Answers with a response that was made by hand, as tests do."""

    def __init__(self, body, *, status=200):
        super().__init__()
        self._body = body
        self._status = status

    def send(self, request, **_):
        response = requests.Response()
        response.status_code, response.request, response.url = self._status, request, request.url
        response._content = self._body
        return response

    def close(self):
        pass


@each_mode
def test_a_response_made_by_hand(session, mode):
    """It has no `raw`, and what it holds is the answer."""
    session.mount("https://", Written(CHAT.body if mode == "whole" else b"".join(CHAT.events)))
    client = Client(CHAT.provider, api_key=KEY, model=MODEL, session=session)
    found = client.complete("Hi") if mode == "whole" else client.stream("Hi").collect()
    assert found.text == TEXT


BAD = {"empty": (200, b""), "nothing": (200, None), "an error": (401, b"{}"), "half of one": (200, CHAT.body[:9])}


@each_mode
@pytest.mark.parametrize(("status", "body"), BAD.values(), ids=BAD.keys())
def test_a_bad_response_made_by_hand(session, mode, status, body):
    session.mount("https://", Written(body, status=status))
    client = Client(CHAT.provider, api_key=KEY, model=MODEL, session=session, max_retries=0)
    with pytest.raises(LLMKitError) as caught:
        client.complete("Hi") if mode == "whole" else client.stream("Hi").collect()
    assert isinstance(caught.value, AuthenticationError) == (status == 401)


@each_mode
def test_a_session_that_is_a_mock(mode):
    """Its answers are whatever the test says, its headers are a mock."""
    response = requests.Response()
    response.status_code = 200
    response._content = CHAT.body if mode == "whole" else b"".join(CHAT.events)
    session = Mock(credentials=None)
    session.request.return_value = response
    client = Client(CHAT.provider, api_key=KEY, model=MODEL, session=session)
    found = client.complete("Hi") if mode == "whole" else client.stream("Hi").collect()
    assert found.text == TEXT
    sent = requests.structures.CaseInsensitiveDict(session.request.call_args.kwargs["headers"])
    assert sent["Authorization"] == f"Bearer {KEY}"
