"""Types and what was made of them, kept for the next value."""

from typing import Any, Final, cast

from cattrs import Converter

from llmkit.errors import ConfigurationError
from llmkit.schema import reading, writing
from llmkit.schema.building import build
from llmkit.schema.document import schema_of
from llmkit.schema.hints import key
from llmkit.schema.misfit import Misfit
from llmkit.schema.shapes import Anything, Shape, through
from llmkit.schema.unfinished import UNKNOWN, known

MOST: Final = 1000
"""Types that are kept. Beyond it all are forgotten: a program that makes types without end must not keep them."""


_UNTOLD: Final = Anything()  # one for all: the hooks of each shape are kept


class Codec:
    """Shapes by type, and the hooks of each shape, which cattrs keeps. Any thread may use it at any time."""

    def __init__(self) -> None:
        self._shapes: dict[Any, tuple[Any, Shape]] = {}
        self._strict = Converter(detailed_validation=False)
        self._lenient = Converter(detailed_validation=False)
        reading.register(self._strict, nulls=False)
        reading.register(self._lenient, nulls=True)
        writing.register(self._strict, self.shape)

    def __len__(self) -> int:
        return len(self._shapes)

    def shape(self, type_: Any, where: str = "type") -> Shape:
        """The shape of a type."""
        try:
            name = key(type_)
            kept = self._shapes.get(name)
        except Exception:  # noqa: BLE001 - whatever is given as a type, `build` says what is wrong with it
            return build(type_, where)
        if kept is None:
            # With the type: as long as it is kept, what is known by its number keeps it.
            kept = self._shapes[name] = (type_, build(type_, where))
        return kept[1]

    def schema(self, type_: Any, where: str) -> dict[str, Any]:
        """As `llmkit.schema.json_schema`."""
        return schema_of(self.shape(type_, where), self._told)

    def structure(self, value: Any, type_: Any, *, nulls: bool) -> Any:
        """As `llmkit.schema.structure`."""
        shape = self.shape(type_)
        return self._read(value, shape, self._lenient if nulls else self._strict)

    def unstructure(self, value: Any, type_: Any) -> Any:
        """As `llmkit.schema.unstructure`."""
        shape = _UNTOLD if type_ is None else self.shape(type_)
        try:
            return self._write(value, shape)
        except Misfit as misfit:
            raise ConfigurationError(str(misfit)) from misfit
        except RecursionError as exc:
            raise ConfigurationError("$: nested too deeply, or in itself") from exc
        except Exception as exc:  # attributes may be properties, and mappings anything
            raise ConfigurationError(f"$: cannot be written: {type(exc).__name__}: {exc}") from exc

    def partial(self, value: Any, type_: Any) -> Any:
        """As `llmkit.schema.partial`."""
        try:
            found = known(value, self.shape(type_), self._read)
        except RecursionError:
            return None
        return None if found is UNKNOWN else found

    def _read(self, value: Any, shape: Shape, converter: Converter | None = None) -> Any:
        try:
            return (converter or self._strict).structure(value, cast(Any, through(shape)))
        except RecursionError as exc:
            raise Misfit("$", "is nested too deeply") from exc

    def _told(self, default: Any, shape: Shape) -> Any:
        """A default as a schema tells it: none that would not be taken, as a class may make one that it refuses."""
        written = self._write(default, shape)
        self._read(written, shape)
        return written

    def _write(self, value: Any, shape: Shape) -> Any:
        return self._strict.unstructure(value, through(shape))
