"""The provider's JSON as `TypedDict`s: mypy checks what is written, tests compare them with recorded traffic.

What compatible hosts add is here, too, and in `Response.raw` only. Blocks that are not modelled are listed by their
`type` in `PASSED_THROUGH`.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from typing import Any, Final, Literal, NotRequired, Required, TypeAlias, TypedDict

WIRE_NAME: Final = "openai-chat"
"""What this wire is called, and whose `Opaque` blocks, thoughts and extras it takes back."""


# ---- blocks ----------------------------------------------------------------------------------------------------------


class CacheControl(TypedDict):
    """Up to here some hosts are asked to cache."""

    type: Literal["ephemeral"]
    ttl: NotRequired[str]


class Breakpoint(TypedDict):
    """OpenAI's own mark for the same."""

    mode: str


class Cacheable(TypedDict, total=False):
    """What every block that may be sent has."""

    cache_control: CacheControl
    prompt_cache_breakpoint: Breakpoint


class TextBlock(Cacheable):
    """Words."""

    type: Literal["text"]
    text: str


class ImageUrl(TypedDict):
    """Where a picture is; its content as a data URI."""

    url: str
    detail: NotRequired[str]


class ImageBlock(Cacheable):
    """A picture; some hosts answer with it."""

    type: Literal["image_url"]
    image_url: ImageUrl | str
    index: NotRequired[int]


class Sound(TypedDict):
    """A sound in base64."""

    data: str
    format: str


class AudioBlock(Cacheable):
    """A sound."""

    type: Literal["input_audio"]
    input_audio: Sound


class File(TypedDict, total=False):
    """A file: its id, or its content as a data URI."""

    file_id: str
    file_data: str
    filename: str


class FileBlock(Cacheable):
    """A document."""

    type: Literal["file"]
    file: File


class Address(TypedDict):
    """Where a medium is."""

    url: str


class VideoUrlBlock(Cacheable):
    """A film, on some hosts."""

    type: Literal["video_url"]
    video_url: Address | str


class AudioUrlBlock(Cacheable):
    """A sound elsewhere, on some hosts."""

    type: Literal["audio_url"]
    audio_url: Address | str


class FileUrlBlock(Cacheable):
    """A document elsewhere, or its base64, on some hosts."""

    type: Literal["file_url"]
    file_url: Address | str


class DocumentUrlBlock(Cacheable):
    """A document elsewhere, on some hosts."""

    type: Literal["document_url"]
    document_url: str
    document_name: NotRequired[str]


class RefusalBlock(TypedDict):
    """Why the model does not answer."""

    type: Literal["refusal"]
    refusal: str


class ThinkingBlock(TypedDict):
    """Thoughts in the content, on some hosts."""

    type: Literal["thinking"]
    thinking: list[TextBlock | dict[str, Any]] | str
    closed: NotRequired[bool]
    signature: NotRequired[str | None]


class ReasoningBlock(TypedDict):
    """Thoughts in the content as summaries, each perhaps signed, on some hosts."""

    type: Literal["reasoning"]
    summary: list[dict[str, Any]]


Block: TypeAlias = (
    TextBlock
    | ImageBlock
    | AudioBlock
    | FileBlock
    | VideoUrlBlock
    | AudioUrlBlock
    | FileUrlBlock
    | DocumentUrlBlock
    | RefusalBlock
    | ThinkingBlock
    | ReasoningBlock
    | dict[str, Any]
)
Content: TypeAlias = str | list[Block]

PASSED_THROUGH: Final = frozenset({"reference", "tool_file"})
"""Blocks that are known and not modelled: `Opaque`, verbatim in both directions."""


# ---- calls and tools -------------------------------------------------------------------------------------------------


class FunctionCall(TypedDict, total=False):
    """What is called, with its arguments as JSON text; an object, null or nothing on some hosts."""

    name: str
    arguments: str | dict[str, Any] | None


class CustomCall(TypedDict):
    """A call with free text."""

    name: str
    input: str


class ToolCall(TypedDict, total=False):
    """A call, or in a stream a fragment of one."""

    index: int
    id: str | None
    type: str
    function: FunctionCall
    custom: CustomCall
    extra_content: dict[str, Any]


class Function(TypedDict):
    """A tool's declaration."""

    name: str
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any]]
    strict: NotRequired[bool | None]


class FunctionTool(TypedDict):
    """A tool that the caller runs."""

    type: Literal["function"]
    function: Function
    cache_control: NotRequired[CacheControl]


Tool: TypeAlias = FunctionTool | dict[str, Any]


