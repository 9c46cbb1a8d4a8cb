"""The provider's JSON as `TypedDict`s: mypy checks what is written, tests compare them with recorded traffic.

Keys are in lowerCamelCase; the provider takes them in snake_case, too, and answers in camelCase only.

Sources: https://ai.google.dev/api/generate-content, https://ai.google.dev/api/caching#Content,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from typing import Any, Final, Literal, NotRequired, Required, TypedDict

WIRE_NAME: Final = "gemini-generate"
"""What this wire is called, and whose `Opaque` parts, signatures and extras it takes back."""


class Blob(TypedDict, total=False):
    """Media in the body."""

    mimeType: Required[str]
    data: Required[str]
    displayName: str


class FileData(TypedDict, total=False):
    """Media that lie elsewhere: an uploaded file's URI, or an address that the provider reads."""

    fileUri: Required[str]
    mimeType: str
    displayName: str


class PartialArg(TypedDict, total=False):
    """A piece of a call's arguments, where they are streamed (Google Cloud, on request)."""

    jsonPath: str
    stringValue: str
    numberValue: float
    boolValue: bool
    nullValue: Any
    willContinue: bool


class FunctionCall(TypedDict, total=False):
    """A call of a tool that the caller runs."""

    id: str
    name: Required[str]
    args: dict[str, Any] | None
    partialArgs: list[PartialArg]
    willContinue: bool


class FunctionResponsePart(TypedDict, total=False):
    """A medium in a tool's answer."""

    inlineData: Blob
    fileData: FileData


class FunctionResponse(TypedDict, total=False):
    """What a tool answered."""

    id: str
    name: Required[str]
    response: Required[dict[str, Any]]
    parts: list[Any]
    scheduling: str
    willContinue: bool


class ExecutableCode(TypedDict, total=False):
    """Code that the provider runs."""

    id: str
    language: str | int
    code: str


class CodeExecutionResult(TypedDict, total=False):
    """What became of it."""

    id: str
    outcome: str | int
    output: str


class ServerToolCall(TypedDict, total=False):
    """A call of a tool that the provider runs."""

    id: str
    toolType: str
    args: dict[str, Any]


class ServerToolResponse(TypedDict, total=False):
    """What that tool answered."""

    id: str
    toolType: str
    response: dict[str, Any]


class VideoMetadata(TypedDict, total=False):
    """Which part of a film is meant."""

    startOffset: str
    endOffset: str
    fps: float
    contentLayers: list[Any]


class MediaResolution(TypedDict, total=False):
    """How closely a medium is looked at."""

    level: str
    numTokens: int


class Part(TypedDict, total=False):
    """One of the kinds of content, and what modifies it."""

    text: str
    inlineData: Blob
    fileData: FileData
    functionCall: FunctionCall
    functionResponse: FunctionResponse
    executableCode: ExecutableCode
    codeExecutionResult: CodeExecutionResult
    toolCall: ServerToolCall
    toolResponse: ServerToolResponse
    audioTranscription: dict[str, Any]
    thought: bool
    thoughtSignature: str
    videoMetadata: VideoMetadata
    mediaResolution: MediaResolution
    mediaProcessing: dict[str, Any]
    partMetadata: dict[str, Any]
    speechMetadata: dict[str, Any]
    documentMetadata: dict[str, Any]
    spreadsheetMetadata: dict[str, Any]
    audioMetadata: dict[str, Any]


class Content(TypedDict, total=False):
    """A turn; of an answer `parts` may be missing."""

    role: str
    parts: list[Part]


class SentContent(TypedDict):
    """A turn that is sent."""

    role: Literal["user", "model"]
    parts: list[Any]


class SystemInstruction(TypedDict, total=False):
    """Instructions."""

    role: str
    parts: Required[list[Any]]


# ---- requests --------------------------------------------------------------------------------------------------------


