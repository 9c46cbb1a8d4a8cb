"""The body of `POST /v1/messages` as a request: the way back of `encode`.

Source: https://platform.claude.com/docs/en/api/messages
"""

from typing import Any

from llmkit.history import typed
from llmkit.history.nodes import node_of
from llmkit.request import Request


def read_request(body: Any, where: str) -> Request:
    """The request that is encoded as `body`.

    Raises:
        ConfigurationError: It is none; the message begins with the path of what is wrong.
    """
    node = node_of(body, where)
    return Request(typed(node.any("messages"), node.path("messages")), model=node.find("model", str))
