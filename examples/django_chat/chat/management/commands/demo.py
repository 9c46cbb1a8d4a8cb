"""``python manage.py demo``: the chat without a key and without a network."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandParser, call_command

from chat import scripted
from llmkit.testing import FakeServer


class Command(BaseCommand):
    help = "Serve the chat with a provider on this machine, whose answers are scripted: no key is needed."
    requires_system_checks = ()  # runserver looks at the settings, once they are those of the demo

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", default="8000", help="as runserver takes it")
        parser.add_argument("--delay", type=float, default=0.04, help="seconds between the events of an answer")

    def handle(self, *, address: str, delay: float, **_: Any) -> None:
        with FakeServer() as server:
            server.reply_with(scripted.answer)
            server.delay = delay
            settings.LLMKIT = {
                "default": {"provider": "anthropic", "model": "demo", "base_url": server.url, "key": "test-key"}
            }
            call_command("migrate", verbosity=0)
            call_command("runserver", address, use_reloader=False)
