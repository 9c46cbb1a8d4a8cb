"""`llmkit.prices`: what answers cost, computed by hand from what providers publish, and None where it is not known."""

import json
import os
import pickle
import subprocess
import sys
from decimal import Decimal
from types import ModuleType

import genai_prices.data
import pytest
from attrs import evolve, frozen
from sockets import Server, reply

from llmkit import (
    Client,
    ConfigurationError,
    OutputError,
    Price,
    Provider,
    StreamError,
    ToolCall,
    ToolLoopError,
    Usage,
    providers,
    tool,
)
from llmkit.prices import cost_of, in_batch, known
from llmkit.provider import provider
from llmkit.testing import FakeServer

DATE = "Mon, 16 Nov 2026 12:00:00 GMT"
HAIKU = "claude-haiku-4-5"  # 1 and 5 US dollars
USAGE = Usage(1000, 100)


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


# Bodies, as each host writes them.


def anthropic(model, **usage):
    body = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}]}
    return {**body, "model": model, "stop_reason": "end_turn", "usage": usage}


def chat(model, tier=None, **usage):
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}
    return body if tier is None else {**body, "service_tier": tier}


def responses(model, tier="default", **usage):
    text = {"type": "output_text", "text": "Hi", "annotations": []}
    item = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    body = {"id": "resp_1", "object": "response", "status": "completed", "output": [item], "service_tier": tier}
    return {**body, "model": model, "usage": usage}


def gemini(model, **usage):
    content = {"role": "model", "parts": [{"text": "Hi"}]}
    return {"candidates": [{"content": content, "finishReason": "STOP"}], "modelVersion": model, "usageMetadata": usage}


def modalities(**counts):
    return [{"modality": kind, "tokenCount": count} for kind, count in counts.items()]


def answer(row, body, *, date=DATE, model="asked-for", **options):
    """What a host makes of one call that it answers with `body`."""
    script = reply(json.dumps(body).encode(), headers=f"Content-Type: application/json\r\nDate: {date}\r\n")
    with (
        Server(lambda wire: [wire.send(script) for _ in wire.requests()]) as server,
        Client(row, api_key="k", base_url=server.url, model=model, **options) as client,
    ):
        return client.complete("Hello")


