"""`llmkit.keys`: stored keys, profiles, logging in again; how they are kept from others, and `llmkit keys`."""

import io
import json
import multiprocessing
import os
import pickle
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faults.exposure import seen_of

from llmkit import AuthenticationError, Client, ConfigurationError, LLMKitError, MissingAuthError, Provider, keys
from llmkit.cli import main
from llmkit.keystore import folder
from llmkit.private_files import PrivateFolder

KEY = "sk-ant-stored-0123456789abcdef"
OTHER = "sk-ant-other-0123456789abcdef"
PATIENCE = 60
MODEL = "claude-x"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder of stored keys; not there yet."""
    found = tmp_path / "settings" / "llmkit"
    monkeypatch.setenv("LLMKIT_CONFIG", str(found))
    return found


def sent(server, name="anthropic", **options):
    """The key that a client of `server` sends."""
    with Client(name, base_url=server.url, model=MODEL, **options) as client:
        client.complete("Hi")
    return server.requests[-1].headers.get("x-api-key") or server.requests[-1].headers["authorization"]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# ---- where ---------------------------------------------------------------------------------------------------------

HOME = Path("/home/me")
FOLDERS = {
    "Linux": ("linux", {}, "/home/me/.config/llmkit"),
    "Linux, told": ("linux", {"XDG_CONFIG_HOME": "/x"}, "/x/llmkit"),
    "Linux, told a relative one": ("linux", {"XDG_CONFIG_HOME": "x"}, "/home/me/.config/llmkit"),
    "macOS": ("darwin", {"XDG_CONFIG_HOME": "/x"}, "/home/me/Library/Application Support/llmkit"),
    "Windows": ("win32", {"APPDATA": "/me/Roaming"}, "/me/Roaming/llmkit"),
    "Windows, not told": ("win32", {}, "/home/me/AppData/Roaming/llmkit"),
    "wherever, told": ("win32", {"LLMKIT_CONFIG": "/mine", "APPDATA": "/me"}, "/mine"),
}


@pytest.mark.parametrize(("platform", "environ", "expected"), FOLDERS.values(), ids=FOLDERS.keys())
def test_where_keys_are_stored(platform, environ, expected):
    assert folder(environ, platform, lambda: HOME) == Path(expected)


def test_a_folder_that_hangs_on_where_one_stands():
    with pytest.raises(ConfigurationError, match="LLMKIT_CONFIG: expected an absolute path, got 'here'"):
        folder({"LLMKIT_CONFIG": "here"})


@pytest.mark.parametrize("known", [None, Path("here")], ids=["none", "one that hangs on where one stands"])
def test_no_home(known):
    def home():
        if known is None:
            raise RuntimeError
        return known

    with pytest.raises(ConfigurationError, match="set LLMKIT_CONFIG"):
        folder({}, "linux", home)


# ---- stored, and found ---------------------------------------------------------------------------------------------


def test_a_stored_key_is_found(server, place):
    assert keys.get("anthropic") is None
    assert keys.names() == keys.profiles() == []
    assert not place.exists(), "reading makes nothing"
    keys.set("anthropic", OTHER)
    keys.set("anthropic", KEY)
    assert keys.get("anthropic") == KEY
    assert keys.path() == place / "credentials.json"
    assert sent(server) == KEY
    assert keys.remove("anthropic")
    assert not keys.remove("anthropic")
    with pytest.raises(MissingAuthError, match=r"set the environment variable ANTHROPIC_API_KEY, store one by `llmkit"):
        Client("anthropic")


def test_what_goes_before_it(server, monkeypatch, place):
    keys.set("anthropic", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", OTHER)
    assert sent(server) == OTHER
    assert sent(server, api_key="passed") == "passed"
    (place / "credentials.json").chmod(0o644)
    assert sent(server) == OTHER, "it is not even looked at"


def test_another_row_of_the_same_host_and_key(server):
    keys.set("openai", KEY)
    assert sent(server, "openai-chat") == f"Bearer {KEY}"
    stranger = Provider("x", "openai-chat", "https://x.example", key_variables=("OPENAI_API_KEY",))
    with pytest.raises(MissingAuthError):
        Client(stranger)


def test_it_goes_to_the_rows_own_host_alone(place):
    keys.set("anthropic", KEY)
    Client("anthropic", base_url="https://api.anthropic.com/v1")
    for options in ({}, {"profile": "default"}):
        with pytest.raises(MissingAuthError, match=r"is sent only to api\.anthropic\.com; pass api_key="):
            Client("anthropic", base_url="https://gateway.example", **options)


def test_a_row_that_needs_no_key(server, place):
    """It is sent one that is stored, and does without where the store is unfit."""
    keys.set("vllm", KEY)
    assert sent(server, "vllm") == f"Bearer {KEY}"
    (place / "credentials.json").chmod(0o644)
    Client("vllm")
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Client("vllm", profile="default")


def test_profiles(server, monkeypatch):
    keys.set("anthropic", KEY)
    keys.set("anthropic", OTHER, profile="work")
    assert keys.profiles() == ["default", "work"]
    assert keys.names(profile="work") == ["anthropic"]
    assert sent(server) == KEY
    assert sent(server, profile="work") == OTHER
    monkeypatch.setenv("LLMKIT_PROFILE", "work")
    assert sent(server) == OTHER
    assert keys.get("anthropic") == OTHER
    assert sent(server, profile="default") == KEY
    with pytest.raises(
        MissingAuthError, match="no API key for openai in the profile 'work': store one by `llmkit keys"
    ):
        Client("openai", profile="work")
    assert keys.remove("anthropic")
    assert keys.profiles() == ["default"]


def test_the_environment_goes_before_a_profile_that_it_names_and_not_before_one_that_the_program_does(
    server, monkeypatch
):
    keys.set("anthropic", KEY, profile="work")
    monkeypatch.setenv("ANTHROPIC_API_KEY", OTHER)
    monkeypatch.setenv("LLMKIT_PROFILE", "work")
    assert sent(server) == OTHER
    assert sent(server, profile="work") == KEY


BESIDE = {
    "api_key": {"api_key": KEY},
    "auth": {"auth": lambda request: request},
    "a header": {"headers": {"X-Api-Key": KEY}},
}


@pytest.mark.parametrize("more", BESIDE.values(), ids=BESIDE.keys())
def test_a_profile_beside_what_else_says_the_key(more):
    with pytest.raises(ConfigurationError, match="^profile: something else says the key") as caught:
        Client("anthropic", profile="work", **more)
    assert shown(caught.value) == []


def mine(**more):
    return Provider("mine", "openai-chat", "https://x.example", key_variables=("MINE_KEY",), **more)


ADVICE = {
    "the profile of the environment": (
        "anthropic",
        {"LLMKIT_PROFILE": "my work"},
        {},
        "`llmkit keys set anthropic --profile 'my work'`, or",
    ),
    "a profile": ("anthropic", {}, {"profile": "my work"}, "`llmkit keys set anthropic --profile 'my work'`, or"),
    "a row of the caller's": (mine(), {}, {}, r"`llmkit\.keys\.set\('mine', \.\.\.\)`, or"),
    "both": (mine(), {}, {"profile": "work"}, r"`llmkit\.keys\.set\('mine', \.\.\., profile='work'\)`, or"),
}


@pytest.mark.parametrize(("name", "environ", "options", "words"), ADVICE.values(), ids=ADVICE.keys())
def test_advice_that_can_be_followed(monkeypatch, name, environ, options, words):
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(MissingAuthError, match=words):
        Client(name, **options)


def test_a_refused_key_is_told_by_where_it_came_from(server):
    keys.set("anthropic", KEY, profile="work")
    server.reply(AuthenticationError(f"bad key {KEY}", status=401))
    with Client("anthropic", base_url=server.url, model=MODEL, max_retries=0, profile="work") as client:
        with pytest.raises(AuthenticationError, match=r"from the stored keys .anthropic, profile 'work'.$") as caught:
            client.complete("Hi")
        assert shown(caught.value) == []


def test_a_pickled_client_looks_again(server):
    keys.set("anthropic", KEY)
    with Client("anthropic", base_url=server.url, model=MODEL) as client:
        data = pickle.dumps(client)
    assert KEY.encode() not in data
    assert KEY not in repr(client)
    keys.set("anthropic", OTHER)
    with pickle.loads(data) as again:
        again.complete("Hi")
    assert server.requests[-1].headers["x-api-key"] == OTHER
    keys.remove("anthropic")
    with pytest.raises(MissingAuthError):
        pickle.loads(data)


# ---- what is refused -----------------------------------------------------------------------------------------------


def shown(error):
    """Where a key is to be seen of an error."""
    return [place for place, text in seen_of(error) if any(key[:12] in text for key in (KEY, OTHER))]


def expose(place):
    (place / "credentials.json").chmod(0o640)


def replace_by(data):
    def spoil(place):
        (place / "credentials.json").write_bytes(data)

    return spoil


def link(place):
    file = place / "credentials.json"
    file.rename(place / "elsewhere.json")
    file.symlink_to("elsewhere.json")


def make_folder(place):
    (place / "credentials.json").unlink()
    (place / "credentials.json").mkdir(mode=0o700)


def make_pipe(place):
    (place / "credentials.json").unlink()
    os.mkfifo(place / "credentials.json", 0o600)


def give_away(place):
    os.chown(place / "credentials.json", 12345, -1)


def give_folder_away(place):
    os.chown(place, 12345, -1)


as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
HELD = json.dumps({"anthropic": KEY}).encode()
UNFIT = {
    "readable by the group": (expose, r"others can read it, so its keys may be known to them; run: chmod 600 /"),
    "in a folder that others change": (lambda place: place.chmod(0o770), "others can change what is in it; run: chmod"),
    "a link": (link, "it is a link"),
    "a folder": (make_folder, "it is no file"),
    "a pipe": (make_pipe, "it is no file"),
    "cut off": (replace_by(b'{"llmkit": "credentials",\n"profiles": ' + HELD), "it is no file of keys .line 2"),
    "empty": (replace_by(b""), "it is no file of keys"),
    "not UTF-8": (replace_by(b'{"' + KEY.encode() + b'": "\xff"}'), "it is no file of keys"),
    "deep": (replace_by(b"[" * 200_000), "it is no file of keys"),
    "something else": (replace_by(HELD), "it is no file of keys"),
    "of a later version": (
        replace_by(b'{"llmkit": "credentials", "version": 2, "profiles": ' + HELD + b"}"),
        "by a later version of llmkit",
    ),
    "of no version": (replace_by(b'{"llmkit": "credentials", "profiles": ' + HELD + b"}"), "it is no file of keys"),
    "no profiles": (
        replace_by(b'{"llmkit": "credentials", "version": 1, "profiles": ' + HELD + b"}"),
        r"\$\.profiles: expected profiles",
    ),
    "too large": (replace_by(KEY.encode() * 50_000), "it is larger than 1,048,576 bytes"),
}
GIVEN_AWAY = {
    "of another user": (give_away, "it belongs to another user .uid 12345"),
    "in another user's folder": (give_folder_away, "it belongs to another user .uid 12345"),
}
USES = {
    "a client": lambda: Client("anthropic"),
    "get": lambda: keys.get("anthropic"),
    "set": lambda: keys.set("openai", OTHER),
    "remove": lambda: keys.remove("anthropic"),
    "names": keys.names,
    "stored": keys.stored("anthropic", lambda: OTHER),
}


def refuses(place, spoil, words):
    keys.set("anthropic", KEY)
    spoil(place)
    for use in USES.values():
        with pytest.raises(ConfigurationError, match=words) as caught:
            use()
        assert not isinstance(caught.value, MissingAuthError)
        assert shown(caught.value) == []
        assert caught.value.__context__ is None
    left = {path.name for path in place.iterdir()} - {"elsewhere.json"}
    assert left == {"credentials.json", "credentials.lock"}


@pytest.mark.parametrize(("spoil", "words"), UNFIT.values(), ids=UNFIT.keys())
def test_a_file_that_is_not_safe_or_no_file_of_keys(place, spoil, words):
    refuses(place, spoil, words)


@as_root
@pytest.mark.parametrize(("spoil", "words"), GIVEN_AWAY.values(), ids=GIVEN_AWAY.keys())
def test_a_file_that_is_anothers(place, spoil, words):
    refuses(place, spoil, words)


BAD_ARGUMENTS = {
    "key with a line end": (lambda: keys.set("anthropic", KEY + "\n"), "^value: it holds control"),
    "key in bytes": (lambda: keys.set("anthropic", KEY.encode()), "^value: expected text"),
    "no key": (lambda: keys.set("anthropic", ""), "^value: it is empty"),
    "no name": (lambda: keys.set("", KEY), "^name: expected a name in one line"),
    "a name that is none": (lambda: keys.get(None), "^name: expected a name, got NoneType"),
    "key and name mixed up": (lambda: keys.set(KEY + "\n", "anthropic"), "^name: expected a name in one line"),
    "profile": (lambda: keys.names(profile="a\nb"), "^profile: expected"),
    "profile of a client": (lambda: Client("anthropic", profile=3), "^profile: expected a name, got int"),
    "another profile of a client": (lambda: Client("anthropic", profile=""), "^profile: expected a name in one line"),
    "function": (lambda: keys.stored("anthropic", KEY), "^function: expected a function"),
    "more than the file may hold": (lambda: keys.set("anthropic", KEY * 50_000), "it would be larger than 1,048,576"),
}


@pytest.mark.parametrize(("use", "words"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_arguments(use, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        use()
    assert shown(caught.value) == []


def test_a_key_in_the_place_of_a_provider():
    """Other libraries want it there."""
    with pytest.raises(ConfigurationError, match="none is named as what was passed .30 characters, not") as caught:
        Client(KEY)
    assert KEY not in str(caught.value)


def test_a_profile_that_the_environment_names_badly(monkeypatch):
    monkeypatch.setenv("LLMKIT_PROFILE", "a\tb")
    with pytest.raises(
        ConfigurationError,
        match="^no API key for anthropic in ANTHROPIC_API_KEY, and the stored ones cannot be used: LLMKIT_PRO",
    ):
        Client("anthropic")
    with pytest.raises(ConfigurationError, match="^LLMKIT_PROFILE: expected a name"):
        keys.names()


# ---- written -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177])
def test_nobody_else_can_read_it_whatever_the_umask(place, umask):
    before = os.umask(umask & 0o077)
    try:
        keys.set("anthropic", KEY)
        os.umask(umask)
        keys.set("openai", KEY)
    finally:
        os.umask(before)
    assert [mode(path) for path in (place.parent, place)] == [0o700, 0o700]
    assert {mode(path) for path in place.iterdir()} == {0o600}


def test_what_an_interrupted_process_left(place):
    keys.set("anthropic", KEY)
    left = place / "credentials.json.new"
    left.write_text("half of")
    left.chmod(0o644)
    keys.set("openai", OTHER)
    assert not left.exists()
    assert keys.names() == ["anthropic", "openai"]
    assert mode(keys.path()) == 0o600


def test_a_link_that_waits_for_what_is_written(place, tmp_path):
    """It is not followed."""
    keys.set("anthropic", KEY)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (place / "credentials.json.new").symlink_to(victim)
    keys.set("anthropic", OTHER)
    assert victim.read_text() == "mine"
    assert keys.get("anthropic") == OTHER


def test_a_disk_that_is_full_leaves_what_was_there(place):
    """Here the limit of a file's size, in a process of its own, as it has no end."""
    keys.set("anthropic", KEY)

    def child(code):
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
        try:
            keys.set("openai", OTHER)
        except ConfigurationError as error:
            code.value = 1 if "File too large" in str(error) and not shown(error) else 2

    context = multiprocessing.get_context("fork")
    code = context.Value("i", 0)
    process = context.Process(target=child, args=(code,))
    process.start()
    process.join(PATIENCE)
    assert code.value == 1
    assert keys.get("anthropic") == KEY
    assert {path.name for path in place.iterdir()} == {"credentials.json", "credentials.lock"}


