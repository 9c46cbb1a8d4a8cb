"""Fields of forms: an uploaded file as a part of a message, and a conversation as JSON."""

from collections.abc import Sequence
from typing import Any, Final, get_args

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext_lazy as _

from llmkit.checks import wrong
from llmkit.django.fields import messages_of
from llmkit.errors import ConfigurationError, MediaError
from llmkit.history import dumps, to_data
from llmkit.media import Media, media_of
from llmkit.media.types import Kind
from llmkit.messages import Message

MEBIBYTE: Final = 2**20
_ACCEPT: Final = {"image": "image/*", "audio": "audio/*", "video": "video/*"}


class UploadField(forms.FileField):
    """A file as `Image`, `Audio`, `Video` or `Document`; what it is, is found from its content.

    Without a form: ``UploadField().clean(request.FILES.get("picture"))``.

    Args:
        kinds: Which of ``image``, ``audio``, ``video`` and ``document`` are taken.
        media_types: Which of these alone, as in ``image/png``; None for all that llmkit knows.
        max_bytes: How long it may be; what is longer is not read.
        **kwargs: As of `django.forms.FileField`. The codes of `error_messages` are ``too_large``, ``wrong_kind`` and
            ``unreadable`` beside Django's own.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    widget = forms.FileInput
    default_error_messages = {  # noqa: RUF012 - as Django has it
        "too_large": _("This file is too large: at most %(most).1f MiB are taken."),
        "wrong_kind": _("A file of this kind is not taken."),
        "unreadable": _("This file cannot be read, or is of an unknown kind."),
    }

    def __init__(
        self,
        *,
        kinds: Sequence[Kind] = ("image",),
        media_types: Sequence[str] | None = None,
        max_bytes: int = 5 * MEBIBYTE,
        **kwargs: Any,
    ) -> None:
        self.kinds = tuple(kinds)
        self.media_types = None if media_types is None else tuple(media_types)
        self.max_bytes = max_bytes
        if not self.kinds or not {*self.kinds} <= {*get_args(Kind)}:  # letters, where it is one text
            raise wrong("kinds", f"a list of {', '.join(get_args(Kind))}", kinds)
        if not all("/" in name for name in self.media_types or ()) or isinstance(media_types, str):
            raise wrong("media_types", "a list of media types, as in image/png", media_types)
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
            raise wrong("max_bytes", "a whole number of bytes above 0", max_bytes)
        super().__init__(**kwargs)

    def to_python(self, data: Any) -> Media | None:
        """The part; None where no file was sent.

        Raises:
            ValidationError: It is too long, of another kind, or not what it says it is.
        """
        file = super().to_python(data)
        if file is None:
            return None
        if file.size > self.max_bytes:
            raise self._refused("too_large", most=self.max_bytes / MEBIBYTE)
        try:
            part = media_of(file)
        except MediaError as error:
            raise self._refused("unreadable") from error
        if part.kind not in self.kinds or part.media_type not in (self.media_types or (part.media_type,)):
            raise self._refused("wrong_kind")
        return part

    def widget_attrs(self, widget: Any) -> dict[str, Any]:
        """With ``accept``, where it can say which files are taken."""
        accepted = self.media_types or [_ACCEPT.get(kind) for kind in self.kinds]
        more = {} if None in accepted else {"accept": ",".join(map(str, accepted))}
        return {**super().widget_attrs(widget), **more}

    def _refused(self, code: str, **params: object) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params=params)


class MessagesFormField(forms.JSONField):
    """A conversation as its JSON: what `MessagesField` is in a form."""

    empty_values = (None, "")

    def to_python(self, value: Any) -> list[Message] | None:
        """The messages.

        Raises:
            ValidationError: It is no JSON, or not that of messages.
        """
        try:
            return messages_of(super().to_python(value))
        except ConfigurationError as error:
            raise ValidationError(str(error), code="invalid") from error
        except RecursionError:  # of brackets within brackets
            raise ValidationError(self.error_messages["invalid"], code="invalid", params={"value": "…"}) from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was sent, to be shown again."""
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        """Its text, to be read and edited."""
        try:
            found = messages_of(value)
        except ConfigurationError:  # what was sent, and is none
            found = None
        return super().prepare_value(value) if found is None else dumps(found, indent=2)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether other messages were sent."""
        if self.disabled:
            return False
        try:
            found = self.to_python(data)
        except ValidationError:
            return True
        return to_data(self.to_python(initial) or []) != to_data(found or [])
