"""An existing payload as a `Request`: what becomes typed, what stays as it is, what is refused; and nothing is lost."""

import json
from base64 import b64encode

import pytest
from conformance import recordings, requests

from llmkit import (
    AssistantMessage,
    ConfigurationError,
    Document,
    Image,
    Opaque,
    Request,
    ServerTool,
    SystemMessage,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.resolve import resolve
from llmkit.wire import wire as wire_named

ANTHROPIC = "anthropic-messages"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PDF = b"%PDF-1.4\n"


def refuse(path, why):
    raise AssertionError(f"{path}: {why}")


def sent(wire, request, **options):
    """The body that a request is sent as."""
    found = wire_named(wire)
    call = found.encode(resolve(request, options, {}, "m"), found.quirks(), refuse, False)
    return json.loads(call.body)


def base64(data):
    return b64encode(data).decode()


# ---- anthropic-messages ----------------------------------------------------------------------------------------------


def said(*blocks, role="user"):
    """A body of that wire in which these blocks are said."""
    return {"model": "claude", "max_tokens": 9, "messages": [{"role": role, "content": list(blocks)}]}


def opaque(block):
    return Opaque(ANTHROPIC, block)


SOURCE = {"type": "base64", "media_type": "image/png", "data": base64(PNG)}
CITATION = {
    "type": "char_location",
    "cited_text": "w",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 1,
    "end_char_index": 2,
}
BLOCKS = {
    "text": ("user", {"type": "text", "text": "Hi"}, Text("Hi")),
    "cached for five minutes": (
        "user",
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
        Text("Hi", cache="5m"),
    ),
    "cached in words of its own": (
        "user",
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "scope": "global"}},
        Text("Hi"),
    ),
    "text with more": ("user", {"type": "text", "text": "Hi", "lang": "en"}, Text("Hi")),
    "citations of another kind": (
        "assistant",
        {"type": "text", "text": "x", "citations": [{"type": "dream"}]},
        opaque({"type": "text", "text": "x", "citations": [{"type": "dream"}]}),
    ),
    "picture": ("user", {"type": "image", "source": SOURCE}, Image(PNG)),
    "picture at an address": (
        "user",
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        Image(url="https://example.com/a.png"),
    ),
    "uploaded picture": (
        "user",
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        Image(file_id="file_1"),
    ),
    "picture that is none": (
        "user",
        {"type": "image", "source": {**SOURCE, "data": base64(b"no picture")}},
        opaque({"type": "image", "source": {**SOURCE, "data": base64(b"no picture")}}),
    ),
    "picture with more": (
        "user",
        {"type": "image", "source": {**SOURCE, "tone": "grey"}},
        opaque({"type": "image", "source": {**SOURCE, "tone": "grey"}}),
    ),
    "picture from elsewhere": (
        "user",
        {"type": "image", "source": {"type": "moon"}},
        opaque({"type": "image", "source": {"type": "moon"}}),
    ),
    "picture in an answer": (
        "assistant",
        {"type": "image", "source": SOURCE},
        opaque({"type": "image", "source": SOURCE}),
    ),
    "document": (
        "user",
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": base64(PDF)},
            "title": "T",
            "context": "C",
            "citations": {"enabled": True},
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
        Document(PDF, name="T", context="C", citations=True, cache="1h"),
    ),
    "document that is text": (
        "user",
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "ä"}},
        Document("ä".encode(), media_type="text/plain"),
    ),
    "document that is text of another type": (
        "user",
        {"type": "document", "source": {"type": "text", "media_type": "text/html", "data": "x"}},
        opaque({"type": "document", "source": {"type": "text", "media_type": "text/html", "data": "x"}}),
    ),
    "document in blocks": (
        "user",
        {"type": "document", "source": {"type": "content", "content": "x"}},
        opaque({"type": "document", "source": {"type": "content", "content": "x"}}),
    ),
    "document of another type": (
        "user",
        {"type": "document", "source": {"type": "base64", "media_type": "text/csv", "data": base64(b"a,b")}},
        opaque({"type": "document", "source": {"type": "base64", "media_type": "text/csv", "data": base64(b"a,b")}}),
    ),
    "document with a mark of its own": (
        "user",
        {
            "type": "document",
            "source": {"type": "url", "url": "https://example.com/a.pdf"},
            "cache_control": {"type": "x"},
        },
        opaque(
            {
                "type": "document",
                "source": {"type": "url", "url": "https://example.com/a.pdf"},
                "cache_control": {"type": "x"},
            }
        ),
    ),
    "thoughts": (
        "assistant",
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        Thinking("hm", "s", wire=ANTHROPIC),
    ),
    "encrypted thoughts": (
        "assistant",
        {"type": "redacted_thinking", "data": "x"},
        Thinking("", redacted="x", wire=ANTHROPIC),
    ),
    "call": (
        "assistant",
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        ToolCall("t", "f", {"a": 1}),
    ),
    "call by the user": (
        "user",
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        opaque({"type": "tool_use", "id": "t", "name": "f", "input": {}}),
    ),
    "a tool of the provider": (
        "assistant",
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        opaque({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
    ),
}


@pytest.mark.parametrize(("role", "block", "part"), BLOCKS.values(), ids=BLOCKS.keys())
def test_a_block_is_a_part_and_again_that_block(role, block, part):
    body = said(block, role=role)
    found = Request.from_wire(ANTHROPIC, body)
    assert found.prompt[0].content == (part,)
    after = {"role": "user", "content": [{"type": "text", "text": "?"}]}
    again = Request.from_wire(ANTHROPIC, {**body, "messages": [*body["messages"], after]})
    assert sent(ANTHROPIC, again)["messages"] == [*body["messages"], after]


def test_a_conversation_with_a_tool():
    body = {
        "model": "claude",
        "max_tokens": 100,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Look it up."},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"q": "x"}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": "found", "is_error": True},
                    {"type": "text", "text": "And?"},
                ],
            },
            {"role": "system", "content": "Hurry."},
            {"role": "user", "content": "Now."},
        ],
    }
    found = Request.from_wire(ANTHROPIC, json.dumps(body))
    assert found == Request(
        [
            UserMessage("Look it up."),
            AssistantMessage(ToolCall("t", "look", {"q": "x"})),
            UserMessage([ToolResult("t", "look", "found", is_error=True), "And?"]),
            SystemMessage("Hurry."),
            UserMessage("Now."),
        ],
        model="claude",
        max_tokens=100,
        system="Be brief.",
    )
    assert Request.from_wire(ANTHROPIC, sent(ANTHROPIC, found)) == found


TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}
LOOK = Tool("look", "Looks.")
THINKING = {"type": "enabled", "budget_tokens": 2000}
# A body's fields beside model and messages → the options that they are.
FIELDS = {
    "numbers": (
        {"max_tokens": 5, "temperature": 1, "top_p": 0.5, "top_k": 3},
        {"max_tokens": 5, "temperature": 1, "top_p": 0.5, "top_k": 3},
    ),
    "a number that is too large": (
        {"max_tokens": 5, "temperature": 1.5},
        {"max_tokens": 5, "extra_body": {"temperature": 1.5}},
    ),
    "to warm the cache": ({"max_tokens": 0}, {"extra_body": {"max_tokens": 0}}),
    "nothing": (
        {"max_tokens": 5, "temperature": None, "tools": [], "stop_sequences": [], "system": "", "metadata": {}},
        {
            "max_tokens": 5,
            "extra_body": {"temperature": None, "tools": [], "stop_sequences": [], "system": "", "metadata": {}},
        },
    ),
    "where to stop": ({"max_tokens": 5, "stop_sequences": ["a", "b"]}, {"max_tokens": 5, "stop": ("a", "b")}),
    "who asks": ({"max_tokens": 5, "metadata": {"user_id": "u"}}, {"max_tokens": 5, "metadata": {"user_id": "u"}}),
    "more of who asks": (
        {"max_tokens": 5, "metadata": {"user_id": "u", "age": 3}},
        {"max_tokens": 5, "extra_body": {"metadata": {"user_id": "u", "age": 3}}},
    ),
    "how it is served": ({"max_tokens": 5, "service_tier": "auto"}, {"max_tokens": 5, "service_tier": "auto"}),
    "what to cache": (
        {"max_tokens": 5, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"max_tokens": 5, "cache": "1h"},
    ),
    "a budget": ({"max_tokens": 2100, "thinking": THINKING}, {"max_tokens": 100, "reasoning": 2000}),
    "a budget beyond the limit": (
        {"max_tokens": 2000, "thinking": THINKING},
        {"max_tokens": 2000, "extra_body": {"thinking": THINKING}},
    ),
    "a budget that is told more": (
        {"max_tokens": 2100, "thinking": {**THINKING, "display": "omitted"}},
        {"max_tokens": 2100, "extra_body": {"thinking": {**THINKING, "display": "omitted"}}},
    ),
    "no thoughts": ({"max_tokens": 5, "thinking": {"type": "disabled"}}, {"max_tokens": 5, "reasoning": "none"}),
    "an effort": (
        {"max_tokens": 5, "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        {"max_tokens": 5, "reasoning": "high"},
    ),
    "an effort and a schema": (
        {
            "max_tokens": 5,
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
        },
        {
            "max_tokens": 5,
            "reasoning": "low",
            "extra_body": {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
        },
    ),
    "thoughts without an effort": (
        {"max_tokens": 5, "thinking": {"type": "adaptive"}},
        {"max_tokens": 5, "extra_body": {"thinking": {"type": "adaptive"}}},
    ),
    "what llmkit does not know": (
        {"max_tokens": 5, "container": "c", "mcp_servers": [{"type": "url"}]},
        {"max_tokens": 5, "extra_body": {"container": "c", "mcp_servers": [{"type": "url"}]}},
    ),
    "tools": (
        {
            "max_tokens": 5,
            "tools": [
                TOOL,
                {"type": "bash_20250124", "name": "bash", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
            ],
        },
        {"max_tokens": 5, "tools": (LOOK, ServerTool({"type": "bash_20250124", "name": "bash"}, cache="5m"))},
    ),
    "a tool that is told more": (
        {"max_tokens": 5, "tools": [{**TOOL, "defer_loading": True}]},
        {"max_tokens": 5, "tools": (ServerTool({**TOOL, "defer_loading": True}),)},
    ),
    "a tool that llmkit would not name so": (
        {"max_tokens": 5, "tools": [{**TOOL, "name": "auto"}], "tool_choice": {"type": "tool", "name": "auto"}},
        {
            "max_tokens": 5,
            "tools": (ServerTool({**TOOL, "name": "auto"}),),
            "extra_body": {"tool_choice": {"type": "tool", "name": "auto"}},
        },
    ),
    "a strict tool": (
        {"max_tokens": 5, "tools": [{**TOOL, "strict": True, "input_schema": {"type": "object", "properties": {}}}]},
        {
            "max_tokens": 5,
            "tools": (
                ServerTool({**TOOL, "strict": True, "input_schema": {"type": "object", "properties": {}}}),
            ),  # it lacks additionalProperties, which llmkit would add
        },
    ),
    "a schema without a type": (
        {"max_tokens": 5, "tools": [{**TOOL, "input_schema": {"properties": {}}}]},
        {"max_tokens": 5, "tools": (ServerTool({**TOOL, "input_schema": {"properties": {}}}),)},
    ),
    "a schema that is none": (
        {"max_tokens": 5, "tools": [{**TOOL, "input_schema": {"type": "object", "properties": {"a": "string"}}}]},
        {
            "max_tokens": 5,
            "tools": (ServerTool({**TOOL, "input_schema": {"type": "object", "properties": {"a": "string"}}}),),
        },
    ),
    "one tool": (
        {
            "max_tokens": 5,
            "tools": [TOOL],
            "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
        },
        {"max_tokens": 5, "tools": (LOOK,), "tool_choice": "look", "parallel_tool_calls": False},
    ),
    "any tool": (
        {"max_tokens": 5, "tools": [TOOL], "tool_choice": {"type": "any"}},
        {"max_tokens": 5, "tools": (LOOK,), "tool_choice": "required"},
    ),
    "a choice of nothing": (
        {"max_tokens": 5, "tool_choice": {"type": "auto"}},
        {"max_tokens": 5, "extra_body": {"tool_choice": {"type": "auto"}}},
    ),
    "several calls at once": (
        {"max_tokens": 5, "tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": False}},
        {
            "max_tokens": 5,
            "tools": (LOOK,),
            "extra_body": {"tool_choice": {"type": "auto", "disable_parallel_tool_use": False}},
        },
    ),
}


@pytest.mark.parametrize(("fields", "options"), FIELDS.values(), ids=FIELDS.keys())
def test_a_field_is_an_option_and_again_that_field(fields, options):
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    body = {"model": "claude", "messages": messages, **fields}
    found = Request.from_wire(ANTHROPIC, {**body, "stream": True})
    assert found == Request([UserMessage("Hi")], model="claude", **options)
    assert sent(ANTHROPIC, found) == body


def test_words_alone_are_sent_as_a_list_of_them():
    found = Request.from_wire(ANTHROPIC, {**said(), "system": "S", "messages": [{"role": "user", "content": "Hi"}]})
    body = sent(ANTHROPIC, found)
    assert body["system"] == [{"type": "text", "text": "S"}]
    assert body["messages"] == said({"type": "text", "text": "Hi"})["messages"]


# ---- what is none ----------------------------------------------------------------------------------------------------

HI = [{"role": "user", "content": "Hi"}]
REFUSED = {
    "no JSON": (ANTHROPIC, "{", "body is not JSON"),
    "no text": (ANTHROPIC, b"\xff", "body: byte 0 is not UTF-8"),
    "no object": (ANTHROPIC, "[]", "body: expected dict, got list"),
    "no JSON in a mapping": (ANTHROPIC, {"messages": HI, "x": {1}}, "body.x: expected JSON, got set"),
    "no messages": (ANTHROPIC, {"model": "m"}, "body.messages: is missing"),
    "messages that are none": (ANTHROPIC, {"messages": "Hi"}, "body.messages: expected list, got str"),
    "an unknown role": (
        ANTHROPIC,
        {"messages": [*HI, {"role": "developer", "content": "x"}]},
        "body.messages[1].role: unknown role 'developer'; known are user, assistant, system",
    ),
    "a message with more": (
        ANTHROPIC,
        {"messages": [{"role": "user", "content": "x", "name": "n"}]},
        "body.messages[0].name: unknown key; it would be lost",
    ),
    "a message without content": (ANTHROPIC, {"messages": [{"role": "user"}]}, "body.messages[0].content: is missing"),
    "a block without a type": (ANTHROPIC, said({"text": "x"}), "body.messages[0].content[0].type: is missing"),
    "a type that is none": (
        ANTHROPIC,
        said({"type": 1}),
        "body.messages[0].content[0].type: expected str, got int",
    ),
    "arguments that are none": (
        ANTHROPIC,
        said({"type": "tool_use", "id": "t", "name": "f", "input": "{}"}, role="assistant"),
        "body.messages[0].content[0].input: expected dict, got str",
    ),
    "a picture that is no base64": (
        ANTHROPIC,
        said({"type": "image", "source": {**SOURCE, "data": "?"}}),
        "body.messages[0].content[0].source.data: broken base64",
    ),
    "in a result": (
        ANTHROPIC,
        said({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text"}]}),
        "body.messages[0].content[0].content[0].text: is missing",
    ),
    "instructions that are none": (
        ANTHROPIC,
        {"messages": HI, "system": [{"type": "text"}]},
        "body.system[0].text: is missing",
    ),
    "no number": (
        ANTHROPIC,
        {"messages": HI, "max_tokens": "9"},
        "body.max_tokens: expected a number, got str",
    ),
    "a truth for a number": (
        ANTHROPIC,
        {"messages": HI, "max_tokens": True},
        "body.max_tokens: expected a number, got bool",
    ),
    "no switch": (ANTHROPIC, {"messages": HI, "stream": "yes"}, "body.stream: expected bool, got str"),
    "no text to stop at": (
        ANTHROPIC,
        {"messages": HI, "stop_sequences": ["a", 1]},
        "body.stop_sequences[1]: expected str, got int",
    ),
    "no tool": (ANTHROPIC, {"messages": HI, "tools": [{}]}, "body.tools[0].name: is missing"),
    "two tools of a name": (
        ANTHROPIC,
        {"messages": HI, "tools": [TOOL, TOOL]},
        "body.tools[1]: a second tool named 'look'",
    ),
    "no choice": (
        ANTHROPIC,
        {"messages": HI, "tools": [TOOL], "tool_choice": "any"},
        "body.tool_choice: expected dict, got str",
    ),
    "no budget": (ANTHROPIC, {"messages": HI, "thinking": True}, "body.thinking: expected dict, got bool"),
    "a wire that is no name": (
        ["chat"],
        {},
        "wire: expected the name of a wire format, got ['chat']",
    ),
    "no wire": (
        "chat",
        {},
        "wire: expected anthropic-messages or openai-chat or openai-responses or gemini-generate, got 'chat'",
    ),
}


@pytest.mark.parametrize(("wire", "body", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_request_is_refused_with_its_path(wire, body, text):
    with pytest.raises(ConfigurationError) as caught:
        Request.from_wire(wire, body)
    assert type(caught.value) is ConfigurationError or text.endswith("base64")
    assert str(caught.value).startswith(text)


def test_the_payload_is_neither_changed_nor_kept():
    body = {**said({"type": "x", "deep": [1]}), "container": {"skills": []}}
    before = json.dumps(body)
    found = Request.from_wire(ANTHROPIC, body)
    assert json.dumps(body) == before
    body["messages"][0]["content"][0]["deep"].append(2)
    body["container"]["skills"].append(3)
    assert found.prompt[0].content[0].data == {"type": "x", "deep": [1]}
    assert found.options["extra_body"] == {"container": {"skills": []}}


# ---- recordings ------------------------------------------------------------------------------------------------------

# Requests that llmkit does not send, by the beginning of their ids, and what it says.
REFUSED_RECORDINGS = {"8566625b0f": "no tool call before it", "94acc38db0": "no tool call before it"}


def test_recorded_requests_are_written_as_they_were():
    """All that clients sent, in one of the ways of `requests.normal` in which the same is written.

    Those are: text alone as a list of it; nothing in place of null, of what is false by default and of blank text;
    cache marks with the time that is the default; turns of one side in a row as one, results first; functions without
    the type that is the default; citations without the id of a file, which is not taken back.
    """
    found = [case for name in (ANTHROPIC, "anthropic-count-tokens") for case in recordings.load(name)]
    assert not recordings.FOLDER.is_dir() or len(found) > 350
    for recording in found:
        again, error = attempt(recording.sent)
        if refused := REFUSED_RECORDINGS.get(recording.id[:10]):
            assert refused in error
        else:
            assert again is not None, (recording.id, error)
            wanted = {"max_tokens": again["max_tokens"], **recording.sent}  # of a count there is none
            assert requests.normal(again) == requests.normal(wanted), recording.id


def attempt(body):
    """What is sent for a body again, or else what is refused."""
    try:
        return sent(ANTHROPIC, Request.from_wire(ANTHROPIC, body)), ""
    except ConfigurationError as error:
        return None, str(error)
