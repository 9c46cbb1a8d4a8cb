"""Clients that are asked once, and hosts that are all one server; a plugin of pytest for its fixtures.

PYTEST_DONT_REWRITE: it is imported as a module before it is loaded as a plugin.
"""

import socket

import pytest

from faults.formats import ANTHROPIC, MODEL
from llmkit import Client, LLMKitError

KEY = "sk-secret-0123456789abcdef"
PASSWORD = "p%40ss-0123456789"


def client_of(url, form=ANTHROPIC, **arguments):
    """A client of the host at `url`, which does not retry."""
    return Client(form.provider, **{"api_key": KEY, "base_url": url, "model": MODEL, "max_retries": 0, **arguments})


def call(client, mode="whole"):
    """Its error; None where it went well."""
    try:
        client.complete("Hi") if mode == "whole" else client.stream("Hi").collect()
    except LLMKitError as error:
        return error
    return None


@pytest.fixture
def everywhere(monkeypatch):
    """A function after which every host but 127.0.0.1 is the given server."""
    look_up = socket.getaddrinfo

    def point(server):
        def found(host, port, *rest, **options):
            if host == "127.0.0.1":
                return look_up(host, port, *rest, **options)
            asked_for.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        return asked_for

    asked_for = []
    return point
