"""What another process does for a test: a call that fails there, and whose error comes back as it can."""

from faults.calls import KEY
from faults.formats import MODEL
from llmkit import Client


def fail(provider: str, url: str, mode: str, seconds: float) -> None:
    """Ask `url`, once more if that may help; whatever it raises comes out."""
    with Client(provider, api_key=KEY, base_url=url, model=MODEL, max_retries=1, timeout=seconds) as client:
        if mode == "whole":
            client.complete("Hi")
        else:
            client.stream("Hi").collect()
