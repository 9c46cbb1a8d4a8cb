"""The house keeps its plan: imports point downwards, third parties have one door, importing is cheap."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints
from urllib.parse import urlsplit

import pytest

import llmkit
from llmkit import providers
from llmkit.provider import provider
from llmkit.wire import WIRES, quirks

PACKAGE = Path(llmkit.__file__).parent
# Rooms from the ground up; a room may import what stands before it, and what stands beside it.
FLOORS = (
    "errors taps",
    "deadlines docstrings media schema",
    "messages tools functions checks request response events prices counted batch",
    "json_codec sse growing accumulate history resolve output partial_json calling",
    "wire",
    (
        "provider rows addresses agreement credentials keys keystore folders private_files dotenv authorization "
        "google_auth secrets transport retry provider_errors"
    ),
    "switch limits pacing published",
    (
        "engine reader stream endpoints settings refusals answer_tool asking core many client chat chat_stream turns "
        "bulk batches batch_results jsonl fallback falling moving observing"
    ),
    "testing cli __main__ otel pytest_plugin display notebook django",
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
# What a floor above may be asked for, with the reason.
EXCEPTIONS = {
    ("errors", "messages"),  # types only
    ("errors", "response"),  # types only
    ("history", "moving"),  # `portability`, when it is used
    ("media", "display"),  # how a notebook shows it, when it does
    ("messages", "display"),  # likewise
    ("response", "display"),  # likewise
    ("stream", "display"),  # `Stream.display`, when it is called
    ("request", "wire"),  # `Request.from_wire`, when it is used
}
DOORS = {
    # Of testing and bulk, a dict that ignores case; of the plugin, what the library `responses` stands in for.
    "requests": {"transport", "testing", "bulk", "pytest_plugin"},
    "urllib3": {"transport"},
    "tenacity": {"retry"},
    "google": {"google_auth"},
    "cattrs": {"schema"},
    "jsonschema": {"schema"},
    "referencing": {"schema"},  # which jsonschema is made with
    "orjson": {"json_codec"},
    "genai_prices": {"prices"},
    "cloudpickle": {"bulk"},
    "opentelemetry": {"otel"},
    "yaml": {"testing"},
    "rich": {"cli", "display"},
    "shtab": {"cli"},
    "markdown_it": {"display"},  # which rich is made with
    "IPython": {"display", "notebook"},
    "pandas": {"notebook"},
    "matplotlib": {"notebook"},
    "django": {"django"},
    "asgiref": {"django"},
}
NEVER = {
    "anthropic",
    "openai",
    "google.genai",
    "litellm",
    "pydantic",
    "asyncio",
    "aiohttp",
    "httpx",
    "PIL",
    "numpy",
}


def room_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path):
    """Every module that a file imports, anywhere in it, and whether only for types."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "llmkit":
                names = [f"llmkit.{alias.name}" for alias in node.names]
        yield from ((name, id(node) in for_types) for name in names)


def test_every_room_has_its_floor():
    assert {room_of(path) for path in FILES} - {"__init__"} == set(FLOOR_OF)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    room = room_of(path)
    if room == "__init__":
        return
    for name, for_types in imports(path):
        if not name.startswith("llmkit.") or for_types:
            continue
        other = name.split(".")[1]
        if other not in FLOOR_OF:  # a name of the package's own door
            assert room in ("testing", "cli", "__main__") or name == "llmkit.__version__", name
            continue
        if (room, other) not in EXCEPTIONS:
            assert FLOOR_OF[other] <= FLOOR_OF[room], f"{room} imports {other}, which stands above it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_third_parties_have_their_door(path):
    for name, for_types in imports(path):
        root = name.split(".")[0]
        assert not {root, ".".join(name.split(".")[:2])} & NEVER, name
        if root in DOORS and not for_types:
            assert room_of(path) in DOORS[root], f"{name} is imported outside its door"


def test_no_wire_names_a_host():
    """Not even in a comment: how hosts deviate is data. The names of formats are no names of hosts."""
    formats = {"anthropic", "openai", "gemini", *WIRES}
    words = {row.name for row in providers()} - formats - {"together"}  # which is a word, too
    hosts = {urlsplit(row.base_url).hostname for row in providers() if "{" not in row.base_url}
    names = "|".join(map(re.escape, sorted(words | hosts)))
    pattern = re.compile(rf"(?<![\w-])({names})(?![\w-])", re.IGNORECASE)
    for path in (PACKAGE / "wire").rglob("*.py"):
        assert not pattern.findall(path.read_text()), path