CACHE = {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000}
CACHED = {"cache_read_input_tokens": 2000, "cache_creation_input_tokens": 3000, "cache_creation": CACHE}
PLAIN = {"input_tokens": 1000, "output_tokens": 100}
SOUND = {
    "prompt_tokens": 1000,
    "prompt_tokens_details": {"audio_tokens": 400, "cached_tokens": 0},
    "completion_tokens": 300,
    "completion_tokens_details": {"audio_tokens": 200, "reasoning_tokens": 0},
}
HEARD = {
    "promptTokenCount": 10_000,
    "promptTokensDetails": modalities(TEXT=6000, AUDIO=4000),
    "cachedContentTokenCount": 2000,
    "candidatesTokenCount": 1000,
    "thoughtsTokenCount": 500,
}
# Row, body, and the sum of tokens × US dollars per million tokens, by the prices that the providers published in 2026.
LISTED = {
    "plain": ("anthropic", anthropic("claude-haiku-4-5-20251001", **PLAIN), 1000 * 1 + 100 * 5),
    "cached, for five minutes and an hour, and thoughts": (
        "anthropic",
        anthropic(
            "claude-haiku-4-5", input_tokens=1000, **CACHED, output_tokens=500,
            output_tokens_details={"thinking_tokens": 100},
        ),
        1000 * 1 + 2000 * Decimal("0.1") + 1000 * Decimal("1.25") + 2000 * 2 + 500 * 5,
    ),
    "put into the cache, without a word for how long": (
        "anthropic",
        anthropic("claude-haiku-4-5", input_tokens=1000, cache_creation_input_tokens=3000, output_tokens=500),
        1000 * 1 + 3000 * Decimal("1.25") + 500 * 5,
    ),
    "searches of the web": (
        "anthropic",
        anthropic("claude-haiku-4-5", **PLAIN, server_tool_use={"web_search_requests": 3}),
        1000 * 1 + 100 * 5 + 3 * 10_000,
    ),
    "a long prompt": (
        "anthropic",
        anthropic("claude-haiku-5-5", input_tokens=100_001, output_tokens=10),
        100_001 * Decimal("0.5") + 10 * Decimal("2.5"),
    ),
    "a faster mode": ("anthropic", anthropic("claude-opus-5", **PLAIN, speed="fast"), 1000 * 10 + 100 * 50),
    "the usual mode": (
        "anthropic",
        anthropic("claude-opus-5", **PLAIN, speed="standard", service_tier="standard", inference_geo="global"),
        1000 * 5 + 100 * 25,
    ),
    "of a batch, as the answer says": (
        "anthropic", anthropic("claude-haiku-4-5", **PLAIN, service_tier="batch"),
        1000 * Decimal("0.5") + 100 * Decimal("2.5"),
    ),
    "cached, written, and reasoning": (
        "openai",
        responses(
            "gpt-5.6-terra", input_tokens=10_000,
            input_tokens_details={"cached_tokens": 4000, "cache_write_tokens": 1000},
            output_tokens=2000, output_tokens_details={"reasoning_tokens": 500}, total_tokens=12_000,
        ),
        5000 * 2 + 4000 * Decimal("0.2") + 1000 * Decimal("2.5") + 2000 * 12,
    ),
    "a slower tier": ("openai", responses("o3-2025-04-16", "flex", **PLAIN), 1000 * 1 + 100 * 4),
    "a faster tier": ("openai-chat", chat("o3", "priority", prompt_tokens=1000, completion_tokens=100), 4900),
    "sound in and out": (
        "openai-chat", chat("gpt-audio", **SOUND), 600 * Decimal("2.5") + 400 * 32 + 100 * 10 + 200 * 64,
    ),
    "cached": (
        "openai-chat",
        chat("gpt-4o", prompt_tokens=1000, prompt_tokens_details={"cached_tokens": 600}, completion_tokens=100),
        400 * Decimal("2.5") + 600 * Decimal("1.25") + 100 * 10,
    ),
    "sound, some of it cached, and thoughts": (
        "gemini",
        gemini("gemini-2.5-flash", **HEARD, cacheTokensDetails=modalities(TEXT=1500, AUDIO=500)),
        4500 * Decimal("0.3") + 3500 * 1 + 1500 * Decimal("0.03") + 500 * Decimal("0.1") + 1500 * Decimal("2.5"),
    ),
    "text alone, some of it cached": (
        "gemini",
        gemini(
            "gemini-2.5-flash", promptTokenCount=3000, promptTokensDetails=modalities(TEXT=2900, SMELL=100),
            cachedContentTokenCount=1000, candidatesTokenCount=100,
        ),
        2000 * Decimal("0.3") + 1000 * Decimal("0.03") + 100 * Decimal("2.5"),
    ),
    "numbers in place of words": (
        "gemini",
        gemini(
            "gemini-2.5-flash", promptTokenCount=3000, candidatesTokenCount=100, trafficType=1,
            promptTokensDetails=[{"modality": 1, "tokenCount": 1000}, {"modality": 4, "tokenCount": 2000}],
        ),
        1000 * Decimal("0.3") + 2000 * 1 + 100 * Decimal("2.5"),
    ),
    "the host says it": (
        "openrouter", chat("nobody/9", prompt_tokens=1000, completion_tokens=100, cost=0.0051, is_byok=False), 5100,
    ),
    "the host says it, in parts": (
        "perplexity",
        chat("sonar", prompt_tokens=70, completion_tokens=28, cost={"request_cost": 0.005, "total_cost": 0.0051}),
        5100,
    ),
    "a long prompt of another": (
        "gemini",
        gemini("gemini-2.5-pro", promptTokenCount=200_001, candidatesTokenCount=100, serviceTier="standard"),
        200_001 * Decimal("2.5") + 100 * 15,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("row", "body", "millionths"), LISTED.values(), ids=LISTED.keys())
def test_by_what_providers_publish(row, body, millionths):
    assert answer(row, body).cost == Decimal(millionths) / 1_000_000


UNKNOWN = {
    "a model that nobody knows": ("anthropic", anthropic("nobody-9", **PLAIN)),
    "a tier without a price": ("anthropic", anthropic("claude-haiku-4-5", **PLAIN, service_tier="priority")),
    "a mode that the model has no price for": ("anthropic", anthropic("claude-haiku-4-5", **PLAIN, speed="fast")),
    "in one country": ("anthropic", anthropic("claude-opus-5", **PLAIN, inference_geo="us")),
    "models within": ("anthropic", anthropic("claude-opus-5", **PLAIN, iterations=[{"type": "compaction"}])),
    "a tier of contracts": ("openai", responses("o3", "scale", **PLAIN)),
    "another provider's tier": ("azure", chat("o3", "priority", prompt_tokens=1000, completion_tokens=100)),
    "sound, and nobody says whether it was cached": ("gemini", gemini("gemini-2.5-flash", **HEARD)),
    "counts that contradict each other": (
        "openai-chat",
        chat("gpt-4o", prompt_tokens=10, prompt_tokens_details={"cached_tokens": 20}, completion_tokens=5),
    ),
    "no usage": ("openai-chat", {**chat("gpt-4o"), "usage": None}),
    "a contract, told by a number": ("gemini", gemini("gemini-2.5-pro", promptTokenCount=1000, trafficType=2)),
    "paid to somebody else, too": (
        "openrouter", chat("nobody/9", prompt_tokens=1000, completion_tokens=100, cost=0.0001, is_byok=True),
    ),
    "a number that is none": ("openrouter", chat("nobody/9", prompt_tokens=10, completion_tokens=1, cost=-1)),
    "whatever that is": ("mistral", chat("nobody-9", prompt_tokens=10, completion_tokens=1, cost=0.5)),
    "prices per request": ("perplexity", chat("sonar", prompt_tokens=1000, completion_tokens=100)),
    "a host on one's own machine": ("ollama", chat("gpt-4o", prompt_tokens=1000, completion_tokens=100)),
    "a gateway with prices of its own": ("megallm", anthropic("claude-haiku-4-5", **PLAIN)),
}  # fmt: skip


@pytest.mark.parametrize(("row", "body"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_never_a_guess(row, body):
    options = {"variables": {"endpoint": "http://x", "api_version": "1"}} if row == "azure" else {}
    assert answer(row, body, **options).cost is None


def events(*data):
    return "".join(f"event: {one.get('type', 'x')}\ndata: {json.dumps(one)}\n\n" for one in data)


def chunk(**more):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "o3", "service_tier": "flex", **more}


STREAMED = {
    "how long it is cached is told at the beginning": (
        "anthropic",
        events(
            {
                "type": "message_start",
                "message": {**anthropic(HAIKU, input_tokens=1000, **CACHED, output_tokens=1), "content": []},
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 500}},
            {"type": "message_stop"},
        ),
        1000 * 1 + 2000 * Decimal("0.1") + 1000 * Decimal("1.25") + 2000 * 2 + 500 * 5,
    ),
    "a slower tier": (
        "openai-chat",
        events(
            chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}]),
            chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
            chunk(choices=[], usage={"prompt_tokens": 1000, "completion_tokens": 100}),
        )
        + "data: [DONE]\n\n",
        1000 * 1 + 100 * 4,
    ),
}


