"""llmkit in a Django project: clients from the settings, answers streamed to browsers, conversations in the database.

::

    # settings.py
    INSTALLED_APPS = [..., "llmkit.django"]  # for `manage.py check`
    LLMKIT = {"default": {"provider": "anthropic", "model": "claude-sonnet-5"}}

    # views.py
    from llmkit.django import event_stream, get_client


    @require_POST
    def answer(request):
        return event_stream(get_client().stream(request.POST["prompt"]))

docs/django.md has the rest.
"""

from llmkit.errors import ConfigurationError

try:
    import django  # noqa: F401 - the extra
except ModuleNotFoundError as exc:
    raise ConfigurationError("llmkit.django needs Django: pip install 'llmkit[django]'") from exc

from llmkit.django.clients import get_client
from llmkit.django.fields import MessagesField
from llmkit.django.frames import End, Problem, Sent, encode, frame, problem
from llmkit.django.streaming import event_stream

__all__ = ["End", "MessagesField", "Problem", "Sent", "encode", "event_stream", "frame", "get_client", "problem"]
