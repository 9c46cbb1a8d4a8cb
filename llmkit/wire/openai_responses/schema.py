"""The provider's JSON as `TypedDict`s: mypy checks what is written, tests compare them with recorded traffic.

What is not modelled (the provider's own tools and their results) is listed by its `type` in `PASSED_THROUGH`.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from typing import Any, Final, Literal, NotRequired, Required, TypeAlias, TypedDict

WIRE_NAME: Final = "openai-responses"
"""What this wire is called, and whose `Opaque` items, signatures and extras it takes back."""

Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class CacheBreakpoint(TypedDict):
    """Up to here the provider is asked to cache."""

    mode: Literal["explicit"]
    ttl: NotRequired[Literal["30m", "12h"]]


class InputText(TypedDict):
    """Words that are sent."""

    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: NotRequired[CacheBreakpoint | None]


class InputImage(TypedDict, total=False):
    """A picture that is sent: an address (of data, too) or a file's id."""

    type: Required[Literal["input_image"]]
    image_url: str | None
    file_id: str | None
    detail: str | None
    prompt_cache_breakpoint: CacheBreakpoint | None


class InputFile(TypedDict, total=False):
    """A document that is sent."""

    type: Required[Literal["input_file"]]
    file_data: str | None
    file_id: str | None
    file_url: str | None
    filename: str | None
    detail: str
    prompt_cache_breakpoint: CacheBreakpoint | None


class AudioData(TypedDict):
    """A sound in the body."""

    data: str
    format: Literal["mp3", "wav"]


class InputAudio(TypedDict):
    """A sound that is sent."""

    type: Literal["input_audio"]
    input_audio: AudioData


class Annotation(TypedDict, total=False):
    """A source; which keys there are depends on `type`."""

    type: Required[str]
    url: str
    title: str | None
    start_index: int
    end_index: int
    file_id: str
    filename: str
    index: int
    container_id: str


class TopLogprob(TypedDict, total=False):
    """A word that might have been written."""

    token: str
    bytes: list[int] | None
    logprob: float


class Logprob(TypedDict, total=False):
    """A word that was written, and what might have been."""

    token: Required[str]
    bytes: list[int] | None
    logprob: float
    top_logprobs: list[TopLogprob]


class OutputText(TypedDict):
    """Words of an answer."""

    type: Literal["output_text"]
    text: str
    annotations: NotRequired[list[Annotation]]
    logprobs: NotRequired[list[Logprob] | None]


class OutputRefusal(TypedDict):
    """Why it does not answer."""

    type: Literal["refusal"]
    refusal: str


class SummaryText(TypedDict):
    """Part of the summary of what was thought."""

    type: Literal["summary_text"]
    text: str


class ReasoningText(TypedDict):
    """Part of what was thought."""

    type: Literal["reasoning_text"]
    text: str


InputPart: TypeAlias = InputText | InputImage | InputFile | InputAudio
OutputPart: TypeAlias = OutputText | OutputRefusal
Content: TypeAlias = InputPart | OutputPart | ReasoningText


class Message(TypedDict, total=False):
    """One turn of one role; `type` may be left out of what is sent."""

    type: Literal["message"]
    role: Required[str]
    content: Required["str | list[Content] | list[Content | dict[str, Any]]"]
    id: str
    status: Status
    phase: Literal["commentary", "final_answer"] | None


class Reasoning(TypedDict, total=False):
    """What was thought before answering."""

    type: Required[Literal["reasoning"]]
    id: str | None
    summary: list[SummaryText]
    content: list[ReasoningText] | None
    encrypted_content: str | None
    status: Status | None
    format: str | None


class Caller(TypedDict, total=False):
    """Who called: the model itself or a program of its."""

    type: Required[str]
    caller_id: str


_Named = TypedDict("_Named", {"async": bool | None}, total=False)


class FunctionCall(_Named, total=False):
    """The model calls a function with JSON."""

    type: Required[Literal["function_call"]]
    call_id: Required[str]
    name: Required[str]
    arguments: Required[str]
    id: str | None
    status: Status | None
    namespace: str | None
    caller: Caller | None


