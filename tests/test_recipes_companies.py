"""The programs of docs/recipes.md that run in companies: behind a proxy, on Vertex, on Azure."""

import re
import socket
import ssl
import sys
import types

import pytest
import trustme
from recipes import KEY, PROGRAMS, said_by, text_of
from sockets import Server

from llmkit import ConnectionFailedError

pytest_plugins = ["google_tokens"]


def opening(context, port):
    """A script: a company's proxy, which reads what it is to pass on, and asks `port` here."""

    def script(wire):
        wire.receive()
        wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        wire.sock = wire.server.wrap(wire.sock, context)
        received = wire.receive()
        lines = [f"{name}: {value}\r\n" for name, value in received.headers.items() if name != "connection"]
        head = f"{received.method} {received.path} HTTP/1.1\r\n{''.join(lines)}connection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port)) as inner:
            inner.sendall(head.encode("latin-1") + received.body)
            while data := inner.recv(65536):
                wire.send(data)

    return script


@pytest.fixture
def company(server, tmp_path):
    """A proxy, and the bundle of the authority that it makes certificates by."""
    authority = trustme.CA(organization_name="A company")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.anthropic.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "company.pem"))
    with Server(opening(context, int(server.url.rpartition(":")[2]))) as proxy:
        yield proxy, str(tmp_path / "company.pem")


def test_behind_a_proxy(company, server, monkeypatch):
    proxy, bundle = company
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    changes = {"proxy.example:3128": f"127.0.0.1:{proxy.port}", "/etc/ssl/certs/company.pem": bundle}
    assert said_by(text_of("behind_a_proxy.py", **changes)) == "Hi\n"
    asked = proxy.requests[0]
    assert (asked.method, asked.path) == ("CONNECT", "api.anthropic.com:443")
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjpwYXNzd29yZA=="
    assert server.requests[0].headers["x-api-key"] == KEY
    assert "proxy-authorization" not in server.requests[0].headers


def test_behind_a_proxy_of_the_environment(company, server, monkeypatch):
    proxy, bundle = company
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:password@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    text = re.sub(r"    (proxy|verify)=.*\n", "", text_of("behind_a_proxy.py"))
    assert said_by(text) == "Hi\n"
    assert len(proxy.requests) == 2


def test_without_the_bundle(company, server, monkeypatch):
    proxy, _ = company
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    text = re.sub(
        r"    verify=.*\n", "", text_of("behind_a_proxy.py", **{"proxy.example:3128": f"127.0.0.1:{proxy.port}"})
    )
    with pytest.raises(ConnectionFailedError, match="cannot be verified") as caught:
        said_by(text)
    assert "password" not in str(caught.value)
    assert server.requests == []


def test_vertex(tokens, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where `tokens` has written the account
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    text = re.sub(r'Client\(\s*("[^"]+")', rf"Client(\1, base_url={server.url!r}", text_of("vertex.py"))
    assert said_by(text) == PROGRAMS["vertex.py"]["output"]
    assert tokens.given == 1
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer token-1"] * 2
    place = "/v1beta1/projects/my-project/locations/europe-west4/publishers/google/models/gemini-3.6-flash"
    assert [request.path for request in server.requests] == [
        f"{place}:generateContent",
        f"{place}:streamGenerateContent",
    ]


AZURE = {  # what the host is asked for, and by which header it learns who asks
    "azure_key.py": ("/openai/deployments/prod/chat/completions", {"api-key": "the resource's key"}),
    "azure_entra.py": ("/openai/deployments/prod/chat/completions", {"authorization": "Bearer token-1"}),
    "azure_v1.py": ("/openai/v1/responses", {"authorization": "Bearer token-1"}),
}


@pytest.fixture
def _entra(monkeypatch):
    """A stand-in for azure-identity, whose tokens come from afar."""
    identity = types.ModuleType("azure.identity")
    identity.DefaultAzureCredential = object
    identity.get_bearer_token_provider = lambda credential, *scopes: lambda: "token-1"
    monkeypatch.setitem(sys.modules, "azure", types.ModuleType("azure"))
    monkeypatch.setitem(sys.modules, "azure.identity", identity)


@pytest.mark.parametrize(("name", "expected"), AZURE.items(), ids=AZURE.keys())
@pytest.mark.usefixtures("_entra")
def test_azure(server, name, expected):
    path, headers = expected
    text = text_of(name, **{"https://my-resource.openai.azure.com": server.url})
    assert said_by(text) == "Hi\n"
    asked = server.requests[0]
    assert asked.path == path
    proofs = {key: asked.headers[key] for key in ("api-key", "authorization") if key in asked.headers}
    assert proofs == headers
    assert asked.query == ({} if name == "azure_v1.py" else {"api-version": "2026-03-01"})