class FunctionDeclaration(TypedDict, total=False):
    """A tool that the caller runs; its schema is either OpenAPI's (`parameters`) or JSON Schema."""

    name: Required[str]
    description: str
    parameters: dict[str, Any]
    parametersJsonSchema: dict[str, Any]
    response: dict[str, Any]
    responseJsonSchema: dict[str, Any]
    behavior: str


class Tool(TypedDict, total=False):
    """The tools that the caller runs, or one that the provider does."""

    functionDeclarations: list[FunctionDeclaration]
    googleSearch: dict[str, Any]
    googleSearchRetrieval: dict[str, Any]
    urlContext: dict[str, Any]
    codeExecution: dict[str, Any]
    fileSearch: dict[str, Any]
    googleMaps: dict[str, Any]
    computerUse: dict[str, Any]
    mcpServers: list[Any]
    retrieval: dict[str, Any]
    enterpriseWebSearch: dict[str, Any]
    parallelAiSearch: dict[str, Any]
    exaAiSearch: dict[str, Any]


class FunctionCallingConfig(TypedDict, total=False):
    """Whether a tool must be called, and which may be."""

    mode: Literal["AUTO", "ANY", "NONE", "VALIDATED"]
    allowedFunctionNames: list[str]
    streamFunctionCallArguments: bool


class ToolConfig(TypedDict, total=False):
    """How tools are used."""

    functionCallingConfig: FunctionCallingConfig
    retrievalConfig: dict[str, Any]
    includeServerSideToolInvocations: bool


class ThinkingConfig(TypedDict, total=False):
    """How much is thought first: a level or a budget of tokens, never both."""

    includeThoughts: bool
    thinkingBudget: int
    thinkingLevel: str


class GenerationConfig(TypedDict, total=False):
    """How the answer is made, and which form it has."""

    temperature: float | None
    topP: float | None
    topK: int | None
    candidateCount: int
    maxOutputTokens: int | None
    stopSequences: list[str] | None
    seed: int | None
    presencePenalty: float | None
    frequencyPenalty: float | None
    responseLogprobs: bool | None
    logprobs: int | None
    responseMimeType: str | None
    responseSchema: dict[str, Any]
    responseJsonSchema: dict[str, Any] | None
    responseModalities: list[str]
    responseFormat: dict[str, Any]
    mediaResolution: str
    speechConfig: dict[str, Any]
    thinkingConfig: ThinkingConfig | None
    imageConfig: dict[str, Any]
    enableEnhancedCivicAnswers: bool
    enableAffectiveDialog: bool
    audioTimestamp: bool
    audioTranscriptionConfig: dict[str, Any]
    translationConfig: dict[str, Any]
    routingConfig: dict[str, Any]
    modelSelectionConfig: dict[str, Any]


class SafetySetting(TypedDict, total=False):
    """From which probability of harm on something is blocked."""

    category: str
    threshold: str
    method: str


class ModelArmorConfig(TypedDict, total=False):
    """The templates by which prompts and answers are screened (Google Cloud)."""

    promptTemplateName: str
    responseTemplateName: str


class GenerateContentRequest(TypedDict, total=False):
    """The body of a request; what is not encoded is reached through `extra_body` alone."""

    model: str
    contents: Required[list[SentContent]]
    systemInstruction: SystemInstruction | None
    tools: list[Any]
    toolConfig: ToolConfig | None
    generationConfig: GenerationConfig
    safetySettings: list[SafetySetting]
    cachedContent: str
    serviceTier: str | None
    store: bool
    labels: dict[str, str] | None
    modelArmorConfig: ModelArmorConfig


class CountTokensRequest(TypedDict, total=False):
    """What is counted: a whole request (the Developer API), or its fields (Google Cloud)."""

    generateContentRequest: GenerateContentRequest
    model: str
    contents: list[SentContent]
    systemInstruction: SystemInstruction
    tools: list[Any]
    generationConfig: GenerationConfig


class EmbedContent(TypedDict, total=False):
    """One text to embed."""

    model: str
    content: Required[Content]
    outputDimensionality: int
    taskType: str
    title: str
    autoTruncate: bool
    embedContentConfig: dict[str, Any]


