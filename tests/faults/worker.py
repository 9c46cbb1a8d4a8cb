"""What another process does for a test: a call whose answer or error comes back from there as it can."""

from typing import Any

from faults.calls import KEY
from faults.formats import MODEL
from llmkit import Client, Response


def call(provider: str, url: str, mode: str, seconds: float) -> Response[Any]:
    """Ask `url`, once more if that may help; whatever it raises comes out."""
    with Client(provider, api_key=KEY, base_url=url, model=MODEL, max_retries=1, timeout=seconds) as client:
        return client.complete("Hi") if mode == "whole" else client.stream("Hi").collect()
