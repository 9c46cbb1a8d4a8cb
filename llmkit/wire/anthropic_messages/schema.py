"""The provider's JSON as `TypedDict`s: mypy checks what is written, tests compare them with recorded traffic.

What is not modelled (server-side tools and their results, betas) is listed by its `type` in `PASSED_THROUGH`.

Source: https://platform.claude.com/docs/en/api/messages
"""

from typing import Any, Final, Literal, NotRequired, Required, TypeAlias, TypedDict

WIRE_NAME: Final = "anthropic-messages"
"""What this wire is called, and whose `Opaque` blocks, signatures and extras it takes back."""


class CacheControl(TypedDict):
    """Up to here the provider is asked to cache."""

    type: Literal["ephemeral"]
    ttl: NotRequired[Literal["5m", "1h"]]


class Cacheable(TypedDict, total=False):
    """What every block that may be sent has."""

    cache_control: CacheControl


class Citation(TypedDict, total=False):
    """A source; which keys there are depends on `type`."""

    type: Required[str]
    cited_text: str
    document_index: int
    document_title: str | None
    file_id: str | None
    start_char_index: int
    end_char_index: int
    start_page_number: int
    end_page_number: int
    start_block_index: int
    end_block_index: int
    url: str
    title: str | None
    encrypted_index: str
    source: str
    search_result_index: int


class TextBlock(Cacheable):
    """Words."""

    type: Literal["text"]
    text: str
    citations: NotRequired[list[Citation] | None]


class Base64Source(TypedDict):
    """Media in the body."""

    type: Literal["base64"]
    media_type: str
    data: str


class TextSource(TypedDict):
    """A document that is text."""

    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class UrlSource(TypedDict):
    """Media that the provider fetches."""

    type: Literal["url"]
    url: str


class FileSource(TypedDict):
    """Media that were uploaded before."""

    type: Literal["file"]
    file_id: str


class ContentSource(TypedDict):
    """A document in blocks; sent as `Opaque`."""

    type: Literal["content"]
    content: "str | list[Block]"


Source: TypeAlias = Base64Source | TextSource | UrlSource | FileSource | ContentSource


class ImageBlock(Cacheable):
    """A picture."""

    type: Literal["image"]
    source: Source


class CitationsConfig(TypedDict):
    """Whether to cite from a document."""

    enabled: bool


class DocumentBlock(Cacheable):
    """A document."""

    type: Literal["document"]
    source: Source
    title: NotRequired[str | None]
    context: NotRequired[str | None]
    citations: NotRequired[CitationsConfig | None]


class ThinkingBlock(TypedDict):
    """Thoughts with the provider's seal."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(TypedDict):
    """Thoughts that only the provider can read."""

    type: Literal["redacted_thinking"]
    data: str


class ToolUseBlock(Cacheable):
    """A call; `caller` and `toolset_name` go through `ToolCall.extra`."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]
    caller: NotRequired[dict[str, Any]]
    toolset_name: NotRequired[str | None]


class ToolResultBlock(Cacheable):
    """The answer to a call."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: "NotRequired[str | list[Block]]"
    is_error: NotRequired[bool]
    toolset_name: NotRequired[str | None]


Block: TypeAlias = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ToolResultBlock
    | dict[str, Any]
)

PASSED_THROUGH: Final = frozenset(
    {
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "tool_reference",
        "tool_addition",
        "tool_removal",
        "container_upload",
        "mid_conv_system",
        "search_result",
        "mcp_tool_use",
        "mcp_tool_result",
        "compaction",
        "fallback",
        "advisor_tool_result",
    }
)
"""Blocks that are known and not modelled: `Opaque`, verbatim in both directions."""


class ThinkingTokens(TypedDict, total=False):
    """How `output_tokens` came about."""

    thinking_tokens: int


class CacheCreation(TypedDict, total=False):
    """Tokens put into the cache, by how long they stay."""

    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int


class ServerToolUse(TypedDict, total=False):
    """How often server-side tools ran; in `Usage.raw` only."""

    web_search_requests: int
    web_fetch_requests: int


class Usage(TypedDict, total=False):
    """What was billed; `input_tokens` leaves cached ones out."""

    input_tokens: int | None
    output_tokens: int
    cache_creation_input_tokens: int | None
    cache_read_input_tokens: int | None
    cache_creation: CacheCreation | None
    output_tokens_details: ThinkingTokens | None
    server_tool_use: ServerToolUse | None
    service_tier: str | None
    inference_geo: str | None
    iterations: list[dict[str, Any]] | None
    speed: str | None


class Container(TypedDict, total=False):
    """Where code ran; in `Response.raw` only. Pass its id as ``extra_body={"container": id}`` to go on in it."""

    id: str
    expires_at: str
    skills: list[dict[str, Any]] | None


class StopDetails(TypedDict, total=False):
    """Why the model refused; in `Response.raw` only."""

    type: str
    category: str | None
    explanation: str | None


class Message(TypedDict, total=False):
    """A whole answer, and the beginning of a streamed one."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Block]
    stop_reason: str | None
    stop_sequence: str | None
    stop_details: StopDetails | None
    usage: Usage
    container: Container | None
    context_management: dict[str, Any] | None
    diagnostics: dict[str, Any] | None