def test_what_is_not_known_stays(place):
    keys.set("anthropic", KEY)
    document = json.loads(keys.path().read_bytes())
    keys.path().write_text(json.dumps({**document, "of tomorrow": [1]}))
    keys.set("openai", OTHER)
    assert json.loads(keys.path().read_bytes())["of tomorrow"] == [1]


def test_many_who_write_at_once():
    """Threads and processes; nobody's key is lost, and every reading in between is whole."""

    def write(first):
        for number in range(first, first + 5):
            keys.set(f"name-{number}", f"key-{number}")
            assert keys.get(f"name-{number}") == f"key-{number}"

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write, args=(first,)) for first in (0, 10)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write, first) for first in (20, 30)]:
            done.result(PATIENCE)
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    assert len(keys.names()) == 20


def test_a_lock_that_is_held(place):
    """Not for ever; and it is free again when its holder forks and ends."""
    place.mkdir(mode=0o700, parents=True)
    with PrivateFolder(place) as held, PrivateFolder(place) as other:
        held_for = pytest.raises(ConfigurationError, match="lock: another process has held it for 0.05 s")
        with held.locked("lock"), held_for, other.locked("lock", 0.05):
            pass
        with other.locked("lock", 0.05):
            pass


def test_ctrl_c_while_another_process_writes(place):
    """Here a timer's signal, which comes while the lock is waited for."""
    import signal

    def interrupt(*_):
        raise KeyboardInterrupt

    keys.set("openai", OTHER)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with PrivateFolder(place) as held, held.locked("credentials.lock"):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt) as caught:
                keys.set("anthropic", KEY)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert shown(caught.value) == []
    assert keys.names() == ["openai"]


