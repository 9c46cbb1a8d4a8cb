"""Where google-auth fetches tokens: a server on loopback, and a service account's file that names it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class Tokens(HTTPServer):
    """Where google-auth fetches tokens: each a new one, or a refusal."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.given = 0
        self.seconds = 3600
        self.refuses = False


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.given += 1
        token = {"access_token": f"token-{self.server.given}", "expires_in": self.server.seconds}
        body = json.dumps({"error": "invalid_grant"} if self.server.refuses else token).encode()
        self.send_response(400 if self.server.refuses else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def tokens(monkeypatch, tmp_path):
    with Tokens() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account",
            "client_email": "robot@example.com",
            "private_key": private.decode(),
            "token_uri": f"http://127.0.0.1:{server.server_port}/token",
        }
        path = tmp_path / "account.json"
        path.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        yield server
        server.shutdown()
        thread.join()
