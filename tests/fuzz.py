"""What nobody should send, fed to everything that reads: `make fuzz`. Whatever comes is an answer or an `LLMKitError`.

Good answers of a provider on loopback, in all four formats, whole and streamed, are spoilt: fields replaced, removed
and renamed, events lost, repeated, moved and cut, bytes changed. They are read through the public API, by a client with
a session of its own that has them in memory. Besides, where the network cuts a stream must make no difference.

Usage: python tests/fuzz.py [--seconds 600] [--target anthropic-stream] [--seed 1]
"""

import argparse
import copy
import json
import math
import pickle
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hypothesis
from faults.formats import FORMATS
from fuzzing.calls import PROVIDERS, Canned, Outcome, ask
from fuzzing.spoilt import dict_messages, error_bodies, headers, spoilt_bodies, spoilt_streams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import pieces

from llmkit import (
    APIError,
    ConfigurationError,
    FinishReason,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    Response,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    UserMessage,
)
from llmkit.history import typed
from llmkit.sse import ServerSentEvent, SSEDecoder

# ---- what must hold --------------------------------------------------------------------------------------------------


def is_error(error: LLMKitError) -> None:
    """It is one of the tree's, says so in few words, and can be kept."""
    assert not isinstance(error, ConfigurationError), error
    assert (len(str(error)) < 1_500, error.attempts, error.provider in PROVIDERS) == (True, 1, True)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert error.retry_after is None or 0 < error.retry_after < math.inf
    assert error.request_id is None or isinstance(error.request_id, str)
    if isinstance(error, InvalidResponseError):
        assert error.path.startswith("$")
        assert len(error.body) <= 1024
    if isinstance(error, APIError):
        assert type(error.status) is int
        assert error.code is None or isinstance(error.code, str)
    if isinstance(error, IncompleteStreamError):
        assert error.partial is not None
    if error.partial is not None:
        assert error.partial.finish_reason.reason == "unfinished"
        is_response(error.partial)


def is_response(response: Response[Any]) -> None:
    """It can be shown, compared, kept and copied."""
    assert isinstance(response.id, str)
    assert isinstance(response.model, str)
    assert isinstance(response.text, str)
    assert isinstance(response.thinking, str)
    assert repr(response)
    assert hash(response) == hash(copy.deepcopy(response))
    assert pickle.loads(pickle.dumps(response)) == response
    usage = response.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens)
    assert all(type(count) is int and count >= 0 for count in counts)
    assert usage.raw is None or isinstance(usage.raw, dict)
    for text in (response.finish_reason.raw, response.finish_reason.stop_sequence):
        assert text is None or isinstance(text, str)


def is_answer(provider: str, outcome: Outcome) -> None:
    """It is an answer that the provider would take back, or an error."""
    if outcome.error is not None:
        is_error(outcome.error)
        return
    response = outcome.response
    assert response is not None
    assert response.finish_reason.reason != "unfinished"
    is_response(response)
    again = [UserMessage("Hi"), response.message, UserMessage("Go on")]
    sent = ask(provider, Canned([FORMATS[provider].body]), stream=False, prompt=again)
    assert sent.error is None, sent.error


def is_told(outcome: Outcome) -> None:
    """The events of a stream are those of one answer, and end as promised."""
    events = outcome.events
    ends = [event for event in events if isinstance(event, FinishReason | Usage)]
    response = outcome.response
    if response is None:
        assert not ends
        return
    assert list(events[-2:]) == ends == [response.finish_reason, response.usage]
    parts = [event for event in events[:-2] if not isinstance(event, TextDelta | ThinkingDelta | ToolCallDelta)]
    assert all(part in response.message.content for part in parts)


def same(one: Outcome, other: Outcome) -> None:
    """Both ended the same."""
    assert one.events == other.events
    assert one.response == other.response
    assert type(one.error) is type(other.error), (one.error, other.error)
    if one.error is not None and other.error is not None:
        assert one.error.partial == other.error.partial
        for name in ("path", "body", "status", "code"):
            assert getattr(one.error, name, None) == getattr(other.error, name, None)


# ---- targets ---------------------------------------------------------------------------------------------------------

Check = Callable[[st.DataObject], str]