class Instance(TypedDict, total=False):
    """One text to embed by `predict`."""

    content: Required[str]
    task_type: str
    title: str
    mimeType: str


class EmbedContentRequest(TypedDict, total=False):
    """The three ways in which texts are embedded: `batchEmbedContents`, `embedContent`, `predict`."""

    requests: list[EmbedContent]
    model: str
    content: Content
    outputDimensionality: int
    taskType: str
    title: str
    autoTruncate: bool
    embedContentConfig: dict[str, Any]
    instances: list[Instance]
    parameters: dict[str, Any]


# ---- answers ---------------------------------------------------------------------------------------------------------


class ModalityTokenCount(TypedDict, total=False):
    """Tokens of one kind of content."""

    modality: str | int
    tokenCount: int | str


class UsageMetadata(TypedDict, total=False):
    """What was billed; any count may be missing, which is 0, and may be text."""

    promptTokenCount: int | str
    cachedContentTokenCount: int | str
    candidatesTokenCount: int | str
    thoughtsTokenCount: int | str
    toolUsePromptTokenCount: int | str
    totalTokenCount: int | str
    promptTokensDetails: list[ModalityTokenCount]
    promptTokenDetails: list[ModalityTokenCount]
    candidatesTokensDetails: list[ModalityTokenCount]
    cacheTokensDetails: list[ModalityTokenCount]
    toolUsePromptTokensDetails: list[ModalityTokenCount]
    serviceTier: str
    trafficType: str | int


class Citation(TypedDict, total=False):
    """A source that the answer recites; offsets are in UTF-8 bytes of the answer's text."""

    startIndex: int
    endIndex: int
    uri: str
    title: str
    license: str
    publicationDate: Any


class CitationMetadata(TypedDict, total=False):
    """What the answer recites; two names for the same."""

    citations: list[Citation]
    citationSources: list[Citation]


class GroundingSource(TypedDict, total=False):
    """A page, a place, a picture or a document; which keys there are depends on the kind."""

    uri: str
    title: str
    domain: str
    text: str
    placeId: str
    placeAnswerSources: dict[str, Any]
    route: dict[str, Any]
    sourceUri: str
    imageUri: str
    documentName: str
    ragChunk: dict[str, Any]
    customMetadata: list[Any]
    fileSearchStore: str
    pageNumber: int
    mediaId: str


class GroundingChunk(TypedDict, total=False):
    """A source of one of four kinds."""

    web: GroundingSource
    image: GroundingSource
    maps: GroundingSource
    retrievedContext: GroundingSource


class Segment(TypedDict, total=False):
    """A passage of the answer; offsets are in UTF-8 bytes."""

    partIndex: int
    startIndex: int
    endIndex: int
    text: str


class GroundingSupport(TypedDict, total=False):
    """Which sources a passage rests on."""

    segment: Segment
    groundingChunkIndices: list[int]
    confidenceScores: list[float]
    renderedParts: list[int]


class SearchEntryPoint(TypedDict, total=False):
    """What must be shown with an answer that was searched for."""

    renderedContent: str
    sdkBlob: str


class GroundingMetadata(TypedDict, total=False):
    """What the answer rests on."""

    webSearchQueries: list[str]
    imageSearchQueries: list[str]
    retrievalQueries: list[str]
    groundingChunks: list[GroundingChunk]
    groundingSupports: list[GroundingSupport]
    searchEntryPoint: SearchEntryPoint
    retrievalMetadata: dict[str, Any]
    googleMapsWidgetContextToken: str
    sourceFlaggingUris: list[Any]


class SafetyRating(TypedDict, total=False):
    """How probable a harm is."""

    category: str | int
    probability: str | int
    blocked: bool
    probabilityScore: float
    severity: str | int
    severityScore: float
    overwrittenThreshold: str


class TokenLogprob(TypedDict, total=False):
    """A token and its log probability."""

    token: str
    tokenId: int
    logProbability: float