@pytest.mark.parametrize(("row", "body", "millionths"), STREAMED.values(), ids=STREAMED.keys())
def test_of_a_stream_as_of_a_whole_answer(row, body, millionths):
    script = reply(body.encode(), headers=f"Content-Type: text/event-stream\r\nDate: {DATE}\r\n")
    with (
        Server(lambda wire: [wire.send(script) for _ in wire.requests()]) as server,
        Client(row, api_key="k", base_url=server.url, model="asked-for") as client,
    ):
        assert client.stream("Hello").collect().cost == Decimal(millionths) / 1_000_000


def test_prices_of_the_hour():
    """Of some hosts they change over the day; the answer tells when it came."""
    body = chat("deepseek-chat", prompt_tokens=1000, completion_tokens=100)
    by_day, by_night = (answer("deepseek", body, date=f"Mon, 16 Nov 2026 {hour}:00:00 GMT") for hour in ("12", "20"))
    assert by_day.cost == 2 * by_night.cost > 0


@pytest.mark.parametrize("date", ["", "soon", "Mon, 99 Nov 2026 12:00:00 GMT"])
def test_a_date_that_is_none(date):
    assert answer("anthropic", anthropic("claude-haiku-4-5", **PLAIN), date=date).cost == Decimal("0.0015")


