"""`llmkit.google_auth`: real google-auth, whose token comes from a server on loopback."""

import sys

import pytest

from llmkit import ConfigurationError, MissingAuthError
from llmkit.google_auth import access_token

pytest_plugins = ["google_tokens"]


def test_a_token_is_used_until_it_expires(tokens):
    token = access_token()
    assert [token(), token()] == ["token-1", "token-1"]
    tokens.seconds = 0
    another = access_token()
    assert [another(), another()] == ["token-2", "token-3"]


def test_credentials_that_give_no_token(tokens):
    tokens.refuses = True
    with pytest.raises(MissingAuthError, match="the Google credentials give no token"):
        access_token()()


def test_no_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(MissingAuthError, match="no Google credentials"):
        access_token()


def test_google_auth_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'llmkit\[vertex\]'"):
        access_token()
