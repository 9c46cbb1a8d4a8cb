"""Requests on the wire ``gemini-generate`` as `FakeServer` takes them: what it refuses, and what it reads in them."""

import base64
from contextlib import suppress

import pytest
import requests
from conformance.recordings import load
from hypothesis import given
from hypothesis import strategies as st
from strategies import mutated

from llmkit import (
    AssistantMessage,
    Audio,
    BadRequestError,
    ConfigurationError,
    Document,
    Image,
    Opaque,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
    Video,
)
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer, RecordedRequest
from llmkit.testing.gemini_generate import RENDERING
from llmkit.testing.gemini_generate.embedding import batch, predicted, single
from llmkit.testing.gemini_generate.host import read
from llmkit.testing.gemini_generate.strictness import count_fault_of
from llmkit.wire.gemini_generate.spelling import spelled

WIRE = "gemini-generate"
MODEL = "models/gemini-3.6-flash"
DATA = png(bytes(12), 2, 2, 3)
IN_BASE64 = base64.b64encode(DATA).decode()
HI = {"role": "user", "parts": [{"text": "Hi"}]}


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def post(server, method, body):
    url = f"{server.url}/v1beta/{MODEL}:{method}"
    return requests.post(url, json=body, headers={"x-goog-api-key": "k"}, timeout=5)


# ---- what the host refuses -------------------------------------------------------------------------------------------


def said(*parts):
    return {"contents": [{"role": "user", "parts": list(parts)}]}


def turns(*parts):
    roles = ("user", "model") * len(parts)
    return {"contents": [{"role": role, "parts": list(each)} for role, each in zip(roles, parts, strict=False)]}


def configured(**config):
    return {"contents": [HI], "generationConfig": config}