def test_no_wire_and_no_engine_knows_a_host():
    rooms = {"wire", "engine", "reader", "stream", "endpoints", "client", "accumulate", "resolve", "credentials"}
    names = {row.name for row in providers()} - set(WIRES)
    for path in FILES:
        if room_of(path) not in rooms:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                words = {item.value for item in ast.walk(node) if isinstance(item, ast.Constant)}
                assert not words & names, f"{path.name}: {ast.unparse(node)}"


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_the_package_imports_nothing_else():
    loaded = run("import sys; before = set(sys.modules); import llmkit; print(*sorted(set(sys.modules) - before))")
    assert not {"requests", "attr", "attrs", "cattrs", "tenacity", "urllib3", "ssl"} & set(loaded.split())


def test_the_words_need_no_network_library():
    loaded = run("import sys; from llmkit import UserMessage, Image, Response, TextDelta; print(*sys.modules)").split()
    assert not {"requests", "cattrs", "tenacity", "urllib3"} & set(loaded)


def test_a_client_needs_no_retry_library_before_a_failure():
    loaded = run("import sys; from llmkit import Client; Client('anthropic', api_key='k'); print(*sys.modules)").split()
    assert not {"tenacity", "cattrs", "PIL", "numpy"} & set(loaded)


@pytest.mark.parametrize("row", ["anthropic", "openai", "openai-chat", "gemini"])
def test_a_client_needs_no_words_and_no_other_wire_before_a_call(row):
    """What calls are made of, and how a wire is spoken, is imported by the first; the rows of other hosts by none."""
    loaded = run(f"import sys; from llmkit import Client; Client({row!r}, api_key='k'); print(*sys.modules)").split()
    rooms = {name.split(".", 1)[1] for name in loaded if name.startswith("llmkit.")}
    assert not rooms & {"messages", "media", "tools", "events", "response", "request", "resolve", "stream", "reader"}
    assert not rooms & {"keys", "keystore", "private_files", "dotenv"}, "the key is there"
    assert not rooms & {f"wire.{form.module}" for form in WIRES.values()}
    own = WIRES[provider(row).wire].module
    near = {"common", own} | ({"openai_chat"} if row == "openai" else set())  # whose rows stand in one file
    assert {name for name in rooms if name.startswith("wire.quirks.")} <= {f"wire.quirks.{name}" for name in near}


def test_the_doors_are_those_that_checkers_see():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    seen = {}
    for test in ast.walk(tree):
        if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING":
            for node in test.body:
                seen |= {alias.asname: node.module for alias in node.names}
    assert seen == {name: f"llmkit.{module}" for name, module in llmkit._MODULE_OF.items()}
    assert set(seen) <= set(dir(llmkit))


def test_the_doors_of_quirks_are_those_that_checkers_see():
    tree = ast.parse((PACKAGE / "wire" / "quirks" / "__init__.py").read_text())
    seen = {
        alias.asname: node.module.rpartition(".")[2]
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
        for node in test.body
        for alias in node.names
    }
    assert seen == quirks._DOORS
    assert all(getattr(quirks, name) is not None for name in seen)
    assert set(seen) <= set(dir(quirks))
    with pytest.raises(AttributeError, match="no attribute 'Quirk'"):
        quirks.Quirk  # noqa: B018


@pytest.mark.parametrize("name", sorted(llmkit._MODULE_OF))
def test_every_door_opens(name):
    assert getattr(llmkit, name) is not None


def test_what_the_signature_of_a_client_names_has_a_door():
    names = {name: getattr(llmkit, name) for name in llmkit.__all__}
    found, waiting = set(), list(get_type_hints(llmkit.Client.__init__, localns=names).values())
    while waiting:
        one = waiting.pop()
        waiting += get_args(one)
        if getattr(one, "__module__", "").startswith("llmkit."):
            found.add(one.__name__)
    assert found == {"Provider", "Timeout", "RateLimit", "Price", "SupportsRequest"}
    assert found <= set(llmkit.__all__)


def test_a_misspelt_name():
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        llmkit.Clint  # noqa: B018


def test_star_import():
    names: dict[str, object] = {}
    exec("from llmkit import *", names)
    assert set(llmkit._MODULE_OF) <= set(names)


def test_the_bare_install_is_small():
    """Of ten packages at most: counted from the metadata of what is required, with all that these require."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    wanted, found = ["llmkit"], set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            rows = [Requirement(text) for text in requires(name) or ()]
            wanted += [row.name.lower() for row in rows if row.marker is None or row.marker.evaluate({"extra": ""})]
    assert len(found) <= 10, sorted(found)