def test_a_home_that_cannot_be_entered(place):
    """Of another user, as containers have it: nothing is stored there for this one, who is told of the variable."""

    def child(code):
        if os.geteuid() == 0:
            os.setuid(12345)
        try:
            Client("anthropic")
        except MissingAuthError as error:
            code.value = 1 if "ANTHROPIC_API_KEY" in str(error) else 2
        try:
            keys.get("anthropic")
        except ConfigurationError as error:
            code.value += 10 if "Permission denied" in str(error) else 20

    place.mkdir(parents=True)
    with pytest.raises(MissingAuthError):  # which imports what it needs
        Client("anthropic")
    place.parent.chmod(0)
    context = multiprocessing.get_context("fork")
    code = context.Value("i", 0)
    process = context.Process(target=child, args=(code,))
    process.start()
    process.join(PATIENCE)
    place.parent.chmod(0o700)
    assert code.value == 11


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(place):  # pragma: no cover - of who is not root
    place.mkdir(mode=0o500, parents=True)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        keys.set("anthropic", KEY)


@pytest.mark.parametrize("held", [True, False], ids=["held open", "by its path"])
def test_a_folder_alone(place, held):
    """Not every system can hold one open."""
    with PrivateFolder(place, create=True, held=held) as opened:
        assert opened.read("a") is None
        with opened.locked("lock"):
            opened.write("a", b"1")
            opened.write("a", b"2")
        assert opened.read("a") == b"2"
        (place / "b").symlink_to("a")
        with pytest.raises(ConfigurationError, match="it is a link"):
            opened.read("b")
    assert {path.name for path in place.iterdir()} == {"a", "b", "lock"}
    place.chmod(0o777)
    with pytest.raises(ConfigurationError, match="others can change"):
        PrivateFolder(place, held=held)