TEXT = {"text": "a"}
CALL = {"functionCall": {"name": "t", "args": {}}}
RESULT = {"functionResponse": {"name": "t", "response": {}}}
PART = "contents[0].parts[0]"
CONFIG = "* GenerateContentRequest.generation_config"
# name → (the body, how the message begins)
REFUSED = {
    "no object": ([], 'Invalid JSON payload received. Unknown name "": Root element must be a message.'),
    "nothing": ({}, "* GenerateContentRequest.contents: contents is not specified"),
    "no contents": ({"contents": []}, "* GenerateContentRequest.contents: contents is not specified"),
    "contents as text": ({"contents": "Hi"}, "Invalid value at 'contents' (TYPE_LIST)"),
    "instructions as text": (
        {"contents": [HI], "systemInstruction": "x"},
        "Invalid value at 'system_instruction' (TYPE_MESSAGE)",
    ),
    "an unknown key": (
        {"contents": [HI], "messages": []},
        'Invalid JSON payload received. Unknown name "messages": Cannot find field.',
    ),
    "a key of vertex": (
        {"contents": [HI], "modelArmorConfig": {}},
        'Invalid JSON payload received. Unknown name "modelArmorConfig": Cannot find field.',
    ),
    "a content as text": ({"contents": ["Hi"]}, "Invalid value at 'contents[0]' "),
    "an unknown key of a content": (
        {"contents": [{**HI, "content": 1}]},
        "Invalid JSON payload received. Unknown name \"content\" at 'contents[0]': Cannot find field.",
    ),
    "an unknown role": ({"contents": [{**HI, "role": "assistant"}]}, "Please use a valid role: user, model."),
    "no parts": ({"contents": [{"role": "user"}]}, "* GenerateContentRequest.contents[0].parts: contents.parts must"),
    "parts as text": ({"contents": [{"parts": "Hi"}]}, "Invalid value at 'contents[0].parts' (TYPE_LIST)"),
    "a part as text": (said("Hi"), f"Invalid value at '{PART}' "),
    "a part with nothing": (
        said({}),
        f"* GenerateContentRequest.{PART}.data: required oneof field 'data' must have one initialized field",
    ),
    "a part with two things": (
        said({"text": "a", "inlineData": {}}),
        f"Invalid value at '{PART}' (oneof), oneof field 'data' is already set. Cannot set 'inlineData'",
    ),
    "text as a number": (said({"text": 1}), f"Invalid value at '{PART}.text' (TYPE_STRING)"),
    "a thought as text": (said({"text": "", "thought": "yes"}), f"Invalid value at '{PART}.thought' (TYPE_BOOL)"),
    "a seal that is no base64": (
        said({"text": "", "thoughtSignature": "!"}),
        f"Invalid value at '{PART}.thought_signature' (TYPE_BYTES), Base64 decoding failed",
    ),
    "data as text": (said({"inlineData": "x"}), f"Invalid value at '{PART}.inline_data' (TYPE_MESSAGE)"),
    "data without a type": (
        said({"inlineData": {"data": "AAAA"}}),
        f"Invalid value at '{PART}.inline_data.mime_type' (TYPE_STRING)",
    ),
    "data that is no base64": (
        said({"inlineData": {"mimeType": "image/png", "data": "data:image/png;base64,AAAA"}}),
        f"Invalid value at '{PART}.inline_data.data' (TYPE_BYTES), Base64 decoding failed",
    ),
    "a file without an address": (said({"fileData": {}}), f"Invalid value at '{PART}.file_data.file_uri' (TYPE_"),
    "a call without a name": (said({"functionCall": {}}), f"Invalid value at '{PART}.function_call.name' (TYPE_"),
    "arguments as text": (
        said({"functionCall": {"name": "t", "args": "{}"}}),
        f"Invalid value at '{PART}.function_call.args' (type.googleapis.com/google.protobuf.Struct)",
    ),
    "a result as text": (
        said({"functionResponse": {"name": "t", "response": "x"}}),
        f"Invalid value at '{PART}.function_response.response' (TYPE_MESSAGE)",
    ),
    "an unknown option": (
        configured(max_tokens=3),
        "Invalid JSON payload received. Unknown name \"max_tokens\" at 'generation_config': Cannot find field.",
    ),
    "too hot": (configured(temperature=2.5), f"{CONFIG}.temperature: temperature must be in the range [0.0, 2.0]."),
    "temperature as a truth": (configured(temperature=True), f"{CONFIG}.temperature: "),
    "topP": (configured(topP=2), f"{CONFIG}.top_p: top_p must be in the range [0.0, 1.0]."),
    "topK": (configured(topK=0), f"{CONFIG}.top_k: top_k must be positive."),
    "no tokens": (configured(maxOutputTokens=0), f"{CONFIG}.max_output_tokens: max_output_tokens must be positive."),
    "tokens as text": (configured(maxOutputTokens="9"), f"{CONFIG}.max_output_tokens: "),
    "a stop as text": (configured(stopSequences="a"), f"{CONFIG}.stop_sequences: "),
    "six stops": (configured(stopSequences=list("abcdef")), f"{CONFIG}.stop_sequences: "),
    "too many alternatives": (configured(logprobs=21), f"{CONFIG}.logprobs: "),
    "logprobs as a number": (configured(responseLogprobs=1), f"{CONFIG}.response_logprobs: "),
    "a seed as text": (configured(seed="1"), f"{CONFIG}.seed: "),
    "two schemas": (configured(responseSchema={}, responseJsonSchema={}), "Only one of response_schema and"),
    "thinking as text": (configured(thinkingConfig="high"), f"{CONFIG}.thinking_config: "),
    "a level and a budget": (
        configured(thinkingConfig={"thinkingLevel": "LOW", "thinkingBudget": 1}),
        "You can only set only one of thinking budget and thinking level.",
    ),
    "fewer results than calls": (turns([TEXT], [CALL, CALL], [RESULT]), "Please ensure that the number of function"),
    "no results": (turns([TEXT], [CALL], [TEXT]), "Please ensure that the number of function"),
    "more results than calls": (turns([TEXT], [CALL], [RESULT, RESULT]), "Please ensure that the number of function"),
    "a result of nothing": (turns([TEXT], [TEXT], [RESULT]), "Please ensure that function response turn comes"),
    "a result at the beginning": (turns([RESULT]), "Please ensure that function response turn comes"),
    "a call at the end": (turns([TEXT], [CALL]), "Please ensure that multiturn requests end with a user role"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_as_the_host_does(server, body, message):
    answer = post(server, "generateContent", body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert answer.json()["error"]["message"].startswith(message)


def test_body_that_is_no_json(server):
    answer = requests.post(
        f"{server.url}/v1beta/{MODEL}:generateContent", data=b"{", headers={"x-goog-api-key": "k"}, timeout=5
    )
    assert answer.status_code == 400
    assert server.requests[0].json is None


TAKEN = {
    "snake_case": {
        "system_instruction": {"parts": {"text": "x"}},
        "generation_config": {"max_output_tokens": 9, "top_p": 1, "response_mime_type": "text/plain"},
        **said({"inline_data": {"mime_type": "image/png", "data": "AAAA"}}),
    },
    "no role": {"contents": [{"parts": [TEXT]}]},
    "a part of tomorrow": said({"ofTomorrow": 1}),
    "a seal alone": said({"thought": True, "thoughtSignature": "AA-_"}),
    "results in two contents": {"contents": [
        HI, {"role": "model", "parts": [CALL]}, {"role": "model", "parts": [CALL]},
        {"role": "function", "parts": [RESULT]}, {"role": "user", "parts": [RESULT, TEXT]},
    ]},
    "options": configured(temperature=2, topK=2.0, seed=-1, thinkingConfig={"thinkingBudget": -1}),
}  # fmt: skip


@pytest.mark.parametrize("body", TAKEN.values(), ids=TAKEN.keys())
def test_taken_as_the_host_does(server, body):
    assert post(server, "generateContent", body).status_code == 200


# name → (the body, whether of vertex, how the message begins)
COUNTS = {
    "contents": ({"contents": [HI]}, False, None),
    "a request": ({"generateContentRequest": {"model": MODEL, "contents": [HI], "tools": []}}, False, None),
    "of vertex": ({"contents": [HI], "systemInstruction": HI, "tools": []}, True, None),
    "no object": (None, False, "Invalid JSON payload"),
    "instructions beside contents": (
        {"contents": [HI], "systemInstruction": HI},
        False,
        'Invalid JSON payload received. Unknown name "systemInstruction": Cannot find field.',
    ),
    "both": ({"contents": [HI], "generateContentRequest": {}}, False, "contents and generate_content_request must not"),
    "a request as text": ({"generateContentRequest": "x"}, False, "Invalid JSON payload"),
    "a request without a model": (
        {"generateContentRequest": {"contents": [HI]}},
        False,
        "* CountTokensRequest.generate_content_request.model: unexpected model name format",
    ),
    "a request without contents": (
        {"generateContentRequest": {"model": MODEL}},
        False,
        "* GenerateContentRequest.contents: contents is not specified",
    ),
}


@pytest.mark.parametrize(("body", "vertex", "message"), COUNTS.values(), ids=COUNTS.keys())
def test_what_can_be_counted(body, vertex, message):
    fault = count_fault_of(spelled(body), vertex=vertex)
    assert fault is None if message is None else fault.startswith(message)


def test_count_of_a_wrapped_request(server):
    parts = {"parts": [{"text": "12345678"}]}
    wrapped = {"model": MODEL, "contents": [parts], "systemInstruction": parts}
    answer = post(server, "countTokens", {"generateContentRequest": wrapped})
    assert answer.json() == {"totalTokens": 4, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 4}]}
    assert server.requests[0].messages == [SystemMessage("12345678"), UserMessage("12345678")]


def embed(**changes):
    return {"model": MODEL, "content": {"parts": [{"text": "a"}]}, **changes}


# name → (the function, the body, how the message begins)
NOT_EMBEDDED = {
    "no requests": (batch, {}, "* BatchEmbedContentsRequest.requests: requests is not specified"),
    "an unknown key": (batch, {"input": "x"}, "Invalid JSON payload received. Unknown name"),
    "too many": (batch, {"requests": [embed()] * 101}, "* BatchEmbedContentsRequest.requests: at most 100 requests"),
    "a request as text": (batch, {"requests": ["a"]}, "Invalid JSON payload"),
    "a model's bare name": (
        batch,
        {"requests": [embed(model="gemini-3.6-flash")]},
        "* BatchEmbedContentsRequest.requests[0].model: unexpected model name format",
    ),
    "another model": (
        batch,
        {"requests": [embed(), embed(model="models/x")]},
        f"* BatchEmbedContentsRequest.requests[1].model: model does not match {MODEL}",
    ),
    "no content": (batch, {"requests": [embed(content={})]}, "* BatchEmbedContentsRequest.requests[0].content: "),
    "a length below 1": (
        batch,
        {"requests": [embed(outputDimensionality=0)]},
        "* BatchEmbedContentsRequest.requests[0].output_dimensionality: output_dimensionality must be positive",
    ),
    "a length that no model makes": (
        batch,
        {"requests": [embed(outputDimensionality=10**30)]},
        "* BatchEmbedContentsRequest.requests[0].output_dimensionality: output_dimensionality must be less than",
    ),
    "one, of another model": (single, embed(model="models/x"), "* EmbedContentRequest.model: model does not match"),
    "one, in a wrong place": (single, embed(dimensions=3), "Invalid JSON payload received. Unknown name"),
    "no instances": (predicted, {"instances": []}, "Empty instances."),
    "instances without text": (predicted, {"instances": [{}]}, "The text content is empty."),
    "parameters as text": (predicted, {"instances": [{"content": "a"}], "parameters": "x"}, "Invalid value at"),
}


@pytest.mark.parametrize(("function", "body", "message"), NOT_EMBEDDED.values(), ids=NOT_EMBEDDED.keys())
def test_what_cannot_be_embedded(server, function, body, message):
    with pytest.raises(BadRequestError) as caught:
        function(body, MODEL, server, vertex=False)
    assert str(caught.value).startswith(message)


def test_embeddings_in_all_forms(server):
    expected = server.vectors(["a"], 5)[0]
    body = {"requests": [embed(outputDimensionality=5)]}
    assert post(server, "batchEmbedContents", body).json() == {
        "embeddings": [{"values": expected}],
        "usageMetadata": {"promptTokenCount": 1},
    }
    assert post(server, "embedContent", embed(outputDimensionality=5)).json()["embedding"] == {"values": expected}
    body = {"instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"}], "parameters": {"outputDimensionality": 5}}
    assert post(server, "predict", body).json()["predictions"] == [
        {"embeddings": {"values": expected, "statistics": {"token_count": 1, "truncated": False}}}
    ]


