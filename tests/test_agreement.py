"""One asking for a key, however many threads need it: `llmkit.agreement` and what `Key` and the engine make of it."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from llmkit import (
    AuthenticationError,
    BadRequestError,
    Client,
    ConfigurationError,
    DeadlineError,
    MissingAuthError,
    RateLimit,
    RateLimitError,
    ServerError,
)
from llmkit.agreement import Agreement
from llmkit.testing import FakeServer

THREADS = 8
PATIENCE = 30
MODEL = "claude-x"


class Source:
    """A function that returns one key after the other, and notes what it is told of them."""

    def __init__(self, *keys):
        self.keys = list(keys)
        self.asked = 0
        self.told = []

    def __call__(self):
        self.asked += 1
        found = self.keys[min(self.asked, len(self.keys)) - 1]
        if isinstance(found, BaseException):
            raise found
        return found

    def refused(self, key):
        self.told.append(("refused", key))

    def accepted(self, key):
        self.told.append(("accepted", key))


def at_once(client, count=THREADS, **options):
    """What each of so many calls at once answers, or its error."""
    begin = threading.Barrier(count)

    def ask(number):
        begin.wait(PATIENCE)
        try:
            return client.complete(f"{number}", **options).text
        except Exception as error:  # noqa: BLE001 - looked at by the test
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def meeting(key, count=THREADS):
    """A provider that refuses `key` only when so many calls have come with it."""
    there = threading.Barrier(count)

    def answer(request):
        if request.headers["x-api-key"] != key:
            return
        there.wait(PATIENCE)
        raise AuthenticationError("expired", status=401)

    return answer


def test_eight_threads_that_have_no_key_yet(server):
    source = Source("one")
    with server.client("anthropic", api_key=source, model=MODEL) as client:
        assert at_once(client) == [f"{number}" for number in range(THREADS)]
    assert source.asked == 1
    assert source.told == [("accepted", "one")]


def test_eight_threads_that_are_refused(server):
    source = Source("old", "new")
    server.reply_with(meeting("old"))
    with server.client("anthropic", api_key=source, max_retries=0, model=MODEL) as client:
        assert at_once(client) == [f"{number}" for number in range(THREADS)]
    assert source.asked == 2
    assert source.told == [("refused", "old"), ("accepted", "new")]
    assert len(server.requests) == 2 * THREADS


def test_eight_threads_that_are_refused_twice(server):
    """They make do with one new key, also those that are late; the next call asks for another, and is told of it."""
    source = Source("old", "bad", "good")
    meet = meeting("old")

    def refuse(request):
        if request.headers["x-api-key"] == "good":
            return None
        if request.headers["x-api-key"] == "old":
            return meet(request)
        raise AuthenticationError("no", status=401)

    server.reply_with(refuse)
    with server.client("anthropic", api_key=source, max_retries=0, model=MODEL) as client:
        errors = at_once(client)
        assert {type(error) for error in errors} == {AuthenticationError}
        assert {error.attempts for error in errors} <= {1, 2}, "1 where it was known to be refused already"
        assert source.asked == 2
        assert set(source.told) == {("refused", "old"), ("refused", "bad")}
        assert client.complete("Hi").text == "Hi"
    assert source.asked == 3
    assert server.requests[-1].headers["x-api-key"] == "good"
    assert len(server.requests) <= 2 * THREADS + 1, "what was refused twice is not tried a third time"
    assert source.told[-1] == ("accepted", "good")


@pytest.mark.parametrize("again", ["old", "new"], ids=["the same key", "a key of the same kind"])
def test_late_refusals_of_one_key_make_do_with_one_asking(server, again):
    """The answers come one after the other, each when the call before has been given up."""
    source = Source("old", again)
    gate = threading.Semaphore(0)
    begun = threading.Barrier(3)

    def refuse(request):
        if request.headers["x-api-key"] == "old":
            begun.wait(PATIENCE)
            assert gate.acquire(timeout=PATIENCE)
        raise AuthenticationError("no", status=401)

    server.reply_with(refuse)
    with (
        server.client("anthropic", api_key=source, max_retries=0, model=MODEL) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        calls = [pool.submit(client.complete, "Hi") for _ in range(3)]
        for _ in calls:
            gate.release()
            before = sum(call.done() for call in calls)
            for call in calls:
                try:
                    call.result(PATIENCE if before == len(calls) - 1 else 0.2)
                except TimeoutError:
                    continue
                except AuthenticationError:
                    pass
        assert [type(call.exception(PATIENCE)) for call in calls] == [AuthenticationError] * 3
    assert source.asked == 2


FAILURES = {
    "an error of its own": (ZeroDivisionError("x"), MissingAuthError, "failed with ZeroDivisionError"),
    "one of llmkit": (RateLimitError("slow down", status=429), RateLimitError, "slow down"),
    "no key": ("no\nkey", ConfigurationError, "control characters"),
}


@pytest.mark.parametrize(("found", "cls", "words"), FAILURES.values(), ids=FAILURES.keys())
def test_what_the_function_fails_with_is_everybodys(server, found, cls, words):
    """Nobody who waited for it asks once more; whoever comes later does."""
    source, waiting = Source(found, "good"), threading.Event()

    def key():
        waiting.wait(0.5)  # so that mostly all the others wait
        return source()

    with server.client("anthropic", api_key=key, max_retries=0, model=MODEL) as client:
        found = at_once(client)
        failed = [error for error in found if isinstance(error, Exception)]
        assert failed
        assert {type(error) for error in failed} == {cls}
        assert all(words in str(error) for error in failed)
        assert len({id(error) for error in failed}) == len(failed), "an error belongs to one thread"
        assert all(error.attempts == 0 for error in failed if error.attempts is not None) or cls is RateLimitError
        assert client.complete("Hi").text == "Hi"


def test_a_host_that_refuses_keys_with_400(server):
    """As Gemini does: that is a refused key, too."""
    source = Source("old", "new")

    def answer(request):
        if request.headers["x-goog-api-key"] == "old":
            raise AuthenticationError("API key not valid.", status=400, code="API_KEY_INVALID")

    server.reply_with(answer)
    with server.client("gemini", api_key=source, max_retries=0) as client:
        response = client.complete("Hi")
        assert (response.text, response.attempts) == ("Hi", 2)
    assert source.told == [("refused", "old"), ("accepted", "new")]


def test_other_refusals_are_none_of_the_keys(server):
    source = Source("one", "two")
    with server.client("anthropic", api_key=source, max_retries=0, model=MODEL) as client:
        server.reply(BadRequestError("no", status=400))
        with pytest.raises(BadRequestError):
            client.complete("Hi")
    assert (source.asked, source.told) == (1, [])


@pytest.mark.parametrize("mode", ["complete", "stream", "long", "models", "embed"])
def test_success_is_told_once_what_was_asked_for_came(server, mode):
    source = Source("one")
    name = "gemini" if mode == "embed" else "anthropic"
    calls = {
        "complete": lambda client: client.complete("Hi"),
        "stream": lambda client: client.stream("Hi").collect(),
        "long": lambda client: client.complete("Hi", max_tokens=60_000),
        "models": lambda client: client.models(),
        "embed": lambda client: client.embed("Hi", model="embedding"),
    }
    with server.client(name, api_key=source, max_retries=0, model=MODEL) as client:
        server.reply(ServerError("busy", status=503))
        if mode not in ("models", "embed"):
            with pytest.raises(ServerError):
                calls[mode](client)
            assert source.told == []
        for _ in range(2):
            calls[mode](client)
    assert source.told == [("accepted", "one")]


def test_an_answer_that_turns_out_to_be_an_error_is_no_success(server):
    """An error event at the beginning of a stream that was accepted with 200."""
    source = Source("one")
    with server.client("anthropic", api_key=source, max_retries=0, model=MODEL) as client:
        server.fault("error event", after=0)
        with pytest.raises(Exception, match=r"."):
            client.stream("Hi").collect()
        assert source.told == []


def test_what_is_no_method_is_not_called(server):
    class Account(Source):
        refused, accepted = 0, None

    server.reply(AuthenticationError("expired", status=401))
    with server.client("anthropic", api_key=Account("old", "new"), model=MODEL) as client:
        assert client.complete("Hi").text == "Hi"


def test_a_key_that_cannot_be_kept(server):
    class Forgetful(Source):
        def accepted(self, key):
            raise OSError(f"no room for {key}")

    with server.client("anthropic", api_key=Forgetful("secret-key"), model=MODEL) as client:
        with pytest.warns(UserWarning, match="the key is good, and could not be kept: OSError") as warned:
            assert client.complete("Hi").text == "Hi"
        assert client.complete("Hi").text == "Hi"
    assert "secret-key" not in str(warned[0].message)


# ---- a function that uses llmkit itself ------------------------------------------------------------------------------


def test_a_function_that_asks_its_own_client(server):
    def key():
        return client.complete("What is my key?").text

    with server.client("anthropic", api_key=key, model=MODEL) as client:
        with pytest.raises(ConfigurationError, match="the function asks the client whose key it is"):
            client.complete("Hi")
        assert server.requests == []


def test_a_function_that_asks_its_own_client_in_another_thread(server):
    """Which would wait for it, as it waits for the other."""

    def key():
        return client.submit("What is my key?").result().text

    with server.client("anthropic", api_key=key, model=MODEL, timeout=PATIENCE) as client:
        with pytest.raises(ConfigurationError, match="the function asks the client whose key it is"):
            client.complete("Hi")
        assert server.requests == []


def test_a_function_that_asks_its_own_client_with_another_key(server):
    def key():
        return client.complete("sk-told", extra_headers={"x-api-key": "for-keys-alone"}).text

    with server.client("anthropic", api_key=key, model=MODEL) as client:
        assert client.complete("Hi").text == "Hi"
    assert [request.headers["x-api-key"] for request in server.requests] == ["for-keys-alone", "sk-told"]


@pytest.mark.parametrize("refused", [False, True], ids=["at first", "after a refusal"])
def test_a_function_that_needs_the_only_place(server, refused):
    """It has a client of its own with the same limit of one call at a time: nothing is held while it is asked."""
    limit = RateLimit(concurrent=1)
    keys = iter(["old", "new"] if refused else ["new"])

    def answer(request):
        if request.headers["x-api-key"] == "old":
            raise AuthenticationError("expired", status=401)

    server.reply_with(answer)
    with FakeServer() as other, other.client("anthropic", rate_limit=limit, model=MODEL) as login:

        def key():
            return login.complete(next(keys)).text

        with server.client("anthropic", api_key=key, rate_limit=limit, timeout=PATIENCE, model=MODEL) as client:
            assert client.complete("Hi").text == "Hi"


@pytest.mark.parametrize("mode", ["complete", "stream"])
def test_who_is_told_of_a_success_and_needs_the_only_place(server, mode):
    class Account(Source):
        def accepted(self, key):
            self.told.append(client.complete("Whose is it?").text)

    source = Account("key")
    with server.client("anthropic", api_key=source, rate_limit=RateLimit(concurrent=1), model=MODEL) as found:
        client = found.with_options(timeout=3)
        assert (client.complete("Hi") if mode == "complete" else client.stream("Hi").collect()).text == "Hi"
    assert source.told == ["Whose is it?"]


def test_waiting_for_another_thread_has_an_end(server):
    asked, go_on = threading.Event(), threading.Event()

    def key():
        asked.set()
        assert go_on.wait(PATIENCE)
        return "key"

    with server.client("anthropic", api_key=key, max_retries=0, model=MODEL) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.complete, "Hi")
        assert asked.wait(PATIENCE)
        with pytest.raises(DeadlineError) as caught:
            client.complete("Hi", timeout=0.3)
        assert caught.value.which == "total"
        go_on.set()
        assert first.result(PATIENCE).text == "Hi"


# ---- the agreement alone ---------------------------------------------------------------------------------------------


def test_who_is_interrupted_leaves_it_to_the_next():
    agreement, begun, go_on, asked = Agreement(), threading.Event(), threading.Event(), []

    def interrupted():
        begun.set()
        assert go_on.wait(PATIENCE)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(agreement.once, interrupted, lambda: None)
        assert begun.wait(PATIENCE)
        second = pool.submit(agreement.once, lambda: asked.append(1), lambda: None)
        go_on.set()
        assert isinstance(first.exception(PATIENCE), KeyboardInterrupt)
        second.result(PATIENCE)
    assert asked == [1]


def test_a_fork_in_the_middle_asks_for_itself(server):
    begun, go_on = threading.Event(), threading.Event()

    def key():
        if threading.current_thread() is threading.main_thread():
            return "of-the-fork"
        begun.set()
        assert go_on.wait(PATIENCE)
        return "of-the-parent"

    def child(client):
        client.complete("from the fork")

    with server.client("anthropic", api_key=key, max_retries=0, model=MODEL) as client, ThreadPoolExecutor(1) as pool:
        parent = pool.submit(client.complete, "from the parent")
        assert begun.wait(PATIENCE)
        fork = multiprocessing.get_context("fork").Process(target=child, args=(client,))
        fork.start()
        fork.join(PATIENCE)
        assert fork.exitcode == 0
        go_on.set()
        assert parent.result(PATIENCE).text == "from the parent"
    assert [request.headers["x-api-key"] for request in server.requests] == ["of-the-fork", "of-the-parent"]
    assert isinstance(client, Client)