def test_a_folder_for_everybody(place):
    """As /tmp is, whose mode nobody should be told to change."""
    place.mkdir(parents=True)
    place.chmod(0o1777)
    with pytest.raises(ConfigurationError, match="it is for everybody; take a folder of your own$"):
        keys.set("anthropic", KEY)


def test_a_folder_that_is_a_file(place, tmp_path):
    (tmp_path / "settings").write_text("")
    assert keys.get("anthropic") is None
    with pytest.raises(ConfigurationError, match="Not a directory"):
        keys.set("anthropic", KEY)


# ---- logging in again ----------------------------------------------------------------------------------------------


class Host:
    """Answers to some keys."""

    def __init__(self, *good):
        self.good = set(good)

    def __call__(self, request):
        if request.headers["x-api-key"] not in self.good:
            raise AuthenticationError("expired", status=401)


def logging_in(server, *answers, **options):
    """A client that logs in where the stored key is refused; and how often it did."""
    asked = iter(answers)
    count = []

    def log_in():
        count.append(1)
        return next(asked)

    source = keys.stored("anthropic", log_in)
    return server.client("anthropic", api_key=source, model=MODEL, max_retries=0, **options), count


def test_the_first_login_is_kept_once_the_host_has_answered(server):
    server.reply_with(Host(KEY))
    client, count = logging_in(server, KEY)
    server.fault("overloaded")
    with pytest.raises(LLMKitError):
        client.complete("Hi")
    assert keys.get("anthropic") is None
    client.complete("Hi")
    assert keys.get("anthropic") == KEY
    client.complete("Hi")
    assert count == [1]
    again, count = logging_in(server, OTHER)
    again.complete("Hi")
    assert count == []


