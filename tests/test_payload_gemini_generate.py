"""A payload of the wire `gemini-generate` as a `Request`, and that request as the payload again."""

import json
from base64 import b64encode

import pytest
from conformance import recordings
from conformance.gemini_generate import requests

from llmkit import (
    AssistantMessage,
    Audio,
    ConfigurationError,
    Document,
    Image,
    Opaque,
    Request,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.resolve import resolve
from llmkit.wire import wire as wire_named

WIRE = "gemini-generate"
PNG = b64encode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR").decode()
HI = {"role": "user", "parts": [{"text": "Hi"}]}


def sent(request, model="gemini-2.5-flash"):
    """The body that a request is sent as."""
    found = wire_named(WIRE)

    def refuse(path, why):
        raise AssertionError(f"{path}: {why}")

    return json.loads(found.encode(resolve(request, {}, {}, model), found.quirks(), refuse, False).body)


def opaque(part):
    return Opaque(WIRE, part)


BLOB = {"mimeType": "image/png", "data": PNG}
CSV = {"mimeType": "text/plain", "data": "YSxi", "displayName": "t.csv"}
LOW = {"level": "MEDIA_RESOLUTION_LOW"}
UPLOADED = "https://files.example/v1beta/files/abc"
# name → (who says it, the part, the typed one)
PARTS = {
    "text": ("user", {"text": "Hi"}, Text("Hi")),
    "text with a seal": ("model", {"text": "Hi", "thoughtSignature": "YQ=="}, Text("Hi")),
    "text that is no thought": ("model", {"text": "Hi", "thought": False}, Text("Hi")),
    "text with a mark that llmkit itself makes": ("user", {"text": "Hi", "bare": 1}, opaque({"text": "Hi", "bare": 1})),
    "a sealed thought": (
        "model",
        {"text": "Hm", "thought": True, "thoughtSignature": "YQ=="},
        Thinking("Hm", "YQ==", wire=WIRE),
    ),
    "a thought of the user": ("user", {"text": "Hm", "thought": True}, opaque({"text": "Hm", "thought": True})),
    "a picture": ("user", {"inlineData": BLOB}, Image.of(f"data:image/png;base64,{PNG}")),
    "a picture in a thought": (
        "model",
        {"inlineData": BLOB, "thought": True},
        opaque({"inlineData": BLOB, "thought": True}),
    ),
    "a named text": ("user", {"inlineData": CSV}, Document(b"a,b", media_type="text/plain", name="t.csv")),
    "a text that is no UTF-8": (
        "user",
        {"inlineData": {"mimeType": "text/plain", "data": "/w=="}},
        opaque({"inlineData": {"mimeType": "text/plain", "data": "/w=="}}),
    ),
    "data of no type": (
        "user",
        {"inlineData": {"mimeType": "all", "data": "YQ=="}},
        opaque({"inlineData": {"mimeType": "all", "data": "YQ=="}}),
    ),
    "an address": (
        "user",
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://a/b"}},
        Document(url="gs://a/b", media_type="application/pdf"),
    ),
    "an address of no kind": ("user", {"fileData": {"fileUri": "gs://a/b"}}, Image(url="gs://a/b")),
    "an uploaded file": (
        "user",
        {"fileData": {"mimeType": "audio/mpeg", "fileUri": UPLOADED}, "videoMetadata": {"fps": 2}},
        Audio(file_id=UPLOADED, media_type="audio/mpeg"),
    ),
    "two things at once": ("user", {"text": "a", "inlineData": BLOB}, opaque({"text": "a", "inlineData": BLOB})),
    "a call": (
        "model",
        {"functionCall": {"id": "c", "name": "f", "args": {"a_b": 1}}, "thoughtSignature": "YQ=="},
        ToolCall("c", "f", {"a_b": 1}),
    ),
    "a call without an id": ("model", {"functionCall": {"name": "f", "args": {}}}, ToolCall("call_1", "f")),
    "a call with more": (
        "model",
        {"functionCall": {"id": "c", "name": "f", "args": {}, "willContinue": False}},
        ToolCall("c", "f"),
    ),
    "a call in pieces": (
        "model",
        {"functionCall": {"name": "f", "partialArgs": []}},
        opaque({"functionCall": {"name": "f", "partialArgs": []}}),
    ),
    "a result with more": (
        "user",
        {"functionResponse": {"name": "f", "response": {}}, "thoughtSignature": "YQ=="},
        opaque({"functionResponse": {"name": "f", "response": {}}, "thoughtSignature": "YQ=="}),
    ),
    "a result with a mark that llmkit itself makes": (
        "user",
        {"functionResponse": {"name": "f", "response": {}, "bare": 1}},
        opaque({"functionResponse": {"name": "f", "response": {}, "bare": 1}}),
    ),
    "code": ("model", {"executableCode": {"code": "1"}}, opaque({"executableCode": {"code": "1"}})),
    "of tomorrow": ("user", {"ofTomorrow": {"a_b": 1}}, opaque({"ofTomorrow": {"a_b": 1}})),
}


@pytest.mark.parametrize(("role", "part", "typed"), PARTS.values(), ids=PARTS.keys())
def test_a_part_is_typed_and_again_that_part(role, part, typed):
    contents = [HI, {"role": "model", "parts": [part]}, HI] if role == "model" else [{"role": role, "parts": [part]}]
    found = Request.from_wire(WIRE, {"contents": contents})
    assert found.prompt[len(contents) // 2].content == (typed,)
    assert sent(found) == {"contents": contents}


def test_how_closely_to_look_is_told_to_models_that_listen():
    body = {"contents": [{"role": "user", "parts": [{"inlineData": BLOB, "mediaResolution": LOW}]}]}
    found = Request.from_wire(WIRE, body)
    assert found.prompt[0].content[0].detail == "low"
    assert sent(found, "gemini-3-pro") == body
    assert "mediaResolution" not in sent(found, "gemini-2.5-pro")["contents"][0]["parts"][0]


# name → (what the function answered, whether it failed, what is read)
RESPONSES = {
    "nothing": ({}, False, ()),
    "words": ({"output": "ok"}, False, ["ok"]),
    "several words": ({"output": ["a", "b"]}, False, ["a", "b"]),
    "words that are JSON": ({"output": '{"a": 1}'}, False, ['{"output": "{\\"a\\": 1}"}']),
    "one word in a list": ({"output": ["a"]}, False, ['{"output": ["a"]}']),
    "a number": ({"output": 3}, False, ['{"output": 3}']),
    "an object": ({"celsius": 3, "word_one": "å"}, False, ['{"celsius": 3, "word_one": "å"}']),
    "an error": ({"error": "no"}, True, ["no"]),
    "several errors": ({"error": ["no", "no"]}, True, ["no", "no"]),
    "an error that is an object": ({"error": {"code": 5}}, False, ['{"error": {"code": 5}}']),
}


@pytest.mark.parametrize(("response", "failed", "told"), RESPONSES.values(), ids=RESPONSES.keys())
def test_a_result_is_typed_and_again_that_result(response, failed, told):
    call = {"functionCall": {"name": "f", "args": {}}}
    result = {"functionResponse": {"name": "f", "response": response, "scheduling": "SILENT"}}
    body = {"contents": [HI, {"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]}
    found = Request.from_wire(WIRE, body)
    assert found.prompt[2].content == (ToolResult("call_1", "f", told, failed),)
    assert sent(found) == body


def test_made_up_ids_are_nobodys():
    parts = [{"functionCall": {"name": "f", "id": "call_1"}}, {"functionCall": {"name": "f"}}]
    answers = [
        {"functionResponse": {"name": "f", "id": "call_1", "response": {}}},
        {"functionResponse": {"name": "f", "response": {}, "parts": [{"inlineData": BLOB}, {"text": "x"}]}},
    ]
    found = Request.from_wire(
        WIRE, {"contents": [HI, {"role": "model", "parts": parts}, {"role": "function", "parts": answers}]}
    )
    assert [call.id for call in found.prompt[1].content] == ["call_1", "call_2"]
    assert [result.call_id for result in found.prompt[2].content] == ["call_1", "call_2"]
    assert sent(found)["contents"][2] == {"role": "user", "parts": answers}


def test_a_result_belongs_to_the_first_open_call_of_its_name():
    calls = [{"functionCall": {"name": name}} for name in ("f", "g")]
    answers = [{"functionResponse": {"name": name, "response": {}}} for name in ("g", "f", "f")]
    body = {"contents": [HI, {"role": "model", "parts": calls}, {"role": "user", "parts": answers}]}
    found = Request.from_wire(WIRE, body)
    assert [result.call_id for result in found.prompt[2].content] == ["call_2", "call_1", "call_3"]
    with pytest.raises(ConfigurationError, match="no tool call before it"):
        sent(found)


# Parts of a body beside the contents → the options that they are.
LOOK = {"name": "look", "description": "Looks.", "parametersJsonSchema": {"type": "object", "properties": {}}}
TOOLS = [{"functionDeclarations": [LOOK]}]
TYPED = (Tool("look", "Looks."),)
BUDGET = {"thinkingBudget": 800, "includeThoughts": True}
FIELDS = {
    "numbers": (
        {"generationConfig": {"temperature": 1.5, "topP": 0.5, "topK": 3, "maxOutputTokens": 9, "seed": 4}},
        {"temperature": 1.5, "top_p": 0.5, "top_k": 3, "max_tokens": 9, "seed": 4},
    ),
    "numbers that are out of bounds": (
        {"generationConfig": {"temperature": 3, "topK": 2.5, "seed": 2**40}},
        {"extra_body": {"generationConfig": {"temperature": 3, "topK": 2.5, "seed": 2**40}}},
    ),
    "nothing": (
        {"generationConfig": {}, "tools": [], "labels": {}, "systemInstruction": {"parts": []}},
        {"extra_body": {"generationConfig": {}, "tools": [], "labels": {}, "systemInstruction": {"parts": []}}},
    ),
    "the chosen tokens": ({"generationConfig": {"responseLogprobs": True}}, {"logprobs": 0}),
    "alternatives": ({"generationConfig": {"responseLogprobs": True, "logprobs": 3}}, {"logprobs": 3}),
    "a number of no alternatives": (
        {"generationConfig": {"responseLogprobs": True, "logprobs": 0}},
        {"extra_body": {"generationConfig": {"responseLogprobs": True, "logprobs": 0}}},
    ),
    "a form": (
        {"generationConfig": {"maxOutputTokens": 9, "responseMimeType": "application/json"}},
        {"max_tokens": 9, "extra_body": {"generationConfig": {"responseMimeType": "application/json"}}},
    ),
    "a budget": (
        {"generationConfig": {"maxOutputTokens": 900, "thinkingConfig": BUDGET}},
        {"max_tokens": 100, "reasoning": 800},
    ),
    "a budget of all there is": (
        {"generationConfig": {"maxOutputTokens": 800, "thinkingConfig": BUDGET}},
        {"max_tokens": 800, "extra_body": {"generationConfig": {"thinkingConfig": BUDGET}}},
    ),
    "a budget alone": ({"generationConfig": {"thinkingConfig": BUDGET}}, {"reasoning": 800}),
    "no thoughts": ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, {"reasoning": "none"}),
    "thoughts in silence": (
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 800}}},
        {"extra_body": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 800}}}},
    ),
    "whose bill it is": (
        {"labels": {"team": "a"}, "serviceTier": "flex"},
        {"metadata": {"team": "a"}, "service_tier": "flex"},
    ),
    "what llmkit does not know": (
        {"safetySettings": [{"category": "a"}], "cachedContent": "c"},
        {"extra_body": {"safetySettings": [{"category": "a"}], "cachedContent": "c"}},
    ),
    "instructions": ({"systemInstruction": {"parts": [{"text": "S"}]}}, {"system": "S"}),
    "instructions with a picture": (
        {"systemInstruction": {"parts": [{"text": "S"}, {"inlineData": BLOB}]}},
        {"system": (Text("S"), opaque({"inlineData": BLOB}))},
    ),
    "a function": ({"tools": TOOLS}, {"tools": TYPED}),
    "a function that is told more": (
        {"tools": [{"functionDeclarations": [{**LOOK, "behavior": "BLOCKING"}]}]},
        {"tools": (ServerTool({"functionDeclarations": [{**LOOK, "behavior": "BLOCKING"}]}),)},
    ),
    "a function that llmkit would not name so": (
        {"tools": [{"functionDeclarations": [{**LOOK, "name": "auto"}]}]},
        {"tools": (ServerTool({"functionDeclarations": [{**LOOK, "name": "auto"}]}),)},
    ),
    "a tool of the provider": (
        {"tools": [{"googleSearch": {"a_b": 1}}, *TOOLS]},
        {"tools": (ServerTool({"googleSearch": {"a_b": 1}}), *TYPED)},
    ),
    "that it must call one": (
        {"tools": TOOLS, "toolConfig": {"functionCallingConfig": {"mode": "ANY"}, "retrievalConfig": {"a": 1}}},
        {"tools": TYPED, "tool_choice": "required", "extra_body": {"toolConfig": {"retrievalConfig": {"a": 1}}}},
    ),
    "which it must call": (
        {"tools": TOOLS, "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}}},
        {"tools": TYPED, "tool_choice": "look"},
    ),
    "that its calls fit": (
        {"tools": TOOLS, "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}},
        {"tools": TYPED, "extra_body": {"toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "options"), FIELDS.values(), ids=FIELDS.keys())
def test_a_field_is_an_option_and_again_that_field(fields, options):
    body = {"contents": [HI], **fields}
    found = Request.from_wire(WIRE, {**body, "stream": True})
    assert found == Request([UserMessage("Hi")], **options)
    if "metadata" in options:
        return  # hosts without labels refuse them
    assert sent(found) == body


def test_the_level_of_thought_is_told_to_models_that_listen():
    body = {"contents": [HI], "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}}
    found = Request.from_wire(WIRE, {**body, "model": "models/gemini-3-pro"})
    assert found == Request([UserMessage("Hi")], model="models/gemini-3-pro", reasoning="low")
    assert sent(found) == body


def test_every_spelling_of_the_provider_is_read():
    body = {
        "contents": [
            {"parts": {"text": "Hi"}},
            {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a_b": 1}}}]},
            {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"a_b": 1}}}]},
        ],
        "system_instruction": {"role": "user", "parts": {"text": "S"}},
        "generation_config": {"max_output_tokens": 5, "response_mime_type": "text/plain"},
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
        "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
    }
    found = Request.from_wire(WIRE, body)
    assert found == Request(
        [
            UserMessage("Hi"),
            AssistantMessage(ToolCall("call_1", "f", {"a_b": 1})),
            UserMessage(ToolResult("call_1", "f", '{"a_b": 1}')),
        ],
        system="S",
        max_tokens=5,
        tools=(Tool("f", "", {"type": "object"}),),
        tool_choice="f",
        extra_body={"generationConfig": {"responseMimeType": "text/plain"}},
    )


def test_one_thing_stands_for_a_list_of_one():
    alone = {
        "contents": {"role": "user", "parts": {"text": "Hi"}},
        "tools": {"function_declarations": {"name": "f"}},
        "system_instruction": {"parts": {"text": "S"}},
    }
    listed = {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "systemInstruction": {"parts": [{"text": "S"}]},
    }
    assert Request.from_wire(WIRE, alone) == Request.from_wire(WIRE, listed)


def test_a_budget_that_is_no_number_stays():
    config = {"thinkingConfig": {"thinkingBudget": True, "includeThoughts": True}}
    found = Request.from_wire(WIRE, {"contents": [HI], "generationConfig": config})
    assert found == Request([UserMessage("Hi")], extra_body={"generationConfig": config})


# name → (a schema in the provider's own language, the same in JSON Schema; None where that is not known)
SCHEMAS = {
    "an object": (
        {"type": "OBJECT", "properties": {"a": {"type": "STRING", "enum": ["x"]}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}, "required": ["a"]},
    ),
    "lists and unions": (
        {
            "type": "object",
            "properties": {"a": {"type": "ARRAY", "items": {"anyOf": [{"type": "NUMBER"}, {"type": "NULL"}]}}},
        },
        {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}},
        },
    ),
    "what may be null": ({"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}, None),
    "a type of tomorrow": ({"type": "OBJECT", "properties": {"a": {"type": "DREAM"}}}, None),
    "no schema": ({"type": "OBJECT", "properties": {"a": "x"}}, None),
    "properties that are none": ({"type": "OBJECT", "properties": ["x"]}, None),
    "a union that is none": ({"type": "OBJECT", "properties": {"a": {"anyOf": 1}}}, None),
}


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS.values(), ids=SCHEMAS.keys())
def test_schemas_in_the_providers_own_language(schema, expected):
    function = {"name": "f", "description": "F.", "parameters": schema}
    found = Request.from_wire(WIRE, {"contents": [HI], "tools": [{"functionDeclarations": [function]}]})
    (tool,) = found.options["tools"]
    if expected is None:
        assert tool == ServerTool({"functionDeclarations": [function]})
    else:
        assert tool == Tool("f", "F.", expected)


REFUSED = {
    "no contents": ({}, "body.contents: is missing"),
    "contents that are none": ({"contents": "Hi"}, "body.contents: expected list, got str"),
    "an unknown role": (
        {"contents": [{"role": "assistant", "parts": []}]},
        "body.contents[0].role: unknown role 'assistant'; known are user, model, function",
    ),
    "a content with more": (
        {"contents": [{"parts": [], "name": "n"}]},
        "body.contents[0].name: unknown key; it would be lost",
    ),
    "no part": ({"contents": [{"parts": ["Hi"]}]}, "body.contents[0].parts[0]: expected dict, got str"),
    "no text": ({"contents": [{"parts": [{"text": 1}]}]}, "body.contents[0].parts[0].text: expected str, got int"),
    "no base64": (
        {"contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": "?"}}]}]},
        "body.contents[0].parts[0].inlineData.data: broken base64",
    ),
    "no arguments": (
        {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": "{}"}}]}]},
        "body.contents[0].parts[0].functionCall.args: expected dict, got str",
    ),
    "no name": (
        {"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]},
        "body.contents[0].parts[0].functionCall.name: is missing",
    ),
    "instructions that are none": (
        {"contents": [HI], "systemInstruction": "S"},
        "body.systemInstruction: expected dict, got str",
    ),
    "no number": (
        {"contents": [HI], "generationConfig": {"temperature": "1"}},
        "body.generationConfig.temperature: expected a number, got str",
    ),
    "no tool": ({"contents": [HI], "tools": ["f"]}, "body.tools[0]: expected dict, got str"),
    "two functions of a name": (
        {"contents": [HI], "tools": [{"functionDeclarations": [LOOK, LOOK]}]},
        "body.tools[0].functionDeclarations[1]: a second tool named 'look'",
    ),
}


@pytest.mark.parametrize(("body", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_request_is_refused_with_its_path(body, text):
    with pytest.raises(ConfigurationError) as caught:
        Request.from_wire(WIRE, body)
    assert str(caught.value).startswith(text)


# ---- recordings ------------------------------------------------------------------------------------------------------

# Requests that llmkit does not send, by the beginning of their ids: what it says, and when.
REFUSED_RECORDINGS = {
    "f5570e54cd": "body.contents[0].role: unknown role 'invalid_role'",
    "87f9b57df9": "prompt: it is empty",
}


def test_recorded_requests_are_written_as_they_were():
    """All that clients sent, in one of the ways of `requests.normal` in which the same is written.

    Those are: one spelling of keys; the model in the path; one content for those in a row of one side, and their parts
    in a list; results first; no blank text; functions in one tool, their schemas in JSON Schema; levels in capitals;
    base64 in one alphabet; MP3 and text under one name each.
    """
    found = [case for name in ("gemini-generate", "gemini-count-tokens") for case in recordings.load(name) if case.sent]
    assert not recordings.FOLDER.is_dir() or len(found) > 200
    for recording in found:
        body = recording.sent.get("generateContentRequest", recording.sent)
        again, error = attempt(body, model_of(recording))
        if refused := REFUSED_RECORDINGS.get(recording.id[:10]):
            assert error.startswith(refused)
        else:
            assert again is not None, (recording.id, error)
            assert requests.normal(again) == requests.normal(body), recording.id


def model_of(recording):
    return recording.path.split("/models/")[-1].split(":")[0]


def attempt(body, model):
    """What is sent for a body again, or else what is refused."""
    try:
        return sent(Request.from_wire(WIRE, body), model), ""
    except ConfigurationError as error:
        return None, str(error)
