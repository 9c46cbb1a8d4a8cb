"""A conversation as a column of JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Col
from django.db.models.fields.json import JSONExact, KeyTransform
from django.db.models.lookups import In

from llmkit.errors import ConfigurationError
from llmkit.history import from_data, loads, to_data, typed
from llmkit.messages import AssistantMessage, Message, SystemMessage, UserMessage


class MessagesField(models.JSONField):
    """A list of messages, kept as `llmkit.history.to_data` writes them: every part, with nothing lost.

    Any sequence of messages, or of message dicts, may be assigned; `Chat.messages`, say. An empty list is a value like
    any other, and the default.
    """

    description = "A conversation"
    empty_values = (None, "")

    if TYPE_CHECKING:  # what an instance holds; Django sees to it

        def __get__(self, instance: object, owner: object) -> list[Message]: ...
        def __set__(self, instance: object, value: Sequence[Message | Mapping[str, Any]] | None) -> None: ...

    def __init__(self, *args: Any, default: Callable[[], Any] = list, **kwargs: Any) -> None:
        super().__init__(*args, default=default, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """As of any field, by the name that projects import it by."""
        name, _, args, kwargs = super().deconstruct()
        if kwargs.get("default") is list:
            del kwargs["default"]
        return name, "llmkit.django.MessagesField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The messages, also of lists of dicts from before it was a `MessagesField`; what is inside of them is JSON."""
        found = super().from_db_value(value, expression, connection)
        if isinstance(expression, Col):
            return messages_of(found)
        if isinstance(expression, KeyTransform) or not isinstance(found, Mapping) or found.get("llmkit") != "history":
            return found
        return from_data(found)  # of a subquery, say, which may be of either

    def to_python(self, value: Any) -> list[Message] | None:
        """Messages of what they can be given as: a sequence of them, the JSON of one, or its text.

        Raises:
            ValidationError: It is none of these.
        """
        try:
            return messages_of(value)
        except ConfigurationError as error:
            raise ValidationError(str(error), code="invalid") from error

    def get_prep_value(self, value: Any) -> Any:
        """As JSON; what is looked up inside of messages is that already."""
        value = super().get_prep_value(value)
        return to_data(value) if isinstance(value, (list, tuple)) and _messages(value) else value

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """As JSON, whatever messages may be given as.

        Raises:
            ConfigurationError: They are none.
        """
        if value is not None and not hasattr(value, "resolve_expression"):
            value = _stored(value)
        return super().get_db_prep_save(value, connection)

    def validate(self, value: Any, model_instance: Any) -> None:
        """As any field of JSON.

        Raises:
            ValidationError: None where that is not allowed; or a part holds what JSON cannot.
        """
        try:
            data = None if value is None else to_data(value)
        except ConfigurationError as error:
            raise ValidationError(str(error), code="invalid") from error
        super().validate(data, model_instance)

    def value_to_string(self, obj: Any) -> Any:
        """For ``dumpdata``: JSON, not its text."""
        value = self.value_from_object(obj)
        return None if value is None else to_data(value)

    def formfield(self, **kwargs: Any) -> Any:
        """A text area with the JSON; without a second one, hidden, with what it was, as a default brings elsewhere."""
        from llmkit.django.forms import MessagesFormField  # noqa: PLC0415 - a project may have no forms

        return super().formfield(**{"form_class": MessagesFormField, "show_hidden_initial": False, **kwargs})


def messages_of(value: Any) -> list[Message] | None:
    """As `MessagesField.to_python`.

    Raises:
        ConfigurationError: It is nothing that messages may be given as.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return loads(value)
    return from_data(value) if isinstance(value, Mapping) else list(typed(value, "messages"))


def _messages(value: Sequence[Any]) -> bool:
    return any(isinstance(item, (SystemMessage, UserMessage, AssistantMessage)) for item in value)


@MessagesField.register_lookup
class _Exact(JSONExact):
    """Compares with what is stored of messages: of none, that is no empty list."""

    rhs: Any

    def get_prep_lookup(self) -> Any:
        if self.rhs is not None and self.rhs_is_direct_value():
            self.rhs = _stored(self.rhs)
        return super().get_prep_lookup()


@MessagesField.register_lookup
class _In(In):
    """Likewise, with each of several."""

    rhs: Any

    def get_prep_lookup(self) -> Any:
        if self.rhs_is_direct_value():
            self.rhs = [one if one is None else _stored(one) for one in self.rhs]
        return super().get_prep_lookup()


def _stored(value: Any) -> dict[str, Any]:
    return to_data(messages_of(value) or [])