def test_a_stored_key_that_is_refused(server):
    keys.set("anthropic", OTHER)
    server.reply_with(Host(KEY))
    client, count = logging_in(server, KEY)
    assert client.complete("Hi").attempts == 2
    assert (keys.get("anthropic"), count) == (KEY, [1])


def test_a_login_that_is_refused_is_not_kept(server):
    keys.set("anthropic", OTHER)
    server.reply_with(Host(KEY))
    client, count = logging_in(server, "sk-bad", KEY)
    with pytest.raises(AuthenticationError):
        client.complete("Hi")
    assert keys.get("anthropic") == OTHER, "what was stored stays until there is something better"
    assert client.complete("Hi").attempts == 1, "what was refused is not tried again"
    assert (keys.get("anthropic"), count) == (KEY, [1, 1])


def test_another_process_has_logged_in_since(server):
    keys.set("anthropic", OTHER)
    server.reply_with(Host(OTHER))
    client, count = logging_in(server)
    client.complete("Hi")
    keys.set("anthropic", KEY)
    server.reply_with(Host(KEY))
    client.complete("Hi")
    assert count == []


def test_a_late_answer_to_a_key_that_was_replaced(server):
    """It was good when it was sent; what is stored is the one after it."""
    source = keys.stored("anthropic", iter([OTHER, KEY]).__next__)
    assert source() == OTHER
    source.refused(OTHER)
    assert source() == KEY
    source.accepted(KEY)
    source.accepted(OTHER)
    assert keys.get("anthropic") == KEY