def test_a_model_that_is_not_named():
    """Some hosts do not tell which model answered: then it was the one that was asked for."""
    assert answer("openai-chat", chat("", **SOUND), model="gpt-audio").cost == Decimal("0.0281")


# The caller's own prices.

FULL = Price(
    3, 15, cached_input="0.3", cache_write="3.75", cache_write_1h=6, reasoning=20, input_audio=10, output_audio=30
)
TABLED = {
    "plain": ("anthropic", anthropic("mine", **PLAIN), FULL, 1000 * 3 + 100 * 15),
    "cached and thoughts": (
        "anthropic",
        anthropic(
            "mine", input_tokens=1000, **CACHED, output_tokens=500, output_tokens_details={"thinking_tokens": 100}
        ),
        FULL,
        1000 * 3 + 2000 * Decimal("0.3") + 1000 * Decimal("3.75") + 2000 * 6 + 400 * 15 + 100 * 20,
    ),
    "two prices for all": (
        "anthropic",
        anthropic("mine", input_tokens=1000, **CACHED, output_tokens=500),
        Price(3, 15),
        6000 * 3 + 500 * 15,
    ),
    "an hour costs as five minutes": (
        "anthropic",
        anthropic("mine", input_tokens=1000, **CACHED, output_tokens=500),
        Price(3, 15, cache_write=4),
        3000 * 3 + 3000 * 4 + 500 * 15,
    ),
    "sound": ("openai-chat", chat("mine", **SOUND), FULL, 600 * 3 + 400 * 10 + 100 * 15 + 200 * 30),
    "sound that costs as text": ("openai-chat", chat("mine", **SOUND), Price(3, 15), 1000 * 3 + 300 * 15),
    "sound, some of it cached": (
        "gemini",
        gemini("mine", **HEARD, cacheTokensDetails=modalities(TEXT=1500, AUDIO=500)),
        FULL,
        4500 * 3 + 3500 * 10 + 2000 * Decimal("0.3") + 1000 * 15 + 500 * 20,
    ),
    "sound and a cache, at one price": ("gemini", gemini("mine", **HEARD), Price(3, 15), 10_000 * 3 + 1500 * 15),
    "reasoning": (
        "openai",
        responses("mine", input_tokens=10, output_tokens=100, output_tokens_details={"reasoning_tokens": 40}),
        FULL,
        10 * 3 + 60 * 15 + 40 * 20,
    ),
    "over what the host says": ("openrouter", chat("mine", **SOUND, cost=0.5), Price(3, 15), 7500),
    "it wins": ("anthropic", anthropic("claude-haiku-4-5", **PLAIN), Price(2, 3), 1000 * 2 + 100 * 3),
    "the name that was asked for": ("openai-chat", chat("/models/x.gguf", **SOUND), Price(3, 15), 7500),
    "without its date": ("openai-chat", chat("other-2026-08-01", **SOUND), Price(3, 15), 7500),
    "free": ("ollama", chat("mine", **SOUND), Price(0, 0), 0),
    "whatever the tier": ("anthropic", anthropic("mine", **PLAIN, service_tier="priority"), FULL, 4500),
}
UNTOLD = {
    "sound, and nobody says whether it was cached": ("gemini", gemini("mine", **HEARD), FULL),
    "a batch without a price": ("anthropic", anthropic("mine", **PLAIN, service_tier="batch"), FULL),
    "no usage": ("openai-chat", {**chat("mine"), "usage": None}, FULL),
    "counts that contradict each other": (
        "openai-chat", chat("mine", prompt_tokens=10, cached_tokens=20, completion_tokens=5), FULL,
    ),
    "another model": ("ollama", chat("thing", **SOUND), FULL),
}  # fmt: skip