# ---- what is sent ----------------------------------------------------------------------------------------------------


class AudioId(TypedDict):
    """What stands for a sound of the model's."""

    id: str


class Message(TypedDict, total=False):
    """One message of the conversation; which keys there are depends on `role` and on the host."""

    role: Required[str]
    content: Content | None
    name: str | None
    refusal: str | None
    tool_calls: list[ToolCall] | None
    tool_call_id: str
    function_call: FunctionCall | None
    audio: AudioId | None
    images: list[ImageBlock]
    annotations: list[dict[str, Any]] | None
    reasoning: str | None
    reasoning_content: str | None
    reasoning_details: list[dict[str, Any]]
    thinking_blocks: list[dict[str, Any]]
    provider_specific_fields: dict[str, Any]
    extra_content: dict[str, Any]
    prefix: bool


class StreamOptions(TypedDict, total=False):
    """What a stream tells."""

    include_usage: bool
    include_obfuscation: bool


class JsonSchema(TypedDict, total=False):
    """What the text must fit."""

    name: Required[str]
    schema: dict[str, Any]
    description: str | None
    strict: bool | None


class ResponseFormat(TypedDict):
    """In which form the model answers."""

    type: str
    json_schema: NotRequired[JsonSchema]


class NamedFunction(TypedDict):
    """A tool by its name."""

    name: str


class NamedTool(TypedDict):
    """The tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


class Body(TypedDict, total=False):
    """The body of a request, but for what only `extra_body` reaches."""

    model: Required[str]
    messages: Required[list[Message]]
    max_completion_tokens: int | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop: list[str] | str | None
    seed: int | None
    random_seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    logprobs: bool | None
    top_logprobs: int | None
    tools: list[Tool] | None
    tool_choice: str | NamedTool | dict[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: ResponseFormat | None
    reasoning_effort: str | None
    reasoning: dict[str, Any]
    thinking: dict[str, Any]
    enable_thinking: bool
    thinking_budget: int
    metadata: dict[str, str] | None
    service_tier: str | None
    stream: bool | None
    stream_options: StreamOptions | None


EXTRA_BODY: Final = frozenset(
    {
        "audio",
        "clear_thinking",
        "echo",
        "function_call",
        "functions",
        "logit_bias",
        "min_p",
        "modalities",
        "moderation",
        "n",
        "options",
        "plugins",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "provider",
        "reasoning_format",
        "repetition_penalty",
        "safe_prompt",
        "safety_identifier",
        "safety_model",
        "search_settings",
        "store",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""Fields of a request that are reached through `extra_body` alone."""


# ---- what is answered ------------------------------------------------------------------------------------------------


class Page(TypedDict, total=False):
    """A source on the web; the indices count in the answer."""

    url: str
    title: str
    start_index: int
    end_index: int
    content: str


class Annotation(TypedDict, total=False):
    """A source, or what a host read in a file."""

    type: str
    url_citation: Page
    file: dict[str, Any]


class Audio(TypedDict, total=False):
    """A sound, or a piece of one."""

    id: str
    data: str
    transcript: str
    expires_at: int


class Said(TypedDict, total=False):
    """An answer's message, and in a stream more of it."""

    role: str | None
    content: Content | dict[str, Any] | None
    refusal: str | None
    tool_calls: list[ToolCall] | None
    function_call: FunctionCall | None
    audio: Audio | None
    images: list[ImageBlock]
    annotations: list[Annotation] | None
    reasoning: str | None
    reasoning_content: str | None
    reasoning_details: list[dict[str, Any]] | None
    executed_tools: list[dict[str, Any]]
    extra_content: dict[str, Any]
    provider_specific_fields: dict[str, Any]
    thinking_blocks: list[dict[str, Any]]


class Logprobs(TypedDict, total=False):
    """How likely each token was."""

    content: list[dict[str, Any]] | None
    refusal: list[dict[str, Any]] | None


class PromptTokens(TypedDict, total=False):
    """How `prompt_tokens` came about."""

    cached_tokens: int
    cache_write_tokens: int
    audio_tokens: int
    image_tokens: int
    text_tokens: int
    video_tokens: int
    multimodal_tokens: int | None


