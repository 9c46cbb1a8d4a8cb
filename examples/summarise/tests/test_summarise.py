"""All that is used here comes from llmkit's pytest plugin: no key, no network, no patching."""

import json

import pytest
from summarise import Summary, Task, ask, read_aloud, summarise, summarise_all

from llmkit import Client, IncompleteStreamError, LLMKitError, OutputError, RateLimitError, ToolCall, Usage

MINUTES = "Ada and Grace met on 31 March. The compiler ships in May. Grace writes the manual until 20 April."
SUMMARY = {
    "decisions": ["The compiler ships in May"],
    "tasks": [{"who": "Grace", "what": "write the manual", "until": "20 April"}],
}


def test_a_summary(llmkit_client, llmkit_server):
    llmkit_server.reply(json.dumps(SUMMARY))
    found = summarise(llmkit_client, MINUTES)
    assert found == Summary(["The compiler ships in May"], [Task("Grace", "write the manual", "20 April")])
    (asked,) = llmkit_server.requests
    assert asked.messages[-1].text == MINUTES
    assert "Keep names and dates" in asked.messages[0].text


@pytest.mark.llmkit_provider("gemini")
def test_another_provider(llmkit_client, llmkit_server):
    llmkit_server.reply(json.dumps(SUMMARY))
    assert summarise(llmkit_client, MINUTES).tasks[0].who == "Grace"


def test_words_instead_of_a_summary(llmkit_client, llmkit_server):
    llmkit_server.reply("They talked about compilers.")
    with pytest.raises(OutputError):
        summarise(llmkit_client, MINUTES)


def test_many(llmkit_client, llmkit_server):
    """One that fails leaves the others alone."""
    llmkit_server.reply_with(lambda request: json.dumps(SUMMARY) if "Ada" in request.messages[-1].text else "What?")
    first, second = summarise_all(llmkit_client, {"march": MINUTES, "april": "Nobody came."})
    assert first[0] == "march"
    assert isinstance(first[1], Summary)
    assert second[0] == "april"
    assert isinstance(second[1], LLMKitError)


def test_a_tool(llmkit_client, llmkit_server):
    llmkit_server.reply(ToolCall("call_1", "look_up", {"day": "2026-03-31"}))
    llmkit_server.reply("Grace does.", usage=Usage(input_tokens=90, output_tokens=4))
    asked = []
    answer = ask(llmkit_client, "Who writes the manual?", lambda day: asked.append(day) or MINUTES)
    assert answer.text == "Grace does."
    assert asked == ["2026-03-31"]
    result = llmkit_server.requests[-1].messages[-1].content[0]
    assert (result.call_id, result.text) == ("call_1", MINUTES)


def test_a_stream_that_is_cut(llmkit_client, llmkit_server):
    llmkit_server.reply("Ada and Grace met at the end of March, and much was said.")
    llmkit_server.fault("cut stream")
    heard = []
    with pytest.raises(IncompleteStreamError) as caught:
        heard += read_aloud(llmkit_client, MINUTES)
    assert caught.value.partial.text.startswith("Ada")


@pytest.mark.llmkit_provider("anthropic", max_retries=0)
def test_a_host_that_has_enough(llmkit_client, llmkit_server):
    llmkit_server.fault("rate limited")
    with pytest.raises(RateLimitError) as caught:
        summarise(llmkit_client, MINUTES)
    assert caught.value.retryable


@pytest.mark.llmkit_cassette
def test_a_recording():
    """An answer that was recorded once, down to its bytes; nothing is asked, and no key is needed."""
    client = Client("anthropic", model="claude-sonnet-5")
    found = summarise(client, MINUTES)
    assert found.decisions == ["The compiler ships in May"]
    assert [task.who for task in found.tasks] == ["Grace"]


@pytest.mark.llmkit_cassette
def test_a_recorded_stream():
    words = [*read_aloud(Client("openai", model="gpt-5-mini"), MINUTES)]
    assert len(words) > 3
    assert "".join(words) == "Ada and Grace met, and the compiler ships in May."