def table(price):
    return dict.fromkeys(("mine", "claude-haiku-4-5", "other", "mine-too"), price)


@pytest.mark.parametrize(("row", "body", "price", "millionths"), TABLED.values(), ids=TABLED.keys())
def test_by_the_caller_s_own(row, body, price, millionths, monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)  # which is not needed then
    found = answer(row, body, prices=table(price), model="mine-too")
    assert found.cost == Decimal(millionths) / 1_000_000


@pytest.mark.parametrize(("row", "body", "price"), UNTOLD.values(), ids=UNTOLD.keys())
def test_the_caller_s_own_do_not_tell(row, body, price):
    assert answer(row, body, prices=table(price)).cost is None


def test_a_float_means_what_it_shows():
    assert Price(0.1, 1.1) == Price("0.1", Decimal("1.1"))
    assert Price(0.1, 3).input == Decimal("0.1")


NO_PRICES = {
    "below nothing": lambda: Price(-1, 1),
    "no number": lambda: Price("cheap", 1),
    "not a number": lambda: Price(float("nan"), 1),
    "without end": lambda: Price(1, "Infinity"),
    "more than there is": lambda: Price("1e999999", 1),
    "true": lambda: Price(True, 1),
    "nothing": lambda: Price(None, 1),
    "one of many": lambda: Price(1, 1, cached_input="?"),
}


@pytest.mark.parametrize("make", NO_PRICES.values(), ids=NO_PRICES.keys())
def test_no_price(make):
    with pytest.raises(ConfigurationError, match="^Price: expected US dollars per million tokens, got "):
        make()


NO_TABLES = {
    "a list": ([Price(1, 2)], "^prices: expected a mapping of models to Price, got list"),
    "numbers": ({"mine": 3}, r"^prices\['mine'\]: expected a Price, got int"),
    "no name": ({"": Price(1, 2)}, "^prices: expected names of models, got ''"),
    "a number as name": ({3: Price(1, 2)}, "^prices: expected names of models, got 3"),
}


@pytest.mark.parametrize(("value", "message"), NO_TABLES.values(), ids=NO_TABLES.keys())
def test_no_table(value, message):
    with pytest.raises(ConfigurationError, match=message):
        Client("ollama", prices=value)
    with pytest.raises(ConfigurationError, match=message):
        Client("ollama").with_options(prices=value)


def test_with_options(server):
    client = Client("anthropic", api_key="k", base_url=server.url, model="mine", prices={"mine": Price(1, 2)})
    server.reply("Hi", usage=USAGE)
    assert client.with_options(temperature=0).complete("Hello").cost == Decimal("0.0012")
    server.reply("Hi", usage=USAGE)
    assert client.with_options(prices={"mine": Price(2, 4)}).complete("Hello").cost == Decimal("0.0024")
    server.reply("Hi", usage=USAGE)
    assert client.with_options(prices={}).complete("Hello").cost is None


def test_the_caller_s_table_is_copied(server):
    prices = {"mine": Price(1, 2)}
    client = Client("anthropic", api_key="k", base_url=server.url, model="mine", prices=prices)
    prices.clear()
    server.reply("Hi", usage=USAGE)
    assert client.complete("Hello").cost == Decimal("0.0012")


# Where genai-prices is not there, or another than is known.


def test_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert answer("anthropic", anthropic("claude-haiku-4-5", **PLAIN)).cost is None


def test_another_version(monkeypatch):
    module = ModuleType("genai_prices")
    module.Usage, module.calc_price = dict, lambda usage, model: 1
    monkeypatch.setitem(sys.modules, "genai_prices", module)
    assert answer("anthropic", anthropic("claude-haiku-4-5", **PLAIN)).cost is None