class CompletionTokens(TypedDict, total=False):
    """How `completion_tokens` came about."""

    reasoning_tokens: int
    audio_tokens: int
    image_tokens: int
    text_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class Usage(TypedDict, total=False):
    """What was billed; cached tokens are counted in. Times, prices and the like are in `Usage.raw` only."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens | None
    completion_tokens_details: CompletionTokens | None
    cached_tokens: int
    num_cached_tokens: int
    prompt_cache_hit_tokens: int
    prompt_cache_miss_tokens: int
    reasoning_tokens: int
    audio_prompt_tokens: int
    completion_time: float
    cost: float | dict[str, float]
    cost_details: dict[str, Any]
    cost_in_usd_ticks: int
    draft_tokens: int
    draft_tokens_acceptance: float
    is_byok: bool
    num_sources_used: int
    prompt_audio_seconds: Any
    prompt_time: float
    prompt_token_details: Any
    prompt_tokens_per_second: float
    queue_time: float
    request_count: Any
    search_context_size: str
    service_tier: str | None
    time_per_output_token_ms: float
    time_to_first_token_ms: float
    tokens_per_second: float
    total_time: float


class Choice(TypedDict, total=False):
    """One answer; a stream's has a `delta`, and some hosts send both."""

    index: int
    message: Said
    delta: Said
    finish_reason: str | None
    logprobs: Logprobs | None
    native_finish_reason: str | None
    stop_reason: Any
    error: "ErrorBody"
    usage: Usage
    content_filter_results: dict[str, Any]
    finish_details: dict[str, Any]
    routed_experts: Any
    seed: int
    token_ids: Any


class SearchResult(TypedDict, total=False):
    """A page that a host found before it answered."""

    title: str
    url: str
    snippet: str
    date: str | None
    last_updated: str | None
    source: str


class Completion(TypedDict, total=False):
    """A whole answer; most of it is in `Response.raw` only."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None
    service_tier: str | None
    system_fingerprint: str | None
    metadata: dict[str, str] | None
    moderation: dict[str, Any] | None
    error: "ErrorBody"
    citations: list[str]
    search_results: list[SearchResult]
    provider: str
    x_groq: dict[str, Any]
    kv_transfer_params: Any
    metrics: Any
    prompt: list[Any]
    prompt_filter_results: list[dict[str, Any]] | None
    prompt_logprobs: Any
    prompt_text: Any
    prompt_token_ids: Any
    time_info: dict[str, Any]
    usage_breakdown: dict[str, Any] | None


class Chunk(Completion, total=False):
    """One event of a stream."""

    obfuscation: str
    p: str
    sla_metrics: dict[str, Any]


class ErrorBody(TypedDict, total=False):
    """What went wrong."""

    message: str
    type: str | None
    param: str | None
    code: str | int | None
    status: int
    innererror: dict[str, Any]


class ErrorAnswer(TypedDict, total=False):
    """The body of an error."""

    error: ErrorBody
    id: str


# ---- embeddings and models -------------------------------------------------------------------------------------------


class EmbedBody(TypedDict, total=False):
    """The body of a request for vectors; `input` may be tokens, through `extra_body`."""

    model: Required[str]
    input: Required[str | list[Any]]
    dimensions: int
    encoding_format: str
    user: str


class Embedding(TypedDict, total=False):
    """One vector."""

    object: str
    index: int
    embedding: str | list[float]


class Embeddings(TypedDict, total=False):
    """The vectors."""

    object: str
    data: list[Embedding]
    model: str
    usage: Usage
    id: str
    provider: str


class Architecture(TypedDict, total=False):
    """What a model takes and gives."""

    modality: str
    input_modalities: list[str]
    output_modalities: list[str]
    tokenizer: str
    instruct_type: str | None


class Limits(TypedDict, total=False):
    """How much the best of a model's hosts takes."""

    context_length: int | None
    max_completion_tokens: int | None
    is_moderated: bool


class Model(TypedDict, total=False):
    """One model of the list; most of it is in `Model.raw` only."""

    id: str
    object: str
    created: int
    owned_by: str
    shutdown_date: str | None
    name: str
    context_length: int
    architecture: Architecture
    top_provider: Limits
    supported_parameters: list[str]
    benchmarks: dict[str, Any]
    canonical_slug: str
    data_retention: Any
    default_parameters: dict[str, Any] | None
    description: str
    expiration_date: str | None
    hugging_face_id: str | None
    knowledge_cutoff: str | None
    links: dict[str, Any]
    per_request_limits: Any
    pricing: dict[str, Any]
    reasoning: dict[str, Any]
    status: str
    supported_voices: Any


class ModelPage(TypedDict, total=False):
    """One page of the list."""

    object: str
    data: list[Model]
    has_more: bool
    first_id: str | None
    last_id: str | None
    total_count: int
    links: dict[str, Any]
