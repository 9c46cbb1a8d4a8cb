"""TLS through the public API: nobody gets the key who does not prove to be the host, unless the caller insists."""

import pickle
import warnings

import pytest
import sockets
from faults.calls import answer, ask, assert_failed, assert_good, each_format, each_mode, says, use
from faults.formats import ANTHROPIC, MODEL
from sockets import Server

from llmkit import Client, ConnectionFailedError, InsecureWarning


@each_format
@each_mode
def test_a_certificate_that_is_not_trusted_is_refused(form, mode):
    """By default, at once and for good; not a byte of the request has left."""
    with Server(says(answer(form, mode)), tls=True) as server:
        outcome = ask(server, form, mode, max_retries=3)
    error = assert_failed(outcome, ConnectionFailedError, requests=0, attempts=1, retryable=False)
    assert "cannot be verified" in str(error)
    assert "verify=" in str(error)


@each_format
@each_mode
def test_a_bundle_that_trusts_it(form, mode, tmp_path):
    with Server(says(answer(form, mode)), tls=True) as server:
        assert_good(ask(server, form, mode, verify=sockets.bundle(tmp_path)))


@pytest.mark.parametrize("mode", ["explicit", "environment"])
def test_a_proxy_does_not_switch_it_off(mode, monkeypatch):
    """Nor does it prove to be the host by having made the tunnel."""
    with Server(says(ANTHROPIC.body), tls=True) as server, Server(sockets.tunnel(server.port)) as proxy:
        options = {"proxy": proxy.url} if mode == "explicit" else {}
        if mode == "environment":
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        outcome = ask(server, ANTHROPIC, "whole", **options)
        assert len(proxy.requests) == 1
    assert_failed(outcome, ConnectionFailedError, requests=0, attempts=1, retryable=False)


def test_to_trust_everybody_is_warned_of():
    """Once a client, at the caller's line, however often it is used, copied and unpickled."""
    with Server(says(answer(ANTHROPIC, "whole")), tls=True) as server:
        with pytest.warns(InsecureWarning, match="verify=False: no certificate is checked") as told:
            client = Client("anthropic", api_key="sk-test", base_url=server.url, model=MODEL, verify=False)
        assert len(told) == 1
        assert told[0].filename == __file__
        assert isinstance(told[0].message, UserWarning)
        with client, pickle.loads(pickle.dumps(client)) as other:
            for used in (client, client, client.with_options(temperature=0.5), other):
                assert_good(use(used, server, "whole"))


@pytest.mark.parametrize("verify", [True, "bundle"])
def test_nothing_else_is(verify, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sockets.bundle(tmp_path) if verify == "bundle" else verify
        Client("anthropic", api_key="sk-test", model=MODEL, verify=found).close()