class CustomToolCall(_Named, total=False):
    """The model calls a custom tool with text."""

    type: Required[Literal["custom_tool_call"]]
    call_id: Required[str]
    name: Required[str]
    input: Required[str]
    id: str | None
    status: Status | None
    namespace: str | None
    caller: Caller | None


class FunctionCallOutput(TypedDict, total=False):
    """The answer to the call of a function."""

    type: Required[Literal["function_call_output"]]
    call_id: Required[str]
    output: Required["str | list[InputPart] | list[InputPart | dict[str, Any]]"]
    id: str | None
    status: Status | None
    name: str | None
    namespace: str | None
    caller: Caller | None
    created_by: str | None


class CustomToolCallOutput(TypedDict, total=False):
    """The answer to the call of a custom tool."""

    type: Required[Literal["custom_tool_call_output"]]
    call_id: Required[str]
    output: Required["str | list[InputPart] | list[InputPart | dict[str, Any]]"]
    id: str | None
    status: Status | None
    caller: Caller | None
    created_by: str | None


class ModerationDetails(TypedDict, total=False):
    """Why a picture was not made."""

    categories: list[str]
    moderation_stage: str


class ImageError(TypedDict, total=False):
    """What went wrong with a picture."""

    code: str | None
    message: str
    param: str | None
    type: str
    moderation_details: ModerationDetails | None


class ImageGenerationCall(TypedDict, total=False):
    """A picture that the provider made."""

    type: Required[Literal["image_generation_call"]]
    id: Required[str]
    result: Required[str | None]
    status: str
    action: str | None
    background: str | None
    error: ImageError | None
    output_format: str | None
    quality: str | None
    revised_prompt: str | None
    size: str | None
    svg_usage: dict[str, Any] | None


Call: TypeAlias = FunctionCall | CustomToolCall
CallOutput: TypeAlias = FunctionCallOutput | CustomToolCallOutput
Item: TypeAlias = Message | Reasoning | Call | CallOutput | ImageGenerationCall

