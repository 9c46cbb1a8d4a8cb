"""`llmkit.history.portability`: each kind of loss, on the hosts where it happens, and where it does not."""

import subprocess
import sys
import warnings

import pytest
import strategies
import strategies_gemini_generate
import strategies_openai_chat
import strategies_openai_responses
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from moves import arriving, sent
from test_stored_history import everything

from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    ConfigurationError,
    Document,
    Image,
    Opaque,
    Provider,
    Refusal,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UnknownProviderError,
    UnsupportedOptionError,
    UnsupportedWarning,
    UserMessage,
    Video,
    providers,
)
from llmkit.history import Loss, portability
from llmkit.provider import provider
from llmkit.testing import FakeServer
from llmkit.wire.quirks import GeminiGenerateQuirks

HOSTS = ("anthropic", "openai", "openai-chat", "gemini")
PIXEL = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
CALL = ToolCall("call_1", "look", {"at": "it"})
ASKED = UserMessage("Look.")


def user(*parts):
    return [UserMessage(parts)]


def model(*parts):
    return [ASKED, AssistantMessage(parts), UserMessage("And?")]


def answered(result):
    return [ASKED, AssistantMessage(CALL), UserMessage(result)]


def found(messages, host):
    """Path, kind and fate of each loss."""
    return [(loss.path, loss.kind, loss.fate) for loss in portability(messages, host)]


SEALED = Thinking("Hm.", "c2VhbA==", wire="anthropic-messages")
SIGNED = Text("It is red.", extra={"gemini-generate": {"thoughtSignature": "c2ln"}})
NOTED = Text("It is red.", extra={"openai-responses": {"id": "msg_1"}})
LINK = {"url": "https://example.com", "title": "Red", "start_index": 0, "end_index": 2}
QUOTED = Text("It is red.", [Citation("red", raw={"type": "char_location", "cited_text": "red"})])
LINKED = Text("It is red.", [Citation(url="https://example.com", raw={"type": "url_citation", "url_citation": LINK})])
PAPER = Document(b"%PDF-1.7\n", name="a.pdf", citations=True)
ODD_ID = ToolCall("functions.look:0", "look", {})