LOOK = """
import sys
from llmkit import Client, Usage
from llmkit.testing import FakeServer

with FakeServer() as server:
    client = Client("anthropic", api_key="k", base_url=server.url)
    for _ in range(3):
        server.reply("Hi", usage=Usage(1000, 100))
    client.complete("Hello")
    client.stream("Hello").collect()
    assert "llmkit.prices" not in sys.modules
    response = client.chat().send("Hello")
    assert not {"genai_prices", "pydantic"} & set(sys.modules)
    print(response.cost is not None and "genai_prices" in sys.modules)
"""


def test_nothing_is_imported_for_who_does_not_ask():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    found = subprocess.run(
        [sys.executable, "-c", LOOK], check=True, capture_output=True, text=True, env=environment, timeout=60
    )
    assert found.stdout.strip() == "True"


# Answers that were made of several.

COST = Decimal("0.0015")  # of USAGE


@frozen
class Cup:
    size: int


@tool
def kettle() -> str:
    """Boil water."""
    return "It boils."


@pytest.fixture
def client(server):
    with Client("anthropic", api_key="k", base_url=server.url, model=HAIKU) as client:
        yield client


def test_a_chat_sums_its_rounds(server, client):
    chat = client.chat(tools=[kettle])
    assert chat.cost == 0
    for content in (ToolCall("1", "kettle", {}), "Tea.", "Bye."):
        server.reply(content, usage=USAGE)
    response = chat.send("Tea, please.")
    assert [one.cost for one in response.rounds] == [COST, COST]
    assert response.cost == chat.cost == 2 * COST
    assert chat.send("Thanks.").cost == COST
    assert chat.cost == 3 * COST
    assert chat.fork().cost == 0


def test_a_streamed_chat_sums_its_rounds(server, client):
    chat = client.chat(tools=[kettle])
    server.reply(ToolCall("1", "kettle", {}), usage=USAGE)
    server.reply("Tea.", usage=USAGE)
    assert chat.stream("Tea, please.").collect().cost == chat.cost == 2 * COST


def test_each_round_at_its_own_price(server, client):
    """Together they are above the limit from which prompts cost more, each by itself is not."""
    chat = client.chat(tools=[kettle], model="claude-haiku-5-5")
    server.reply(ToolCall("1", "kettle", {}), usage=Usage(80_000, 0))
    server.reply("Tea.", usage=Usage(80_000, 0))
    assert chat.send("Tea, please.").cost == Decimal("0.016")


def test_one_that_is_not_known_leaves_all_unknown(server, client):
    chat = client.chat()
    for model in (HAIKU, "nobody-9", HAIKU):
        server.reply("Hi", usage=USAGE)
        chat.send("Hello", model=model)
    assert chat.cost is None


def test_a_chat_that_failed_has_cost_something(server, client):
    chat = client.chat(tools=[kettle], max_rounds=1)
    server.reply(ToolCall("1", "kettle", {}), usage=USAGE)
    with pytest.raises(ToolLoopError):
        chat.send("Tea, please.")
    assert chat.cost == COST


def test_what_was_asked_again_is_paid_twice(server, client):
    server.reply("No.", usage=USAGE)
    server.reply('{"size": 3}', usage=USAGE)
    assert client.complete("A cup", output_type=Cup, output_retries=1).cost == 2 * COST


def test_what_was_asked_again_in_vain(server, client):
    for _ in range(2):
        server.reply("No.", usage=USAGE)
    with pytest.raises(OutputError) as caught:
        client.complete("A cup", output_type=Cup, output_retries=1)
    assert caught.value.response.cost == 2 * COST


def test_of_a_stream_that_breaks_off_what_was_told(server, client):
    server.reply("One two three four", usage=USAGE)
    server.fault("cut stream")
    with pytest.raises(StreamError) as caught:
        client.stream("Count").collect()
    usage = caught.value.partial.usage
    assert caught.value.partial.cost == Decimal(usage.input_tokens + 5 * usage.output_tokens) / 1_000_000