class TopCandidates(TypedDict, total=False):
    """The likeliest tokens of one place."""

    candidates: list[TokenLogprob]


class LogprobsResult(TypedDict, total=False):
    """The tokens that were chosen, and what else could have been."""

    chosenCandidates: list[TokenLogprob]
    topCandidates: list[TopCandidates]
    logProbabilitySum: float


class UrlContextMetadata(TypedDict, total=False):
    """The pages that were read."""

    urlMetadata: list[dict[str, Any]]


class Candidate(TypedDict, total=False):
    """One of the answers; mostly there is one."""

    index: int
    content: Content
    finishReason: str | int
    finishMessage: str
    tokenCount: int
    avgLogprobs: float
    logprobsResult: LogprobsResult
    safetyRatings: list[SafetyRating]
    citationMetadata: CitationMetadata
    groundingMetadata: GroundingMetadata
    groundingAttributions: list[Any]
    urlContextMetadata: UrlContextMetadata
    continuationToken: str


class PromptFeedback(TypedDict, total=False):
    """Why a prompt was not answered."""

    blockReason: str | int
    blockReasonMessage: str
    safetyRatings: list[SafetyRating]


class ModelStatus(TypedDict, total=False):
    """How far a model is on its way to retirement."""

    modelStage: str
    message: str
    retirementTime: str


class GenerateContentResponse(TypedDict, total=False):
    """An answer, or a piece of one that is streamed."""

    candidates: list[Candidate]
    promptFeedback: PromptFeedback
    usageMetadata: UsageMetadata
    modelVersion: str
    responseId: str
    createTime: str
    modelStatus: ModelStatus


class CountTokensResponse(TypedDict, total=False):
    """How many tokens a request has."""

    totalTokens: int
    totalBillableCharacters: int
    cachedContentTokenCount: int
    promptTokensDetails: list[ModalityTokenCount]
    cacheTokensDetails: list[ModalityTokenCount]


class Embedding(TypedDict, total=False):
    """A vector."""

    values: list[float]
    shape: list[int]
    statistics: dict[str, Any]


class Prediction(TypedDict, total=False):
    """A vector, as `predict` gives it."""

    embeddings: Embedding


class EmbedContentResponse(TypedDict, total=False):
    """Vectors, in each of the three forms."""

    embeddings: list[Embedding]
    embedding: Embedding
    predictions: list[Prediction]
    usageMetadata: UsageMetadata
    truncated: bool
    metadata: dict[str, Any]


class Model(TypedDict, total=False):
    """A model."""

    name: Required[str]
    baseModelId: str
    version: str
    versionId: str
    displayName: str
    description: str
    inputTokenLimit: int
    outputTokenLimit: int
    supportedGenerationMethods: list[str]
    thinking: bool
    temperature: float
    maxTemperature: float
    topP: float
    topK: int
    launchStage: str
    openSourceCategory: str
    supportedActions: dict[str, Any]
    publisherModelTemplate: str


class ModelPage(TypedDict, total=False):
    """One page of the list, of either host."""

    models: list[Model]
    publisherModels: list[Model]
    nextPageToken: str


class ErrorDetail(TypedDict, total=False):
    """More about an error; which keys there are depends on `@type`, which Python has no name for."""

    reason: str
    domain: str
    metadata: dict[str, Any]
    retryDelay: str
    violations: list[dict[str, Any]]
    links: list[dict[str, Any]]
    fieldViolations: list[dict[str, Any]]
    requestId: str
    servingData: str
    detail: str
    locale: str
    message: str


class Error(TypedDict, total=False):
    """What went wrong."""

    code: Required[int]
    message: Required[str]
    status: NotRequired[str]
    details: NotRequired[list[Any]]


class ErrorAnswer(TypedDict):
    """The body of an error; it may stand in an array of one."""

    error: Error


EXTRA_BODY: Final = frozenset({"safetySettings", "cachedContent", "store", "modelArmorConfig"})
"""Fields of a request that are reached through `extra_body` alone."""
