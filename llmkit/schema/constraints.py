"""Constraints as they are declared: by validators of attrs, and by what stands in ``Annotated``.

Objects of ``annotated_types`` and ``msgspec.Meta`` are known by their attributes, so that neither must be there.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Self

from attrs import frozen

Word = Literal[
    "ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "in", "items", "keys", "values"
]
_NUMBERS: Final[tuple[Word, ...]] = ("ge", "gt", "le", "lt", "multiple_of")
_LENGTHS: Final[tuple[Word, ...]] = ("min_length", "max_length")
_OPERATORS: Final[dict[str, Word]] = {">=": "ge", ">": "gt", "<=": "le", "<": "lt"}
# What other dialects of regular expressions do not have, or mean another thing by.
_PYTHON_ONLY: Final = re.compile(r"\(\?(?![:=!])|\\[AZGaNU]|(?<!\\)[*+?}]\+|(?<!\\)\{,|\\[^\w^$\\.*+?()\[\]{}|/-]")


@frozen(eq=False)
class Limit:
    """A constraint.

    Attributes:
        bound: A number, a length, a `Pattern` or the options; of ``items``, ``keys`` and ``values`` their limits.
    """

    word: Word
    bound: Any


@frozen(eq=False)
class Pattern:
    """A regular expression that a string must match.

    Attributes:
        source: To be searched for, as JSON Schema does.
        matches: Whether a string does.
        portable: Whether it means the same outside Python.
    """

    source: str
    matches: Callable[[str], object]
    portable: bool

    @classmethod
    def of(cls, expression: "re.Pattern[str]", how: str, matches: Callable[[str], object]) -> Self:
        """Of a compiled expression, and how it is applied: ``search``, ``match`` or ``fullmatch``."""
        source = expression.pattern
        portable = not expression.flags & ~re.UNICODE and not _PYTHON_ONLY.search(source)
        if how != "search":
            source = f"^(?:{source})" + ("$" if how == "fullmatch" else "")
        return cls(source, matches, portable)


def of_metadata(metadata: Any) -> Iterator[Limit]:
    """The constraints in one object of ``Annotated``; none where it is about something else."""
    if isinstance(metadata, (str, type)):
        return
    if _is_attrs(metadata):
        yield from of_validator(metadata)
        return
    for word in _NUMBERS:
        bound = getattr(metadata, word, None)
        if bound is not None and not callable(bound):
            yield Limit(word, bound)
    for word in _LENGTHS:
        bound = getattr(metadata, word, None)
        if isinstance(bound, int) and not isinstance(bound, bool):
            yield Limit(word, bound)
    if isinstance(source := getattr(metadata, "pattern", None), str):
        expression = metadata if isinstance(metadata, re.Pattern) else re.compile(source)
        yield Limit("pattern", Pattern.of(expression, "search", expression.search))


def of_validator(validator: Any, *, optional: bool = False) -> Iterator[Limit]:
    """The constraints of a validator of attrs; others than these are left to the class's constructor.

    attrs has no public names for what its validators are: they are known by the names of their classes.

    Args:
        validator: Anything; most things have no constraints.
        optional: Whether None need not hold to it.
    """
    match type(validator).__name__ if _is_attrs(validator) else "":
        case "_AndValidator":
            for one in validator._validators:  # noqa: SLF001 - likewise
                yield from of_validator(one, optional=optional)
        case "_OptionalValidator":
            yield from of_validator(validator.validator, optional=True)
        case "_NumberValidator" if validator.compare_op in _OPERATORS:
            yield Limit(_OPERATORS[validator.compare_op], validator.bound)
        case "_MaxLengthValidator":
            yield Limit("max_length", validator.max_length)
        case "_MinLengthValidator":
            yield Limit("min_length", validator.min_length)
        case "_MatchesReValidator":
            matches = validator.match_func
            yield Limit("pattern", Pattern.of(validator.pattern, matches.__name__, matches))
        case "_InValidator" if not isinstance(validator.options, str):  # of a text any piece would do
            options = getattr(validator, "_original_options", validator.options)
            yield Limit("in", (*options, None) if optional and None not in options else tuple(options))
        case _:
            yield from _of_deep(validator)


def _of_deep(validator: Any) -> Iterator[Limit]:
    match type(validator).__name__ if _is_attrs(validator) else "":
        case "_DeepIterable":
            yield from of_validator(validator.iterable_validator)
            yield Limit("items", tuple(of_validator(validator.member_validator)))
        case "_DeepMapping":
            yield from of_validator(validator.mapping_validator)
            yield Limit("keys", tuple(of_validator(validator.key_validator)))
            yield Limit("values", tuple(of_validator(validator.value_validator)))


def _is_attrs(value: Any) -> bool:
    return type(value).__module__ in ("attr.validators", "attr._make")