@pytest.mark.parametrize("mode", ["whole", "streamed", "a chat's"])
def test_pickles(server, mode):
    client = Client("anthropic", api_key="k", base_url=server.url, model="mine", prices={"mine": Price(1, 5)})
    server.reply("Hi", usage=USAGE)
    again = pickle.loads(pickle.dumps(client))
    ask = {
        "whole": again.complete,
        "streamed": lambda prompt: again.stream(prompt).collect(),
        "a chat's": again.chat().send,
    }
    response = ask[mode]("Hello")
    assert pickle.loads(pickle.dumps(response)).cost == COST
    assert pickle.loads(pickle.dumps(evolve(response, attempts=3))).cost == response.cost == COST


def test_no_part_of_what_an_answer_is(server, client):
    for _ in range(2):
        server.reply("Hi", usage=USAGE)
    one, other = client.complete("Hello"), client.with_options(prices={HAIKU: Price(0, 0)}).complete("Hello")
    other = evolve(other, id=one.id)
    assert one == other
    assert hash(one) == hash(other)
    assert one.cost != other.cost
    assert "cost" not in repr(one)


def test_a_cost_that_is_known_already(server, client):
    server.reply("Hi", usage=USAGE)
    response = client.complete("Hello")
    assert evolve(response, cost=Decimal("0.5")).cost == Decimal("0.5")
    assert evolve(response, cost=None).cost is None


# Before the first call, and in batches.

ROW = provider("anthropic")
KNOWN = {
    "by genai-prices": (None, ROW, HAIKU, True),
    "in a batch": (None, ROW, HAIKU, True, True),
    "not in a batch": (None, ROW, "claude-3-opus-20240229", True),
    "in a batch that the provider does not price": (None, ROW, "claude-3-opus-20240229", False, True),
    "by no one": (None, ROW, "nobody-9", False),
    "by the caller": ({"nobody-9": Price(1, 2)}, ROW, "nobody-9", True),
    "by the caller, in a batch": ({"nobody-9": Price(1, 2, batch="0.5")}, ROW, "nobody-9", True, True),
    "by the caller, but not in a batch": ({HAIKU: Price(1, 2)}, ROW, HAIKU, False, True),
    "by another's name": (None, evolve(provider("openai"), aliases={"a": "gpt-4o"}), "a", True),
    "of a host that has none": (None, provider("ollama"), "gpt-4o", False),
    "of a row of one's own": (None, Provider("openai2", "openai-chat", "http://x"), "gpt-4o", False),
    "without a model": (None, ROW, None, False),
    "by the host, once it has answered": (None, provider("perplexity"), "sonar", True),
    "of a host that says nothing of batches": (None, provider("perplexity"), "sonar", False, True),
}  # fmt: skip


@pytest.mark.parametrize("case", KNOWN.values(), ids=KNOWN.keys())
def test_known(case):
    prices, row, model, expected, *batch = case
    assert known(prices, row, model, batch=bool(batch)) is expected


def test_not_known_without_genai_prices(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert not known(None, ROW, HAIKU)


BATCHES = {
    "half": (None, ROW, HAIKU, Decimal("0.00075")),
    "by the caller": ({HAIKU: Price(1, 5, batch="0.4")}, ROW, HAIKU, Decimal("0.0006")),
    "not known": (None, provider("azure"), "gpt-4o", None),
}


@pytest.mark.parametrize(("prices", "row", "model", "cost"), BATCHES.values(), ids=BATCHES.keys())
def test_of_a_batch(prices, row, model, cost):
    assert cost_of(evolve(USAGE, raw={}), row, model, prices, batch=True) == cost


def test_an_answer_of_a_batch(server, client):
    server.reply("Hi", usage=USAGE)
    response = client.complete("Hello")
    assert in_batch(response).cost == response.cost / 2
    assert in_batch(evolve(response, cost=Decimal(1))).cost == 1


def test_rows_name_providers_that_genai_prices_has():
    assert {row.prices for row in providers()} - {None} <= {found.id for found in genai_prices.data.providers}
