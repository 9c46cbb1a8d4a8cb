"""Talk to language models from ordinary, synchronous Python.

::

    from llmkit import Client

    client = Client("anthropic")
    print(client.complete("Why is the sky blue?").text)

Importing this package is cheap: it defines next to nothing, and imports what it offers when that is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmkit.batch import Batch as Batch
    from llmkit.batch import BatchCounts as BatchCounts
    from llmkit.batch_results import BatchResults as BatchResults
    from llmkit.batches import Batches as Batches
    from llmkit.bulk.result import Result as Result
    from llmkit.chat import Chat as Chat
    from llmkit.client import Client as Client
    from llmkit.deadlines import Timeout as Timeout
    from llmkit.errors import APIError as APIError
    from llmkit.errors import AuthenticationError as AuthenticationError
    from llmkit.errors import BadRequestError as BadRequestError
    from llmkit.errors import BudgetExceededError as BudgetExceededError
    from llmkit.errors import ConfigurationError as ConfigurationError
    from llmkit.errors import ConflictError as ConflictError
    from llmkit.errors import ConnectionFailedError as ConnectionFailedError
    from llmkit.errors import DeadlineError as DeadlineError
    from llmkit.errors import IncompleteStreamError as IncompleteStreamError
    from llmkit.errors import InsecureWarning as InsecureWarning
    from llmkit.errors import InvalidResponseError as InvalidResponseError
    from llmkit.errors import LLMKitError as LLMKitError
    from llmkit.errors import MediaError as MediaError
    from llmkit.errors import MissingAuthError as MissingAuthError
    from llmkit.errors import NotFoundError as NotFoundError
    from llmkit.errors import OutputError as OutputError
    from llmkit.errors import OverloadedError as OverloadedError
    from llmkit.errors import PaymentRequiredError as PaymentRequiredError
    from llmkit.errors import PermissionDeniedError as PermissionDeniedError
    from llmkit.errors import QuotaExceededError as QuotaExceededError
    from llmkit.errors import RateLimitError as RateLimitError
    from llmkit.errors import RequestTooLargeError as RequestTooLargeError
    from llmkit.errors import ServerError as ServerError
    from llmkit.errors import StreamClosedError as StreamClosedError
    from llmkit.errors import StreamError as StreamError
    from llmkit.errors import ToolLoopError as ToolLoopError
    from llmkit.errors import UnknownProviderError as UnknownProviderError
    from llmkit.errors import UnprocessableEntityError as UnprocessableEntityError
    from llmkit.errors import UnsupportedOptionError as UnsupportedOptionError
    from llmkit.errors import UnsupportedWarning as UnsupportedWarning
    from llmkit.events import Event as Event
    from llmkit.events import TextDelta as TextDelta
    from llmkit.events import ThinkingDelta as ThinkingDelta
    from llmkit.events import ToolCallDelta as ToolCallDelta
    from llmkit.limits import RateLimit as RateLimit
    from llmkit.media import Audio as Audio
    from llmkit.media import Document as Document
    from llmkit.media import Image as Image
    from llmkit.media import Media as Media
    from llmkit.media import Video as Video
    from llmkit.messages import AssistantMessage as AssistantMessage
    from llmkit.messages import Citation as Citation
    from llmkit.messages import Message as Message
    from llmkit.messages import Opaque as Opaque
    from llmkit.messages import Part as Part
    from llmkit.messages import Refusal as Refusal
    from llmkit.messages import SystemMessage as SystemMessage
    from llmkit.messages import Text as Text
    from llmkit.messages import Thinking as Thinking
    from llmkit.messages import ToolCall as ToolCall
    from llmkit.messages import ToolResult as ToolResult
    from llmkit.messages import UserMessage as UserMessage
    from llmkit.prices import Price as Price
    from llmkit.provider import Provider as Provider
    from llmkit.provider import providers as providers
    from llmkit.request import Options as Options
    from llmkit.request import Prompt as Prompt
    from llmkit.request import Request as Request
    from llmkit.response import Embeddings as Embeddings
    from llmkit.response import FinishReason as FinishReason
    from llmkit.response import Model as Model
    from llmkit.response import Response as Response
    from llmkit.response import Usage as Usage
    from llmkit.stream import Stream as Stream
    from llmkit.tools import ServerTool as ServerTool
    from llmkit.tools import Tool as Tool
    from llmkit.tools import tool as tool
    from llmkit.transport import SupportsRequest as SupportsRequest
    from llmkit.turns import Deferred as Deferred

__version__ = "0.1.0"

_DOORS = {
    "batch": "Batch BatchCounts",
    "batch_results": "BatchResults",
    "batches": "Batches",
    "bulk.result": "Result",
    "chat": "Chat",
    "client": "Client",
    "deadlines": "Timeout",
    "errors": (
        "APIError AuthenticationError BadRequestError BudgetExceededError ConfigurationError "
        "ConflictError ConnectionFailedError DeadlineError IncompleteStreamError InsecureWarning "
        "InvalidResponseError LLMKitError MediaError MissingAuthError NotFoundError OutputError OverloadedError "
        "PaymentRequiredError PermissionDeniedError QuotaExceededError RateLimitError "
        "RequestTooLargeError ServerError StreamClosedError StreamError ToolLoopError "
        "UnknownProviderError UnprocessableEntityError UnsupportedOptionError UnsupportedWarning"
    ),
    "events": "Event TextDelta ThinkingDelta ToolCallDelta",
    "limits": "RateLimit",
    "media": "Audio Document Image Media Video",
    "messages": (
        "AssistantMessage Citation Message Opaque Part Refusal SystemMessage Text Thinking ToolCall "
        "ToolResult UserMessage"
    ),
    "prices": "Price",
    "provider": "Provider providers",
    "request": "Options Prompt Request",
    "response": "Embeddings FinishReason Model Response Usage",
    "stream": "Stream",
    "turns": "Deferred",
    "tools": "ServerTool Tool tool",
    "transport": "SupportsRequest",
}
_MODULE_OF = {name: module for module, names in _DOORS.items() for name in names.split()}

if not TYPE_CHECKING:  # a checker would take every misspelt name for one that this finds
    __all__ = [*_MODULE_OF]  # noqa: PLE0604 - names, all of them

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        return value


def load_ipython_extension(shell: Any) -> None:
    """What ``%load_ext llmkit`` runs in a notebook: ``%%llm`` asks what stands in a cell."""
    from llmkit.notebook.magics import load  # noqa: PLC0415 - in a notebook alone

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What ``%unload_ext llmkit`` runs."""
    from llmkit.notebook.magics import unload  # noqa: PLC0415 - likewise

    unload(shell)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
