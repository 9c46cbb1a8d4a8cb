"""A conversation as a column of JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.fields.json import KeyTransform

from llmkit.errors import ConfigurationError
from llmkit.history import from_data, to_data
from llmkit.messages import Message


class MessagesField(models.JSONField):
    """Messages, a list of them, kept as `llmkit.history.to_data` writes them: every part, with nothing lost.

    Any sequence of messages, or of message dicts, may be assigned; `Chat.messages`, say. An empty list is a value as
    any other, and the default.
    """

    description = "A conversation"
    empty_values = (None, "")

    def __init__(self, *args: Any, default: Callable[[], Any] = list, **kwargs: Any) -> None:
        super().__init__(*args, default=default, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """As of any field, with the import that projects have."""
        name, _, args, kwargs = super().deconstruct()
        if kwargs.get("default") is list:
            del kwargs["default"]
        return name, "llmkit.django.MessagesField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The messages; what a lookup has found in them is JSON."""
        found = super().from_db_value(value, expression, connection)
        return found if found is None or isinstance(expression, KeyTransform) else from_data(found)

    def to_python(self, value: Any) -> list[Message] | None:
        """Messages, or what they were written as.

        Raises:
            ValidationError: It is neither.
        """
        try:
            return messages_of(value)
        except ConfigurationError as error:
            raise ValidationError(str(error), code="invalid") from error

    def get_prep_value(self, value: Any) -> Any:
        """As JSON."""
        value = super().get_prep_value(value)
        return to_data(value) if isinstance(value, (list, tuple)) else value

    def validate(self, value: Any, model_instance: Any) -> None:
        """As any field."""
        super().validate(None if value is None else to_data(value), model_instance)

    def value_to_string(self, obj: Any) -> str:
        """For ``dumpdata``."""
        value = self.value_from_object(obj)
        return "null" if value is None else json.dumps(to_data(value))


def messages_of(value: Any) -> list[Message] | None:
    """Messages of what they can be given as: a sequence of them, the JSON of one, or its text.

    Raises:
        ConfigurationError: It is none of these.
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ConfigurationError(f"messages: no JSON: {error}") from error
    if isinstance(value, Mapping):
        return from_data(value)
    if not isinstance(value, Sequence):
        raise ConfigurationError(f"messages: expected a sequence of messages, got {type(value).__name__}")
    return from_data(to_data(value))