PASSED_THROUGH: Final = frozenset(
    {
        "additional_tools",
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "compaction",
        "compaction_trigger",
        "computer_call",
        "computer_call_output",
        "configuration_update",
        "file_search_call",
        "item_reference",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)
"""Items that are known and not modelled: they become `Opaque` parts and go back as they came."""


class FunctionTool(TypedDict, total=False):
    """A function that the client runs."""

    type: Required[Literal["function"]]
    name: Required[str]
    parameters: Required[dict[str, Any] | None]
    strict: Required[bool | None]
    description: str | None
    defer_loading: bool
    output_schema: dict[str, Any] | None
    allowed_callers: list[str] | None


class NamedChoice(TypedDict, total=False):
    """Which tool must be called; which keys there are depends on `type`."""

    type: Required[str]
    name: str
    server_label: str
    mode: str
    tools: list[dict[str, Any]]


class TextFormat(TypedDict, total=False):
    """The form that the answer's text must have."""

    type: Required[Literal["text", "json_object", "json_schema"]]
    name: str
    schema: dict[str, Any]
    strict: bool | None
    description: str | None


class TextOptions(TypedDict, total=False):
    """What the answer's text is to be like."""

    format: TextFormat
    verbosity: str | None


class ReasoningOptions(TypedDict, total=False):
    """How much is thought first, and what of it is told."""

    effort: str | None
    summary: str | None
    generate_summary: str | None
    context: str | None
    mode: str | None


class CacheOptions(TypedDict, total=False):
    """How the provider caches."""

    mode: str
    ttl: str
    comparison_response_id: str | None
    prewarm: bool


class Body(TypedDict, total=False):
    """The body of `POST /v1/responses`; `top_k`, `stop`, `seed` and the penalties are of other hosts."""

    model: str
    input: "str | list[Item] | list[Item | dict[str, Any]]"
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop: list[str] | None
    seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    top_logprobs: int | None
    reasoning: ReasoningOptions | None
    text: TextOptions | None
    tools: list[FunctionTool | dict[str, Any]]
    tool_choice: "str | NamedChoice"
    parallel_tool_calls: bool | None
    include: list[str] | None
    store: bool | None
    stream: bool | None
    stream_options: dict[str, Any] | None
    metadata: dict[str, str] | None
    service_tier: str | None
    truncation: str | None
    previous_response_id: str | None
    conversation: Any
    context_management: list[dict[str, Any]] | None
    background: bool | None
    background_options: dict[str, Any]
    prompt: dict[str, Any] | None
    prompt_cache_key: str | None
    prompt_cache_options: CacheOptions
    prompt_cache_retention: str | None
    safety_identifier: str | None
    moderation: dict[str, Any] | None
    access_programs: dict[str, Any]
    image: dict[str, Any]
    personality: str
    user: str | None


class InputDetails(TypedDict, total=False):
    """Which of the tokens read came from the cache, and which went into it."""

    cached_tokens: int | None
    cache_write_tokens: int | None
    cache_write_tokens_details: dict[str, int] | None


class OutputDetails(TypedDict, total=False):
    """Which of the tokens written were thoughts."""

    reasoning_tokens: int | None


class Usage(TypedDict, total=False):
    """Tokens billed; the lower half is of hosts other than the wire's own."""

    input_tokens: int
    input_tokens_details: InputDetails | None
    output_tokens: int
    output_tokens_details: OutputDetails | None
    total_tokens: int
    context_details: dict[str, int]
    cost: float | None
    cost_details: dict[str, float | None] | None
    cost_in_usd_ticks: int
    is_byok: bool
    num_server_side_tools_used: int
    num_sources_used: int


class Failure(TypedDict, total=False):
    """Why answering failed."""

    code: str | None
    message: str
    param: str | None
    type: str | None
    misalignment: dict[str, Any] | None


class IncompleteDetails(TypedDict, total=False):
    """Why an answer is not complete."""

    reason: str | None


class Response(TypedDict, total=False):
    """A whole answer; much of it is the request, told back."""

    id: Required[str]
    object: Required[str]
    output: Required[list[Item]]
    created_at: float
    completed_at: float | None
    status: str
    error: Failure | None
    incomplete_details: IncompleteDetails | None
    model: str
    usage: Usage | None
    instructions: "str | list[Item] | None"
    metadata: dict[str, str] | None
    parallel_tool_calls: bool
    temperature: float | None
    top_p: float | None
    top_logprobs: int | None
    tools: list[dict[str, Any]]
    tool_choice: Any
    truncation: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    previous_response_id: str | None
    reasoning: ReasoningOptions | None
    store: bool | None
    text: TextOptions | None
    user: str | None
    service_tier: str | None
    background: bool | None
    prompt_cache_key: str | None
    prompt_cache_options: CacheOptions | None
    prompt_cache_retention: str | None
    prompt_cache_diagnostics: dict[str, Any] | None
    safety_identifier: str | None
    frequency_penalty: float | None
    presence_penalty: float | None
    billing: dict[str, Any] | None
    moderation: dict[str, Any] | None
    tool_usage: dict[str, Any] | None
    content_filters: list[dict[str, Any]] | None
    conversation: dict[str, Any] | None
    prompt: dict[str, Any] | None
    access_programs: dict[str, Any] | None
    image: dict[str, Any] | None
    input_transformations: list[dict[str, Any]] | None


class Count(TypedDict):
    """The answer of `POST /v1/responses/input_tokens`."""

    object: NotRequired[Literal["response.input_tokens"]]
    input_tokens: int


class StreamEvent(TypedDict, total=False):
    """An event of a stream; which keys there are depends on `type`."""

    type: Required[str]
    sequence_number: int
    response: Response
    output_index: int
    item_id: str
    item: Item
    content_index: int
    summary_index: int
    annotation_index: int
    part: "Content | SummaryText"
    delta: str
    text: str
    refusal: str
    arguments: str
    input: str
    name: str
    logprobs: list[Logprob]
    obfuscation: str
    annotation: Annotation
    code: str | None
    message: str
    param: str | None
    partial_image_b64: str
    partial_image_index: int
