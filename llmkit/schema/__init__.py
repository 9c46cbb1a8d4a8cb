"""Python types ⇄ JSON Schema, and values of theirs ⇄ JSON, strictly. No I/O; cattrs is imported when first used.

A type is read once, into a graph of shapes (`shapes`); the schema (`document`), reading (`reading`), writing
(`writing`) and what is known of unfinished values (`unfinished`) all go by that graph, so that the schema accepts what
reading accepts, and what is written is read back equal.
"""

from typing import TYPE_CHECKING, Any, Final

from llmkit.schema.fields import Default
from llmkit.schema.misfit import Misfit

if TYPE_CHECKING:
    from llmkit.schema.codec import Codec

__all__ = ["Default", "Misfit", "json_schema", "partial", "structure", "unstructure"]


def json_schema(type_: Any, where: str = "output_type") -> dict[str, Any]:
    """The JSON Schema of a type: whole, and the caller's to change.

    Args:
        type_: An annotation.
        where: What the path of a field begins with in an error, as in ``output_type.items[].price: …``.

    Raises:
        ConfigurationError: The type cannot be expressed; the message begins with the path of the field.
    """
    return _codec().schema(type_, where)


def structure(value: Any, type_: Any, *, nulls: bool = False) -> Any:
    """The instance that a JSON value stands for; nothing is converted that JSON Schema would not take.

    Args:
        value: As `json.loads` gives it.
        type_: An annotation.
        nulls: A null for what has a default, of a type that does not take None, means that it was left out.

    Raises:
        Misfit: It does not fit.
        ConfigurationError: The type cannot be expressed.
    """
    return _codec().structure(value, type_, nulls=nulls)


def unstructure(value: Any, type_: Any = None) -> Any:
    """What stands for an instance in JSON: dicts, lists, str, int, float, bool and None.

    Args:
        value: An instance.
        type_: An annotation; None: what `value` is says all.

    Raises:
        ConfigurationError: It is not of the type, or has no JSON; the message begins with the path.
    """
    return _codec().unstructure(value, type_)


def partial(value: Any, type_: Any) -> Any:
    """What is known of an instance of which not all JSON has arrived; None where that is nothing. Never raises.

    Of a class an instance all the same: what is not known has its default, else None, and no validator has seen it.
    Of a dict the known keys, of a list the known items. What is whole is as `structure` makes it.
    """
    return _codec().partial(value, type_)


_codecs: "Final[list[Codec]]" = []


def _codec() -> "Codec":
    from llmkit.schema.codec import MOST, Codec  # noqa: PLC0415 - cattrs takes a tenth of a second

    # No lock, which a fork could leave held: two threads at once make two, and one of them is forgotten.
    codec = _codecs[0] if _codecs else None
    if codec is None or len(codec) >= MOST:
        codec = Codec()
        _codecs[:] = [codec]
    return codec
