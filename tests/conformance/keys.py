"""Which keys of a JSON value a schema's TypedDicts do not have."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cache
from types import UnionType
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

from attrs import frozen


@frozen
class Keys:
    """A wire's schema.

    Attributes:
        block: The union of the blocks that it models; others are ``PASSED_THROUGH``. None where there is no such union.
        passed_through: The types of blocks that are known and not modelled.
    """

    block: Any = None
    passed_through: AbstractSet[str] = frozenset()

    def unknown(self, value: Any, hint: Any, path: str = "$") -> Iterator[str]:
        """The paths of keys in `value` that `hint` has no place for, and of blocks neither modelled nor listed."""
        if get_origin(hint) in (Union, UnionType):
            yield from self._of_union(value, hint, path)
        elif get_origin(hint) is list and isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.unknown(item, get_args(hint)[0], f"{path}[{index}]")
        elif is_typeddict(hint) and isinstance(value, dict):
            fields = _fields(hint)
            for key, item in value.items():
                if key in fields:
                    yield from self.unknown(item, fields[key], f"{path}.{key}")
                else:
                    yield f"{path}.{key}"

    def _of_union(self, value: Any, hint: Any, path: str) -> Iterator[str]:
        members = get_args(hint)
        if isinstance(value, list):
            for member in members:
                if get_origin(member) is list:
                    yield from self.unknown(value, member, path)
            return
        if not isinstance(value, dict):
            return
        fitting = [member for member in members if is_typeddict(member) and _says(member, value.get("type"))]
        if fitting:
            yield from min((list(self.unknown(value, member, path)) for member in fitting), key=len)
        elif self.block is not None and hint == self.block:
            if value["type"] not in self.passed_through:
                yield f"{path}.type={value['type']}"
        elif dict not in [get_origin(member) for member in members]:
            yield f"{path}: none of {hint}"


def _says(member: Any, kind: str | None) -> bool:
    """Whether a value of this `type` may be a `member`."""
    hint = _fields(member).get("type")
    if get_origin(hint) in (Required, NotRequired):
        (hint,) = get_args(hint)
    if get_origin(hint) is Literal:
        return kind in get_args(hint) or (kind is None and "type" not in member.__required_keys__)
    return hint is None or kind is not None


@cache
def _fields(hint: Any) -> dict[str, Any]:
    return get_type_hints(hint)