class MessageDelta(TypedDict, total=False):
    """What `message_delta` changes of the message."""

    stop_reason: str | None
    stop_sequence: str | None
    stop_details: StopDetails | None
    container: Container | None


class BlockDelta(TypedDict, total=False):
    """More of a block; which keys there are depends on `type`."""

    type: Required[str]
    text: str
    thinking: str
    estimated_tokens: int
    signature: str
    partial_json: str
    citation: Citation
    content: str | None
    encrypted_content: str | None


class StreamEvent(TypedDict, total=False):
    """One event; which keys there are depends on `type`."""

    type: Required[str]
    index: int
    message: Message
    content_block: Block
    delta: MessageDelta | BlockDelta
    usage: Usage
    context_management: dict[str, Any] | None
    error: "ErrorBody"
    request_id: str | None


class ErrorBody(TypedDict, total=False):
    """What went wrong."""

    type: str
    message: str
    details: dict[str, Any] | None


class ErrorAnswer(TypedDict, total=False):
    """The body of an error."""

    type: Literal["error"]
    error: ErrorBody
    request_id: str | None


class Model(TypedDict, total=False):
    """One model of the list."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    max_input_tokens: int | None
    max_tokens: int | None
    capabilities: dict[str, Any] | None


class ModelPage(TypedDict, total=False):
    """One page of the list."""

    data: list[Model]
    has_more: bool
    first_id: str | None
    last_id: str | None


class TokenCount(TypedDict, total=False):
    """How many tokens a request has."""

    input_tokens: int
    context_management: dict[str, Any] | None


class CustomTool(Cacheable):
    """A tool that the caller runs."""

    name: str
    input_schema: dict[str, Any]
    description: NotRequired[str]
    strict: NotRequired[bool]
    type: NotRequired[Literal["custom"]]


class ToolChoice(TypedDict):
    """Whether a tool must be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: NotRequired[str]
    disable_parallel_tool_use: NotRequired[bool]


class Thinking(TypedDict):
    """How much is thought first."""

    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: NotRequired[int]


class Format(TypedDict):
    """What the text must fit."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(TypedDict, total=False):
    """How hard it tries, and in which form it answers."""

    effort: str
    format: Format


class Turn(TypedDict):
    """One message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: list[Block]


class Body(TypedDict, total=False):
    """The body of a request, but for what only `extra_body` reaches."""

    model: Required[str]
    max_tokens: Required[int]
    messages: Required[list[Turn]]
    system: list[Block]
    stream: bool
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop_sequences: list[str]
    tools: list[CustomTool | dict[str, Any]]
    tool_choice: ToolChoice | None
    thinking: Thinking | None
    output_config: OutputConfig
    cache_control: CacheControl | None
    metadata: dict[str, str]
    service_tier: str | None


EXTRA_BODY: Final = frozenset(
    {
        "container",
        "inference_geo",
        "context_management",
        "mcp_servers",
        "speed",
        "fallbacks",
        "diagnostics",
        "output_format",
    }
)
"""Fields of a request that are reached through `extra_body` alone."""