def _sse(data: st.DataObject) -> str:
    body = data.draw(st.one_of(st.binary(max_size=80), spoilt_streams("anthropic")))
    found = _fed([body, b""])
    assert _fed([*data.draw(pieces(body)), b""]) == found
    assert _fed([*(body[at : at + 1] for at in range(len(body))), b""]) == found
    return "read" if isinstance(found[-1], ServerSentEvent | None) else "refused"


def _fed(chunks: Sequence[bytes]) -> list[Any]:
    """The events in a body that comes so, and the last of all or what was wrong with it."""
    decoder, found = SSEDecoder(), []
    try:
        for chunk in chunks:
            found += decoder.feed(chunk)
        return [*found, decoder.close()]
    except InvalidResponseError as error:
        return [*found, (str(error), error.body)]


def _name(outcome: Outcome) -> str:
    return type(outcome.error or outcome.response).__name__


def _body(provider: str) -> Check:
    def check(data: st.DataObject) -> str:
        kind = data.draw(st.sampled_from(["application/json", "", "text/event-stream"]))
        answer = Canned([data.draw(spoilt_bodies(provider))], headers={"content-type": kind})
        outcome = ask(provider, answer, stream=False)
        is_answer(provider, outcome)
        return _name(outcome)

    return check


def _stream(provider: str) -> Check:
    def check(data: st.DataObject) -> str:
        body, kind = data.draw(spoilt_streams(provider)), {"content-type": "text/event-stream"}
        outcome = ask(provider, Canned([body], headers=kind), stream=True)
        is_told(outcome)
        is_answer(provider, outcome)
        cut = [piece for piece in data.draw(pieces(body)) if piece]
        same(ask(provider, Canned(cut, headers=kind), stream=True), outcome)
        return _name(outcome)

    return check


def _error(provider: str) -> Check:
    def check(data: st.DataObject) -> str:
        status = data.draw(st.one_of(st.sampled_from([400, 401, 403, 404, 429, 500, 503, 529]), st.integers(400, 599)))
        answer = Canned([data.draw(error_bodies)], status, data.draw(headers))
        outcome = ask(provider, answer, stream=data.draw(st.booleans()))
        assert isinstance(outcome.error, APIError)
        assert outcome.error.status == status
        is_error(outcome.error)
        return _name(outcome)

    return check


def _written(value: Any) -> str | None:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return None


def _dicts(data: st.DataObject) -> str:
    found = data.draw(dict_messages())
    before = _written(found)
    try:
        messages = typed(found)
    except ConfigurationError as error:
        assert str(error).startswith("prompt"), error
        assert len(str(error)) < 1_000
        return type(error).__name__
    finally:
        assert _written(found) == before  # it is the caller's
    assert pickle.loads(pickle.dumps(messages)) == messages
    assert typed(messages) == messages
    provider = data.draw(st.sampled_from(PROVIDERS))
    outcome = ask(provider, Canned([FORMATS[provider].body]), stream=False, prompt=found)
    assert outcome.error is None or isinstance(outcome.error, ConfigurationError), outcome.error
    return _name(outcome)


TARGETS: Mapping[str, Check] = {
    "sse": _sse,
    **{f"{provider}-stream": _stream(provider) for provider in PROVIDERS},
    **{f"{provider}-body": _body(provider) for provider in PROVIDERS},
    **{f"{provider}-error": _error(provider) for provider in PROVIDERS},
    "dicts": _dicts,
}


# ---- running them ----------------------------------------------------------------------------------------------------


def run(name: str, examples: int, seed: int | None = None) -> Counter[str]:
    """Try a target; how often it ended how. Without a seed the examples are always the same."""
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def tried(data: st.DataObject) -> None:
        outcomes[TARGETS[name](data)] += 1

    if seed is not None:
        tried = hypothesis.seed(seed)(tried)
    tried()
    return outcomes


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--target", action="append", choices=[*TARGETS])
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args(arguments)
    began, seed = time.monotonic(), options.seed
    names = options.target or [*TARGETS]
    outcomes = {name: Counter[str]() for name in names}
    print(f"seed {seed}")
    while True:
        for name in names:
            if time.monotonic() - began > options.seconds:
                for tried, found in outcomes.items():
                    print(
                        f"{tried:20} {found.total():>9,}  {', '.join(f'{key} {n:,}' for key, n in found.most_common())}"
                    )
                return 0
            outcomes[name] += run(name, 200, seed)  # what fails is raised, with the example that makes it
            seed += 1


if __name__ == "__main__":
    sys.exit(main())