# Messages, host → path, kind and fate of what is lost; nothing on the hosts that are not named.
CASES = {
    "words": (user("Hi"), {}),
    "a picture": (user(Image(PIXEL), "Hi"), {}),
    "a call and its result": (answered(CALL.result("red")), {}),
    "thoughts": (
        model(SEALED, "Red."),
        {host: [("messages[1].content[0]", "thinking", "left out")] for host in HOSTS if host != "anthropic"},
    ),
    "thoughts that nobody sealed": (
        model(Thinking("Hm."), "Red."),
        {host: [("messages[1].content[0]", "thinking", "left out")] for host in HOSTS},
    ),
    "a seal on a text": (
        model(SIGNED),
        {host: [("messages[1].content[0]", "signature", "left out")] for host in HOSTS if host != "gemini"},
    ),
    "a seal on nothing": (
        model(Text("", extra=SIGNED.extra), "Red."),
        {host: [("messages[1].content[0]", "signature", "left out")] for host in HOSTS if host != "gemini"},
    ),
    "what one wire wants to see again": (
        model(NOTED),
        {host: [("messages[1].content[0]", "notes", "left out")] for host in HOSTS if host != "openai"},
    ),
    "a block of one provider": (
        model(Opaque("anthropic-messages", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        {host: [("messages[1].content[0]", "block", "refused")] for host in HOSTS if host != "anthropic"},
    ),
    "a file that lies with one provider": (
        user("See", Image(file_id="file_1", extra={"anthropic-messages": {}})),
        {host: [("messages[0].content[1].file_id", "file", "refused")] for host in HOSTS if host != "anthropic"},
    ),
    "a film": (
        user(Video(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", media_type="video/mp4")),
        {host: [("messages[0].content[0]", "media", "refused")] for host in HOSTS if host != "gemini"},
    ),
    "a sound and what is said in it": (
        user(Audio(b"RIFF\0\0\0\0WAVE", transcript="Hello.")),
        {"anthropic": [("messages[0].content[0]", "media", "refused")]}
        | {host: [("messages[0].content[0]", "transcript", "left out")] for host in HOSTS if host != "anthropic"},
    ),
    "a picture of a format": (
        user(Image(b"BM" + bytes(30), media_type="image/bmp")),
        {host: [("messages[0].content[0]", "media", "refused")] for host in ("anthropic", "openai")},
    ),
    "a picture of the model's": (
        model("Here", Image(PIXEL)),
        {host: [("messages[1].content[1]", "media", "refused")] for host in HOSTS if host != "gemini"},
    ),
    "how closely to look": (
        user(Image(PIXEL, detail="low")),
        {host: [("messages[0].content[0]", "detail", "left out")] for host in ("anthropic",)},
    ),
    "a document to be cited": (
        user(PAPER),
        {
            "openai": [("messages[0].content[0].citations", "citations", "refused")],
            "openai-chat": [("messages[0].content[0]", "citations", "left out")],
            "gemini": [
                ("messages[0].content[0]", "name", "left out"),
                ("messages[0].content[0].citations", "citations", "refused"),
            ],
        },
    ),
    "a document that is text": (
        user(Document(b"a;b\n", name="a.csv")),
        {
            "openai-chat": [
                ("messages[0].content[0]", "media", "changed"),
                ("messages[0].content[0]", "name", "left out"),
            ],
            "gemini": [("messages[0].content[0]", "name", "left out")],
        },
    ),
    "a document at an address, with what is told about it": (
        user(Document(url="https://example.com/a.pdf", context="Last year's."), "Hi"),
        {"openai-chat": [("messages[0].content[0]", "media", "refused")]},
    ),
    "what a text quotes": (
        model(QUOTED),
        {host: [("messages[1].content[0]", "citations", "left out")] for host in HOSTS if host != "anthropic"},
    ),
    "what a text links to": (
        model(LINKED),
        {host: [("messages[1].content[0]", "citations", "left out")] for host in HOSTS if host != "openai"},
    ),
    "a mark of the cache": (
        [SystemMessage(Text("Be brief.", cache="1h")), *user(Text("Hi", cache="5m"))],
        {
            host: [("messages[0].content[0]", "cache", "left out"), ("messages[1].content[0]", "cache", "left out")]
            for host in HOSTS
            if host != "anthropic"
        },
    ),
    "an id of other characters": (
        [ASKED, AssistantMessage(ODD_ID), UserMessage(ODD_ID.result("red"))],
        {"anthropic": [("messages[1].content[0].id", "call id", "changed")]},
    ),
    "an id longer than some take": (
        model(ToolCall("c" * 80, "look", {})),
        {host: [("messages[1].content[0].id", "call id", "changed")] for host in ("openai", "openai-chat")},
    ),
    "an id of two calls": (
        [*model(CALL), AssistantMessage(CALL), UserMessage(CALL.result("red"))],
        {host: [("messages[3].content[0].id", "call id", "changed")] for host in ("anthropic", "openai")},
    ),
    "arguments that are cut": (
        model(ToolCall("call_1", "look", raw='{"at": "')),
        {host: [("messages[1].content[0]", "arguments", "left out")] for host in ("anthropic", "gemini")},
    ),
    "that a tool failed": (
        answered(CALL.result("no", is_error=True)),
        {host: [("messages[2].content[0]", "failure", "left out")] for host in ("openai", "openai-chat")},
    ),
    "a picture in a result": (
        answered(CALL.result(["See", Image(PIXEL)])),
        {"openai-chat": [("messages[2].content[0].content[1]", "media", "refused")]},
    ),
    "a document in a result, with what is told about it": (
        answered(CALL.result(["See", Document(b"%PDF-1.7\n", context="Last year's.")])),
        {"openai-chat": [("messages[2].content[0].content[1]", "media", "refused")]},
    ),
    "a file in a result, with what is told about it": (
        answered(CALL.result(["See", Document(file_id="f", context="Old.", extra={"anthropic-messages": {}})])),
        {
            host: [("messages[2].content[0].content[1].file_id", "file", "refused")]
            for host in HOSTS
            if host != "anthropic"
        },
    ),
    "a mark and a block in a result": (
        answered(CALL.result([Text("See", cache="5m"), Opaque("anthropic-messages", {"type": "search_result"})])),
        {
            host: [
                ("messages[2].content[0].content[0]", "cache", "left out"),
                ("messages[2].content[0].content[1]", "block", "refused"),
            ]
            for host in HOSTS
            if host != "anthropic"
        },
    ),
    "a refusal": (
        model(Refusal("No.")),
        {host: [("messages[1].content[0]", "refusal", "changed")] for host in ("anthropic", "gemini")},
    ),
    "instructions amid the conversation": (
        [SystemMessage("Be brief."), ASKED, SystemMessage("In Latin."), AssistantMessage("Rubrum."), ASKED],
        {"gemini": [("messages[2]", "system", "changed")]},
    ),
    "a block in instructions amid the conversation": (
        [SystemMessage("Be brief."), ASKED, SystemMessage(["Hm.", Opaque("openai-chat", {"type": "x"})]), ASKED],
        {
            "anthropic": [("messages[2].content[1]", "block", "refused")],
            "openai": [("messages[2].content[1]", "block", "refused")],
            "gemini": [("messages[2]", "system", "changed"), ("messages[2].content[1]", "block", "refused")],
        },
    ),
    "words behind a call": (
        model(CALL, "I am looking."),
        {"openai-chat": [("messages[1].content", "order", "changed")]},
    ),
    "words before a result": (
        [ASKED, AssistantMessage(CALL), UserMessage(["Well:", CALL.result("red")])],
        {host: [("messages[2].content", "order", "changed")] for host in HOSTS},
    ),
    "blanks": (
        model(Text(" \n"), "Red."),
        {host: [("messages[1].content[0]", "blank", "left out")] for host in ("anthropic", "openai-chat", "gemini")},
    ),
    "nothing said": (model(), {}),
    "nothing at all": ([], {}),
    "no words": (user(""), {}),
}
CASES_BY_HOST = {
    f"{case}: {host}": (messages, host, lost.get(host, []))
    for case, (messages, lost) in CASES.items()
    for host in HOSTS
}


@pytest.mark.parametrize(("messages", "host", "expected"), CASES_BY_HOST.values(), ids=CASES_BY_HOST.keys())
def test_losses(messages, host, expected):
    assert found(messages, host) == expected


EVERYTHING = [message for messages, _ in CASES.values() for message in messages]


# Of each wire something that no other takes.
MIXED = [
    SystemMessage("Be brief."),
    UserMessage(["See", Image(file_id="file_1", extra={"anthropic-messages": {}}), PAPER]),
    AssistantMessage([SEALED, "Hm.", Opaque("openai-responses", {"type": "web_search_call", "id": "ws_1"}), CALL]),
    UserMessage(CALL.result(["red", Opaque("anthropic-messages", {"type": "search_result"})])),
    AssistantMessage(["Red.", Opaque("gemini-generate", {"executableCode": {"code": "1"}})]),
    UserMessage(["And?", Video(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", media_type="video/mp4")]),
]


@pytest.mark.parametrize("name", ["openai", "openai-chat", "gemini"])
def test_the_client_does_as_it_says(name):
    """What is refused is an error of the client, and a warning where it is told to warn; nothing else is either."""
    refused = [loss.path for loss in portability(MIXED, name) if loss.fate == "refused"]
    with FakeServer() as server:
        with pytest.raises(UnsupportedOptionError) as caught:
            server.client(name, model="m-1").complete(MIXED)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            server.client(name, model="m-1", unsupported="warn").complete(MIXED)
    warned = [str(warning.message).split(":")[0].replace("prompt", "messages", 1) for warning in told]
    assert {warning.category for warning in told} == {UnsupportedWarning}
    assert sorted(warned) == sorted(refused)
    assert caught.value.path.replace("prompt", "messages", 1) == warned[0]


def test_a_loss_says_what_is_lost():
    assert portability(model(SEALED, LINKED), "gemini") == [
        Loss("messages[1].content[0]", "thinking", "only anthropic-messages takes these thoughts", "left out"),
        Loss("messages[1].content[1]", "citations", "sources of the text", "left out"),
    ]


def test_of_several_sources_some_arrive():
    both = Text("It is red.", [*QUOTED.citations, *LINKED.citations])
    (loss,) = portability(model(both), "openai")
    assert loss.what == "1 of 2 sources of the text"


def test_dicts_are_messages():
    assert found(
        [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}],
        "gemini",
    ) == [("messages[0].content[0]", "cache", "left out")]


def test_nothing_is_changed():
    before = everything(MIXED)
    portability(MIXED, "gemini")
    assert everything(MIXED) == before


# ---- any conversation, anywhere --------------------------------------------------------------------------------------


def assert_told(messages, row):
    """All that is lost is said, and nothing else is."""
    messages = [*messages, UserMessage("Go on.")]
    losses = portability(messages, row)
    less = arriving(messages, losses, row.wire)
    assert sent(less, row) == (sent(messages, row)[0], {})
    left = {(loss.kind, loss.fate) for loss in portability(less, row) if loss.kind != "call id"}
    assert left <= {("citations", "left out")}


@pytest.mark.parametrize("row", providers(), ids=lambda row: row.name)
def test_every_host(row):
    for messages, _ in CASES.values():
        assert_told(messages, row)


STRATEGIES = {
    "anthropic": strategies.conversations(),
    "openai": strategies_openai_responses.conversations(),
    "openai-chat": strategies_openai_chat.conversations(),
    "gemini": strategies_gemini_generate.conversations(),
}


@pytest.mark.parametrize("target", HOSTS)
@pytest.mark.parametrize("source", HOSTS)
@settings(deadline=None, max_examples=5)
@given(st.data())
def test_any_conversation(source, target, data):
    assert_told(data.draw(STRATEGIES[source]), provider(target))


# ---- where to --------------------------------------------------------------------------------------------------------


def test_a_host_of_the_same_wire_may_take_less():
    """DeepSeek takes its thoughts back, OpenAI none."""
    thoughts = Thinking("Hm.", wire="openai-chat", extra={"openai-chat": {"field": "reasoning_content"}})
    assert found(model(thoughts, "Red."), "deepseek") == []
    assert found(model(thoughts, "Red."), "openai-chat") == [("messages[1].content[0]", "thinking", "left out")]


def test_a_host_of_the_same_wire_may_not_want_what_another_noted():
    """As a call's seal in a field of its own; words are no loss where they would be written anyhow."""
    notes = {"arguments": '{"at": "it"}', "extra_content": {"google": {"thought_signature": "c2ln"}}}
    sealed = evolve(CALL, extra={"openai-chat": notes})
    assert found(model(sealed), "litellm") == []
    (loss,) = portability(model(sealed), "groq")
    assert loss == Loss(
        "messages[1].content[0]",
        "signature",
        "what another host of openai-chat wants to see again: extra_content",
        "left out",
    )


def test_a_host_may_take_no_ids_of_calls():
    """That one is not sent which was made up is no loss."""
    row = Provider("mine", "gemini-generate", "http://localhost:1/v1beta", quirks=GeminiGenerateQuirks(call_ids=False))
    assert found(model(CALL), row) == [("messages[1].content[0].id", "call id", "left out")]
    assert found(model(evolve(CALL, extra={"gemini-generate": {"id": None}})), row) == []


def test_a_model_may_be_named():
    """Older models of Gemini cannot be told how closely to look."""
    messages = user(Image(PIXEL, detail="low"))
    assert found(messages, "gemini:gemini-3-flash") == []
    lost = [("messages[0].content[0]", "detail", "left out")]
    assert found(messages, "gemini:gemini-2.5-flash") == lost
    assert [
        (loss.path, loss.kind, loss.fate) for loss in portability(messages, "gemini", model="gemini-2.5-flash")
    ] == lost


def test_a_row_of_the_callers_own():
    row = Provider("mine", "anthropic-messages", "http://localhost:1/v1")
    assert found(model(SEALED), row) == []


WRONG = {
    "no such provider": ([ASKED], "anthropc", {}, UnknownProviderError, "anthropc"),
    "no provider": ([ASKED], 7, {}, ConfigurationError, "provider: expected a name or a Provider, got int"),
    "no model": ([ASKED], "openai", {"model": ""}, ConfigurationError, "model: "),
    "no messages": ("Hi", "openai", {}, ConfigurationError, "messages: expected list, got str"),
    "a result without its call, where its name is needed": (
        [ASKED, UserMessage(ToolResult("call_1", content="red"))],
        "gemini",
        {},
        ConfigurationError,
        "messages[1].content[0].name: this wire needs the tool's name",
    ),
}


@pytest.mark.parametrize(("messages", "provider", "options", "cls", "text"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said(messages, provider, options, cls, text):
    with pytest.raises(cls) as caught:
        portability(messages, provider, **options)
    assert text in str(caught.value)


def test_nobody_pays_for_it_who_does_not_use_it():
    code = "import sys; from llmkit import Client; from llmkit.history import typed, dumps; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert "llmkit.moving" not in done.stdout.split()


def test_time_is_linear():
    """Counted in what is encoded, not in seconds: each message is tried among those alone that matter for it."""
    from llmkit.moving.host import Host
    from llmkit.moving.window import windows

    long = [message for _ in range(50) for message in answered(CALL.result("red"))]
    assert max(len(window.messages) for window in windows(Host("openai", None), long)) <= 5
