"""A LiteLLM proxy is spoken to in all four formats: with its own mock answers, and with a host of ours behind it.

It has a virtual environment of its own (`make litellm`), as it pins what others need newer. Without it this is skipped.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

from llmkit import APIError, Client, Tool, ToolCall, Usage
from llmkit.testing import FakeServer

ROOT = Path(__file__).parent.parent
COMMAND = os.environ.get("LLMKIT_LITELLM") or shutil.which(str(ROOT / ".venv" / "litellm" / "bin" / "litellm"))
KEY = "sk-proxy-test"
ANSWER = "The sky is blue because air scatters short waves."
FORMATS = {"anthropic": {}, "openai": {}, "openai-chat": {}, "gemini": {}, "litellm": {}}
CONFIG = """\
model_list:
  - model_name: mocked
    litellm_params: {{model: openai/gpt-4o, api_key: none, mock_response: "{answer}"}}
  - model_name: behind
    litellm_params: {{model: openai/fake, api_key: sk-behind, api_base: "{url}/v1"}}
general_settings: {{master_key: {key}}}
"""

if COMMAND is None:
    pytest.skip("no LiteLLM proxy: `make litellm` installs it", allow_module_level=True)


@pytest.fixture(scope="module")
def behind():
    with FakeServer() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(behind, tmp_path_factory):
    """Its address, when it is ready."""
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "config.yaml").write_text(CONFIG.format(answer=ANSWER, url=behind.url, key=KEY))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # The map of prices is not fetched: no test reaches past this machine.
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "NO_PROXY": "*"}
    command = [COMMAND, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        await_ready(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_ready(url, process, log):
    for _ in range(600):
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            if requests.get(f"{url}/health/liveliness", timeout=10).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass  # it is being started, which takes its time on a busy machine
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@pytest.fixture(params=FORMATS)
def client(request, proxy):
    with Client(request.param, api_key=KEY, base_url=proxy, model="mocked", max_retries=0) as client:
        yield client


def test_mock_answers_whole(client):
    response = client.complete("Why is the sky blue?", max_tokens=100)
    assert (response.text, response.finish_reason.reason) == (ANSWER, "stop")
    assert response.usage.output_tokens > 0


def test_mock_answers_streamed(client):
    if client._engine.row.name == "openai":  # of this version, the one format in which it cannot
        with pytest.raises(APIError, match="Error processing stream start"):
            client.stream("Why is the sky blue?").collect()
        return
    with client.stream("Why is the sky blue?", max_tokens=100) as stream:
        text = "".join(stream.text_deltas())
    assert text == stream.collect().text == ANSWER
    assert stream.collect().finish_reason.reason == "stop"


def test_an_error_of_the_proxy(proxy):
    for name in FORMATS:
        with pytest.raises(APIError) as caught:
            Client(name, api_key="sk-wrong", base_url=proxy, model="mocked", max_retries=0).complete("Hi", max_tokens=9)
        assert caught.value.status in (400, 401), name
        with pytest.raises(APIError) as caught:
            Client(name, api_key=KEY, base_url=proxy, model="no-such", max_retries=0).complete("Hi", max_tokens=9)
        assert caught.value.status in (400, 404), name


def test_answers_from_behind_streamed(client, behind):
    """The proxy translates from each format to the one that the host behind it speaks, and back."""
    behind.reply(ANSWER, usage=Usage(20, 10))
    with client.stream("Why is the sky blue?", model="behind", max_tokens=100) as stream:
        events = list(stream)
    assert stream.collect().text == ANSWER
    assert len(events) > 4
    assert stream.collect().finish_reason.reason == "stop"


WEATHER = Tool("weather", "The weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_from_behind(client, behind, streamed):
    behind.reply(ToolCall("call_1", "weather", {"city": "Oslo"}), usage=Usage(20, 10))
    options = {"model": "behind", "max_tokens": 100, "tools": [WEATHER]}
    answer = client.stream("Oslo?", **options).collect() if streamed else client.complete("Oslo?", **options)
    (call,) = answer.tool_calls
    assert (call.name, call.arguments) == ("weather", {"city": "Oslo"})
    assert answer.finish_reason.reason == "tool_calls"


def test_models(proxy):
    found = Client("litellm", api_key=KEY, base_url=proxy).models()
    assert {model.id for model in found} == {"mocked", "behind"}
