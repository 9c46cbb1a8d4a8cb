"""Pages, and the answers that are streamed into them."""

import logging
import uuid
from typing import Final

from attrs import asdict
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from chat import transcript
from chat.answers import keeping
from chat.forms import SayForm
from chat.models import Conversation, title_of
from chat.tools import TOOLS
from llmkit import LLMKitError, UserMessage
from llmkit.django import event_stream, get_client, problem

SYSTEM: Final = "You are the assistant of a small chat page. Be brief and friendly; Markdown is shown as such."
logger: Final = logging.getLogger(__name__)


@require_safe
@never_cache  # who goes back sees what was said since
def conversation(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The page: a conversation, or the beginning of one."""
    found = None if pk is None else _mine(request, pk)
    context = {
        "conversation": found,
        "turns": [] if found is None else transcript.turns(found),
        "conversations": Conversation.objects.filter(owner=_owner(request)).defer("messages")[:50],
        "blank": transcript.BLANK,
        "row": settings.LLMKIT["default"],
        "image_bytes": settings.CHAT_IMAGE_BYTES,
    }
    return render(request, "chat/page.html", context)


@require_POST
def say(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """Take what the user says, and stream the answer; without a `pk` a new conversation begins."""
    form = SayForm(request.POST, request.FILES)
    if not form.is_valid():
        message = " ".join(error for errors in form.errors.values() for error in errors)
        return JsonResponse({"message": message, "retryable": False}, status=422)
    text, image = form.cleaned_data["text"], form.cleaned_data["image"]
    said = UserMessage([part for part in (image, text) if part])
    if pk is None:
        found = Conversation.objects.create(owner=_owner(request), title=title_of(text), messages=[said])
    else:
        found = _mine(request, pk)
        found.add([said])
    return _answer(found)


@require_POST
def again(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask once more, after an answer that failed or was stopped before it began."""
    found = _mine(request, pk)
    if not found.unanswered:
        return JsonResponse({"message": "There is nothing to answer.", "retryable": False}, status=409)
    return _answer(found)


@require_POST
def forget(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a conversation."""
    _mine(request, pk).delete()
    return redirect("new")


@require_safe
def picture(request: HttpRequest, pk: int, number: int, index: int) -> HttpResponse:
    """A picture that was sent."""
    image = transcript.picture(_mine(request, pk).messages, number, index)
    if image is None:
        raise Http404
    # What was taken in is one of `forms.TYPES`: none of them can hold a script.
    headers = {"Cache-Control": "private, max-age=86400, immutable", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(image.data, content_type=image.media_type, headers=headers)


def _answer(found: Conversation) -> HttpResponseBase:
    """The model's answer, as it arrives; where the provider refuses at once, what the page says to that."""
    options = {name: value for name, value in settings.CHAT_OPTIONS.items() if value is not None}
    response: HttpResponseBase
    try:
        chat = get_client().chat(history=found.messages, system=SYSTEM, tools=TOOLS, **options)
        response = event_stream(chat.stream(), on_end=keeping(chat, found))
    except LLMKitError as error:
        logger.exception("No answer")
        response = JsonResponse(asdict(problem(error)), status=502)
    response.headers["Content-Location"] = found.get_absolute_url()
    return response


def _owner(request: HttpRequest) -> uuid.UUID:
    """Whose browser this is."""
    return uuid.UUID(request.session.setdefault("owner", str(uuid.uuid4())))


def _mine(request: HttpRequest, pk: int) -> Conversation:
    return get_object_or_404(Conversation, pk=pk, owner=_owner(request))
