"""What is kept: conversations, whole, in the very form in which the model gets them."""

from collections.abc import Sequence
from itertools import zip_longest

from django.db import models, transaction
from django.urls import reverse

from llmkit import AssistantMessage, Message, UserMessage
from llmkit.django import MessagesField

TITLE = 60


class Conversation(models.Model):
    """What was said.

    Attributes:
        owner: Whose browser it belongs to.
        title: The beginning of the first thing that was said.
        messages: All messages, calls of tools and their results among them.
    """

    owner = models.UUIDField(db_index=True)
    title = models.CharField(max_length=TITLE)
    messages = MessagesField()
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-updated", "-pk")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("conversation", args=[self.pk])

    def add(self, messages: Sequence[Message], *, to: Message | None = None) -> None:
        """Write down what was said; nothing where the conversation was deleted meanwhile.

        Args:
            messages: What was said.
            to: What it answers: it comes right after that, though another tab may have said more; where that was
                answered meanwhile, as two tabs asked again, nothing is added. None: at the end.
        """
        with transaction.atomic():
            found = Conversation.objects.select_for_update().filter(pk=self.pk).first()
            if found is None:
                return
            known = found.messages
            at = len(known) if to is None else _open(known, to)
            if at is None:
                return
            found.messages = [*known[:at], *messages, *known[at:]]
            found.save(update_fields=["messages", "updated"])
            self.messages = found.messages

    @property
    def unanswered(self) -> bool:
        """Whether the last word is the user's, as an answer failed or was stopped before it began."""
        return bool(self.messages) and isinstance(self.messages[-1], UserMessage)


def _open(known: Sequence[Message], asked: Message) -> int | None:
    """Where the answer to `asked` belongs; None where it has one, each time that it was asked."""
    pairs = enumerate(zip_longest(known, known[1:]), 1)
    ends = [end for end, (one, after) in pairs if one == asked and not isinstance(after, AssistantMessage)]
    return ends[-1] if ends else None


def title_of(text: str) -> str:
    """A title for a conversation that begins with `text`."""
    line = " ".join(text.split())
    if not line:
        return "A picture"
    return line if len(line) <= TITLE else f"{line[: TITLE - 1].rstrip()}…"