def test_eight_threads_log_in_once(server):
    keys.set("anthropic", OTHER)
    there, host = threading.Barrier(8), Host(KEY)

    def answer(request):
        if request.headers["x-api-key"] == OTHER:
            there.wait(PATIENCE)
        return host(request)

    server.reply_with(answer)
    client, count = logging_in(server, KEY)
    with ThreadPoolExecutor(8) as pool:
        assert [a.text for a in pool.map(client.complete, ["Hi"] * 8)] == ["Hi"] * 8
    assert (keys.get("anthropic"), count) == (KEY, [1])


def test_clients_that_share_a_login(server):
    """It is asked for by one of them, also before the host has answered to it."""
    begin, most, asking = threading.Barrier(4), [], []

    def log_in():
        asking.append(1)
        most.append(len(asking))
        threading.Event().wait(0.05)
        asking.pop()
        return KEY

    source = keys.stored("company", log_in)

    def call(client):
        begin.wait(PATIENCE)
        return client.complete("Hi").text

    with ThreadPoolExecutor(4) as pool:
        clients = [server.client("anthropic", api_key=source, model=MODEL) for _ in range(4)]
        assert list(pool.map(call, clients)) == ["Hi"] * 4
    assert most == [1]
    assert keys.get("company") == KEY


def log_in():
    return KEY


def test_a_source_shows_no_key(server):
    keys.set("anthropic", OTHER, profile="work")
    source = keys.stored("anthropic", log_in, profile="work")
    server.reply_with(Host(KEY))
    with server.client("anthropic", api_key=source, model=MODEL) as client:
        client.complete("Hi")
        shown = [repr(source), pickle.dumps(source).decode("latin-1"), pickle.dumps(client).decode("latin-1")]
        with pickle.loads(pickle.dumps(client)) as copy:
            copy.complete("Hi")
    assert not [text for text in shown if KEY in text or OTHER in text]
    assert repr(source) == "Stored('anthropic', profile='work')"
    assert keys.get("anthropic", profile="work") == KEY


def test_a_login_that_fails_shows_no_key(server):
    keys.set("anthropic", OTHER)
    server.reply_with(Host())

    def fails():
        raise ZeroDivisionError

    with server.client("anthropic", api_key=keys.stored("anthropic", fails), model=MODEL) as client:
        with pytest.raises(MissingAuthError) as caught:
            client.complete("Hi")
        assert shown(caught.value) == []
        assert caught.value.attempts == 1
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_login_that_cannot_be_stored_is_told_of(server, place):
    client, _ = logging_in(server, KEY)
    place.parent.write_text("")
    with pytest.warns(UserWarning, match="the key is good, and could not be kept: .*Not a directory") as warned:
        assert client.complete("Hi").text == "Hi"
    assert KEY not in str(warned[0].message)


# ---- .env ----------------------------------------------------------------------------------------------------------

