"""The vendor's own request types, made strict: what they do not know is an error, as it is for the provider.

In the vendor's package they are lenient: nested sequences are looked at only when they are iterated, and the classes of
answers, which take any key, stand in the same unions.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, is_typeddict

import pydantic
import typing_extensions
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParams

_ANSWER = object()  # what stands for a class of the vendor's answers


def faults(body: bytes) -> list[str]:
    """What is wrong with the JSON of a request; nothing, if all is well."""
    return _faults(_adapter(MessageCreateParams), body)


def faults_of_count(body: bytes) -> list[str]:
    """As `faults`, of a request that asks for a count."""
    return _faults(_adapter(MessageCountTokensParams), body)


def faults_against(hint: Any, body: bytes) -> list[str]:
    """As `faults`, of any of a vendor's types; unions of them, too."""
    return _faults(_adapter(hint), body)


def _faults(adapter: pydantic.TypeAdapter[Any], body: bytes) -> list[str]:
    try:
        adapter.validate_json(body, strict=True)
    except pydantic.ValidationError as error:
        return [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return []


@cache
def _adapter(hint: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(_strict(hint))


def _strict(hint: Any) -> Any:
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kept = tuple(found for found in map(_strict, members) if found is not _ANSWER)
        return Union[kept] if kept else _ANSWER  # noqa: UP007 - of a tuple
    if origin is Annotated:
        return _strict(members[0])
    if origin in (typing_extensions.Required, typing_extensions.NotRequired):
        return origin[_strict(members[0])]
    if isinstance(origin, type) and issubclass(origin, (Iterable, Sequence)) and origin is not dict:
        return list[_strict(members[0])]
    if is_typeddict(hint) or typing_extensions.is_typeddict(hint):
        return _strict_dict(hint)
    return _ANSWER if isinstance(hint, type) and issubclass(hint, pydantic.BaseModel) else hint


@cache
def _strict_dict(hint: Any) -> Any:
    fields = typing_extensions.get_type_hints(hint, include_extras=True)
    needed = hint.__required_keys__
    kinds = {True: typing_extensions.Required, False: typing_extensions.NotRequired}
    bare = {name: _bare(field) for name, field in fields.items()}
    found = typing_extensions.TypedDict(  # type: ignore[operator]
        hint.__name__, {name: kinds[name in needed][_strict(field)] for name, field in bare.items()}
    )
    found.__pydantic_config__ = getattr(hint, "__pydantic_config__", {"extra": "forbid"})
    return found


def _bare(field: Any) -> Any:
    while get_origin(field) in (typing_extensions.Required, typing_extensions.NotRequired, Annotated):
        field = get_args(field)[0]
    return field
