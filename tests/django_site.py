"""A small Django project, for servers to serve: its file is its settings, its models and its views.

Started with the address of a provider and the path of a database in its environment.
"""

import os
import sys
from pathlib import Path

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["SITE_DATABASE"],
            "ATOMIC_REQUESTS": True,
            "CONN_MAX_AGE": None,  # else Django would close what the view has opened by itself, in the end
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["llmkit.django"],
    LLMKIT={"default": {"provider": "openai-chat:m", "key": "k", "base_url": os.environ["SITE_PROVIDER"]}},
    MIDDLEWARE=["django.middleware.gzip.GZipMiddleware", "django.middleware.http.ConditionalGetMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of-a-test",
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402

from llmkit import AssistantMessage, TextDelta, UserMessage  # noqa: E402
from llmkit.django import MessagesField, encode, event_stream, frame, get_client  # noqa: E402


class Talk(models.Model):
    messages = MessagesField()

    class Meta:
        app_label = "llmkit"

    def __str__(self):
        return str(self.pk)


def open_databases():
    """How many files of the database this process has open, or None where it cannot tell."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return None
    name = os.environ["SITE_DATABASE"]
    return sum(1 for one in folder.iterdir() if one.is_symlink() and os.path.realpath(one) == name)


def answer(request):
    talk = Talk.objects.create(messages=[UserMessage("Tell me.")])

    def keep(response, error):
        talk.messages.append(AssistantMessage(response.text))
        talk.save()

    def counted(event):
        if isinstance(event, TextDelta):
            return frame("text_delta", {"text": event.text, "databases": open_databases()})
        return encode(event)

    return event_stream(get_client().stream(talk.messages), encode=counted, on_end=keep)


def talks(request):
    return JsonResponse({"talks": [[message.text for message in talk.messages] for talk in Talk.objects.all()]})


urlpatterns = [path("answer", answer), path("talks", talks)]
wsgi, asgi = get_wsgi_application(), get_asgi_application()

if __name__ == "__main__":
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.create_model(Talk)
    sys.exit()