# ---- what stands in it -----------------------------------------------------------------------------------------------

SIGNED = {WIRE: {"thoughtSignature": "c2ln"}}
# name → (parts of the user, the typed ones)
READ = {
    "text": ([TEXT, {"text": ""}], [Text("a"), Text("")]),
    "a picture": ([{"inlineData": {"mimeType": "image/png", "data": IN_BASE64}}], [Image(DATA)]),
    "base64 in the other alphabet": (
        [{"inline_data": {"mime_type": "audio/pcm", "data": "-_8"}}],
        [Audio(b"\xfb\xff", media_type="audio/pcm")],
    ),
    "a document": (
        [{"inlineData": {"mimeType": "text/csv", "data": "YSxi", "displayName": "t.csv"}}],
        [Document(b"a,b", media_type="text/csv", name="t.csv")],
    ),
    "an address": (
        [{"fileData": {"mimeType": "video/mp4", "fileUri": "https://a.example/x"}}],
        [Video(url="https://a.example/x", media_type="video/mp4")],
    ),
    "an address that tells its kind": (
        [{"fileData": {"fileUri": "https://a.example/x.pdf"}}],
        [Document(url="https://a.example/x.pdf")],
    ),
    "an address that tells nothing": ([{"fileData": {"fileUri": "gs://a/x"}}], [Image(url="gs://a/x")]),
    "the id of a file": (
        [{"fileData": {"mimeType": "application/pdf", "fileUri": "files/1"}}],
        [Document(file_id="files/1", media_type="application/pdf")],
    ),
    "a picture of another type": (
        [{"inlineData": {"mimeType": "image/jpeg", "data": IN_BASE64}}],
        [Opaque(WIRE, {"inlineData": {"mimeType": "image/jpeg", "data": IN_BASE64}})],
    ),
    "a call": ([CALL], [Opaque(WIRE, CALL)]),
    "another": ([{"of_tomorrow": {"a_b": 1}}], [Opaque(WIRE, {"of_tomorrow": {"a_b": 1}})]),
    "a result": (
        [{"functionResponse": {"id": "c", "name": "t", "response": {"output": "ok"}}}],
        [ToolResult("c", "t", [Text("ok")])],
    ),
    "a result that is empty": ([RESULT], [ToolResult("call_1", "t")]),
    "a result of several texts": (
        [{"functionResponse": {"id": "c", "name": "t", "response": {"output": ["a", "b"]}}}],
        [ToolResult("c", "t", [Text("a"), Text("b")])],
    ),
    "a result as JSON": (
        [{"functionResponse": {"id": "c", "name": "t", "response": {"celsius": 3, "word_one": "å"}}}],
        [ToolResult("c", "t", [Text('{"celsius": 3, "word_one": "å"}')])],
    ),
    "a number as a result": (
        [{"functionResponse": {"id": "c", "name": "t", "response": {"output": 3}}}],
        [ToolResult("c", "t", [Text('{"output": 3}')])],  # as "3" it would be sent as text
    ),
    "an error": (
        [{"functionResponse": {"id": "c", "name": "t", "response": {"error": "no"}}}],
        [ToolResult("c", "t", [Text("no")], is_error=True)],
    ),
    "a result with a picture": (
        [{"functionResponse": {"id": "c", "name": "t", "response": {"output": "see"},
                               "parts": [{"inlineData": {"mimeType": "image/png", "data": IN_BASE64}}]}}],
        [ToolResult("c", "t", [Text("see"), Image(DATA)])],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("parts", "content"), READ.values(), ids=READ.keys())
def test_user_is_read(parts, content):
    assert read({"contents": [{"role": "user", "parts": parts}]}) == [UserMessage(content)]


# name → (parts of the model, the typed ones)
SPOKEN = {
    "text with a seal": ([{"text": "a", "thoughtSignature": "c2ln"}], [Text("a", extra=SIGNED)]),
    "a thought": (
        [{"text": "Hm", "thought": True, "thoughtSignature": "c2ln"}],
        [Thinking("Hm", "c2ln", wire=WIRE)],
    ),
    "a sealed thought without words": (
        [{"thought": True, "thoughtSignature": "c2ln"}],
        [Thinking("", "c2ln", wire=WIRE)],
    ),
    "a thought that is no text": (
        [{"thought": True, "inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
        [Opaque(WIRE, {"thought": True, "inlineData": {"mimeType": "image/png", "data": "AAAA"}})],
    ),
    "calls": (
        [{"functionCall": {"id": "c", "name": "t", "args": {"a_b": 1}}, "thoughtSignature": "c2ln"}, CALL],
        [ToolCall("c", "t", {"a_b": 1}, extra=SIGNED), ToolCall("call_1", "t", extra={WIRE: {"id": None}})],
    ),
    "code": (
        [{"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"}],
        [Opaque(WIRE, {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"})],
    ),
}


@pytest.mark.parametrize(("parts", "content"), SPOKEN.values(), ids=SPOKEN.keys())
def test_model_is_read(parts, content):
    (found,) = read({"contents": [{"role": "model", "parts": parts}]})
    assert found == AssistantMessage(content)
    assert [getattr(part, "extra", None) for part in found.content] == [getattr(p, "extra", None) for p in content]


def test_results_find_their_calls_by_name_and_order():
    def call(name, **more):
        return {"functionCall": {"name": name, **more}}

    def result(name, **more):
        return {"functionResponse": {"name": name, "response": {}, **more}}

    found = read(turns([TEXT], [call("a"), call("b"), call("a"), call("a", id="x")],
                       [result("a"), result("a"), result("b"), result("a", id="x"), result("c")]))  # fmt: skip
    assert [part.id for part in found[1].content] == ["call_1", "call_2", "call_3", "x"]
    assert [part.call_id for part in found[2].content] == ["call_1", "call_3", "call_2", "x", "call_4"]


UNREADABLE = {
    "a part as text": ({"contents": [{"parts": ["a"]}]}, r"body\.contents\[0\]\.parts\[0\]: expected dict, got str"),
    "a content as text": ({"contents": ["a"]}, r"body\.contents\[0\]: expected dict, got str"),
    "data without a type": (
        said({"inlineData": {"data": ""}}),
        r"body\.contents\[0\]\.parts\[0\]\.inlineData.mimeType: is",
    ),
    "data that is none": (
        said({"inlineData": {"mimeType": "image/png", "data": "!"}}),
        r"body\.contents\[0\]\.parts\[0\]\.inlineData.data: broken base64",
    ),
}


@pytest.mark.parametrize(("body", "message"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_message(body, message):
    with pytest.raises(ConfigurationError, match=message):
        read(body)


@pytest.mark.parametrize("body", [None, [], {}, {"contents": "Hi"}])
def test_bodies_without_messages(body):
    assert read(body) == []


# ---- recordings ------------------------------------------------------------------------------------------------------

RECORDED = [
    recording
    for name in ("gemini-generate", "gemini-count-tokens", "gemini-embeddings")
    for recording in load(name)
    if recording.status in (200, 400) and recording.path.startswith("/v1")  # others are relays
]


@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.id)
def test_taken_or_refused_as_recorded(server, recording):
    path = recording.path.partition("?")[0]
    answer = requests.post(server.url + path, json=recording.sent, headers={"x-goog-api-key": "k"}, timeout=5)
    assert answer.status_code == recording.status, answer.text


BODIES = {
    f"{MODEL}:generateContent": {
        **turns([TEXT, {"inlineData": {"mimeType": "image/png", "data": IN_BASE64}}], [CALL], [RESULT]),
        "systemInstruction": HI,
        "generationConfig": {"temperature": 1, "stopSequences": ["a"], "thinkingConfig": {"thinkingBudget": 0}},
    },
    f"{MODEL}:countTokens": {"generateContentRequest": {"model": MODEL, "contents": [HI]}},
    f"{MODEL}:batchEmbedContents": {"requests": [embed(outputDimensionality=3)]},
    f"publishers/google/{MODEL}:predict": {"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 3}},
}


@given(st.sampled_from(sorted(BODIES)).flatmap(lambda path: st.tuples(st.just(path), mutated(BODIES[path]))))
def test_whatever_is_asked_is_answered(asked):
    path, body = asked
    request = RecordedRequest("POST", f"/v1beta/{path}", {"x-goog-api-key": "k"}, body)
    assert RENDERING.answer(request, FakeServer()).status in (200, 400)
    with suppress(ConfigurationError):
        read(body)