LINES = {
    "plain": ("A=b", "b"),
    "blanks": ("  A =  b c \t", "b c"),
    "export": ("export A=b", "b"),
    "comment": ("A=b # c", "b"),
    "no comment": ("A=b#c", "b#c"),
    "empty": ("A=", ""),
    "empty, and a comment": ("A= # c", ""),
    "single quotes": ("A='b # \\n $c' # d", "b # \\n $c"),
    "double quotes": ('A="b\\n\\"c\\" \\$d # e"', 'b\n"c" $d # e'),
    "equals": ("A=b=c", "b=c"),
    "carriage return": ("A=b\r", "b"),
    "quotes within": ("A=b'c\"d", "b'c\"d"),
    "price": ("A=5$", "5$"),
    "not ASCII": ("A=ä", "ä"),
}


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    monkeypatch.delenv("A", raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # what is put there goes with the test
    return tmp_path / "my.env"


@pytest.mark.parametrize(("line", "value"), LINES.values(), ids=LINES.keys())
def test_lines_of_a_dotenv_file(env_file, line, value):
    env_file.write_bytes(f"\ufeff# comment\n\n{line}\n   # another".encode())
    assert keys.load_dotenv(env_file) == ["A"]
    assert os.environ["A"] == value


BAD_LINES = {
    "no name": (f"\n{KEY}", "line 2: expected NAME=value"),
    "quote without an end": (f"A='{KEY}", "line 1: expected NAME=value"),
    "behind a quote": (f'A="b" {KEY}', "line 1: expected NAME=value"),
    "reference": (f"A={KEY}${{B}}", "line 1: it refers to another variable"),
    "NUL": (f"A={KEY}\0", "line 1: expected NAME=value"),
    "Latin-1": ("A=ä".encode("latin-1"), "it is not UTF-8"),
}


@pytest.mark.parametrize("line", ["A={}'", "export{}'", "A='b'{}c", "A=b{}\0"])
def test_a_line_of_many_blanks_is_read_in_no_time(env_file, line):
    env_file.write_text(line.format(" " * 200_000))
    with pytest.raises(ConfigurationError, match="line 1: expected NAME=value"):
        keys.load_dotenv(env_file)


def test_a_path_that_is_none():
    with pytest.raises(ConfigurationError, match="embedded null"):
        keys.load_dotenv("a\0b")


@pytest.mark.parametrize(("text", "words"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_lines_that_are_none(env_file, text, words):
    env_file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError, match=words) as caught:
        keys.load_dotenv(env_file)
    assert "A" not in os.environ
    assert shown(caught.value) == []


def test_a_dotenv_file_is_only_read_when_asked(env_file, monkeypatch, server):
    monkeypatch.chdir(env_file.parent)
    Path(".env").write_text(f"ANTHROPIC_API_KEY={KEY}\nA=new\n")
    with pytest.raises(MissingAuthError):
        Client("anthropic")
    os.environ["A"] = "old"
    assert keys.load_dotenv() == ["ANTHROPIC_API_KEY"]
    assert sent(server) == KEY
    assert os.environ["A"] == "old"
    assert keys.load_dotenv(override=True) == ["ANTHROPIC_API_KEY", "A"]
    assert os.environ["A"] == "new"
    with pytest.raises(ConfigurationError, match="No such file"):
        keys.load_dotenv("elsewhere.env")


def test_what_the_locale_cannot_hold(env_file):
    """In a process that Python's own ways around such locales are switched off for."""
    env_file.write_text(f"A={KEY}ä", encoding="utf-8")
    code = "import sys; from llmkit import keys; keys.load_dotenv(sys.argv[1])"
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code, env_file], env={**os.environ, **plain}, check=False, capture_output=True, text=True
    )
    assert "a value cannot stand in the environment of this locale" in done.stderr
    assert KEY[:10] not in done.stderr


def test_the_locale_makes_no_difference_to_stored_keys(tmp_path):
    keys.set("anthropic", KEY, profile="für uns")
    code = "from llmkit import keys; keys.set('\\xfc', keys.get('anthropic', profile='f\\xfcr uns'))"
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LLMKIT_CONFIG": str(keys.path().parent)}
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **plain}, check=True, capture_output=True)
    assert keys.get("ü") == KEY


# ---- llmkit keys ---------------------------------------------------------------------------------------------------


class Input(io.TextIOWrapper):
    def __init__(self, data):
        super().__init__(io.BytesIO(data))


@pytest.fixture
def run(capsys, monkeypatch):
    """`llmkit keys` → code, standard output, standard error; neither of which ever shows a key."""

    def command(*arguments, data=b""):
        monkeypatch.setattr(sys, "stdin", Input(data))
        code = main(["keys", *arguments])
        out, err = capsys.readouterr()
        assert KEY[:10] not in out + err
        return code, out, err

    return command


