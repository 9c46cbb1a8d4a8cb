"""Tools that ask a database through Django: threads leave no connection open, and the caller's own is untouched.

Each in a Python of its own, as Django is configured once.
"""

import subprocess
import sys
import textwrap

SETTINGS = """
import sys, threading
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1], "CONN_MAX_AGE": None}},
    INSTALLED_APPS=[],
)
django.setup()
from django.db import connection, connections, models


class Item(models.Model):
    name = models.TextField()
    packets = models.IntegerField()

    class Meta:
        app_label = "shop"


with connection.schema_editor() as editor:
    editor.create_model(Item)
Item.objects.create(name="tea", packets=3)
own = connection.connection
assert own is not None
used = []
"""
TALK = """
from llmkit import ToolCall, ToolResult, tool
from llmkit.testing import FakeServer


def stock(name: str) -> int:
    "How much there is."
    packets = Item.objects.get(name=name).packets
    used.append((threading.get_ident(), connection.connection, connections["default"]))
    return packets


def talk(count, way, **options):
    used.clear()
    with FakeServer() as server:
        server.reply([ToolCall(f"call_{number}", "stock", {"name": "tea"}) for number in range(count)])
        server.reply("Done.")
        chat = server.client("anthropic").chat(tools=[tool(stock, **options)])
        response = chat.send("Tea?") if way == "whole" else chat.stream("Tea?").collect()
        told = [part.text for part in chat.messages[2].content if isinstance(part, ToolResult)]
    assert response.text == "Done."
    assert told == ["3"] * count, told
    assert connection.connection is own  # and it works
    assert Item.objects.count() == 1


def assert_in_threads():
    for thread, raw, wrapper in used:
        assert thread != threading.get_ident()
        assert raw is not own
        assert wrapper.connection is None, "left open"
"""


def run(code, *arguments):
    found = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_connections_of_tools(tmp_path):
    """A single call runs where its caller does, with the caller's connection; threads close theirs."""
    talks = """
    talk(1, "whole")
    assert [(thread, raw) for thread, raw, _ in used] == [(threading.get_ident(), own)]
    talk(3, "whole")
    assert_in_threads()
    talk(1, "whole", timeout=60)
    assert_in_threads()
    talk(1, "streamed")
    assert_in_threads()
    talk(3, "streamed")
    assert_in_threads()
    """
    run(SETTINGS + TALK + textwrap.dedent(talks), str(tmp_path / "shop.sqlite3"))


def test_django_that_is_imported_and_not_configured():
    """Tools of others than Django's answer all the same."""
    run("""
    import django.db
    from llmkit import ToolCall
    from llmkit.testing import FakeServer

    def look() -> int:
        "Looks."
        return 1

    with FakeServer() as server:
        server.reply([ToolCall("call_1", "look", {}), ToolCall("call_2", "look", {})])
        server.reply("Done.")
        assert server.client("anthropic").chat(tools=[look]).send("Look.").text == "Done."
    """)