def test_the_command(run, monkeypatch, place):
    assert run("path") == (0, f"{place / 'credentials.json'}\n", "")
    code, out, err = run("set", "anthropic", data=f"{KEY}\n".encode())
    assert (code, out) == (0, "")
    assert "is stored in" in err
    assert keys.get("anthropic") == KEY
    run("set", "openai", "--profile", "work", data=f"\ufeff  {KEY}\r\n".encode())
    assert keys.get("openai", profile="work") == KEY
    assert run("list") == (0, "default: anthropic\nwork: openai\n", "")
    assert run("list", "--profile", "work") == (0, "work: openai\n", "")
    code, out, err = run("get", "openai-chat", "--profile", "work")
    assert (code, err) == (0, "")
    assert out.startswith("openai: stored in the profile work (sha256 ")
    assert run("get", "mistral") == (1, "", "llmkit: there is no key for mistral in the profile default\n")
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    assert run("get", "mistral")[1].startswith("mistral: MISTRAL_API_KEY of the environment (sha256 ")
    assert "MISTRAL_API_KEY of the environment is set, and goes before" in run("set", "mistral", data=b"k123456789")[2]
    assert len(run("get", "mistral")[1].splitlines()) == 2
    assert run("remove", "mistral") == (0, "", "")
    assert run("remove", "mistral") == (1, "", "llmkit: there is no key of that name in the profile default\n")
    keys.set("company", KEY)
    assert run("get", "company")[1].startswith("company: stored in the profile default (sha256 ")


REFUSED = {
    "the key as an argument": (["set", "anthropic", KEY], b"", "a key is no argument"),
    "as an option": (["set", "anthropic", "--key", KEY], b"", "a key is no argument"),
    "as an option that nobody knows": (["set", "anthropic", f"--anthropic-key={KEY}"], b"", "a key is no argument"),
    "in front of the name": (["set", "--apikey", KEY, "anthropic"], b"", "a key is no argument"),
    "in the place of the name": (["set", KEY], b"", "none is named as what was passed"),
    "along with the name": (["set", f"anthropic={KEY}"], b"", "none is named as what was passed"),
    "in the place of the command": ([KEY], b"", "argument COMMAND: invalid choice: not shown (choose from"),
    "to list": (["list", KEY], b"", "a key is no argument"),
    "to get": (["get", KEY], b"", "none is named as what was passed"),
    "no name": (["set"], b"", "required: NAME\n"),
    "too long": (["set", "anthropic"], b"k" * 70_000, "it is longer than 65,536 bytes"),
    "nothing": (["set", "anthropic"], b"\n", "no key was told"),
    "two lines": (["set", "anthropic"], f"{KEY}\n{KEY}".encode(), "it holds control characters"),
    "no text": (
        ["set", "anthropic"],
        KEY.encode() + b"\xff",
        "characters outside ASCII",
    ),
    "no provider": (["set", "antropic"], KEY.encode(), "try anthropic"),
    "no profile": (["set", "anthropic", "--profile", "a\nb"], KEY.encode(), "profile: expected"),
}


@pytest.mark.parametrize(("arguments", "data", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_command_refuses(run, arguments, data, words):
    code, out, err = run(*arguments, data=data)
    assert (code, out) == (2, "")
    assert words in err
    assert keys.names() == []


def test_a_key_in_the_place_of_a_name_is_not_repeated(run):
    assert run("remove", KEY)[0] == 1


def test_a_terminal_is_asked_without_showing(capsys):
    """A real one, of a process of its own."""
    import pty

    pid, fd = pty.fork()
    if pid == 0:  # pragma: no cover - another process
        os.execv(sys.executable, [sys.executable, "-m", "llmkit", "keys", "set", "anthropic"])
    seen = b""
    while b"not shown" not in seen:
        seen += os.read(fd, 1024)
    os.write(fd, f"{KEY}\n".encode())
    try:
        while data := os.read(fd, 1024):
            seen += data
    except OSError:  # how Linux tells the end
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(fd)
    assert KEY.encode() not in seen
    assert keys.get("anthropic") == KEY


def test_ask_takes_a_profile(server, monkeypatch, capsys):
    keys.set("anthropic", KEY, profile="work")
    monkeypatch.setattr(sys, "stdin", Input(b""))
    assert main(["ask", "--base-url", server.url, "--profile", "work", "Hi"]) == 0
    assert server.requests[-1].headers["x-api-key"] == KEY
