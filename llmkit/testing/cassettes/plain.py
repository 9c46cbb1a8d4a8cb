"""Values of JSON ⇄ YAML that a person can read and write.

It holds nothing else: no dates, no tags, and no aliases, of which a few lines can stand for gigabytes.
"""

from collections.abc import Callable
from typing import Any, Final

from llmkit.errors import ConfigurationError

_TAG: Final = "tag:yaml.org,2002:"
_KINDS: Final = ("null", "bool", "int", "float", "str", "seq", "map")
_LAYOUT: Final = dict.fromkeys(map(ord, "\n\t"))


def needed() -> Any:
    """PyYAML.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("cassettes need PyYAML: pip install 'llmkit[testing]'") from None
    return yaml


def dumped(data: Any) -> str:
    """`data` as YAML."""
    yaml = needed()

    class Dumper(yaml.SafeDumper):  # type: ignore[misc,name-defined]  # of a module that is an extra
        def ignore_aliases(self, _: Any) -> bool:
            return True

    Dumper.add_representer(str, _scalar)
    # Not the C one: it writes other lines, and which one is there is no reason for a difference.
    return str(yaml.dump(data, Dumper=Dumper, allow_unicode=True, width=2**31, sort_keys=False))


def _scalar(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    if not text.translate(_LAYOUT).isprintable():
        style = '"'  # PyYAML would write some of it as it is, and read it back as something else
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


def loaded(text: str) -> Any:
    """What `text` says. A date is the text that it is.

    Raises:
        ValueError: It is no YAML, or no JSON could say it; the message tells the line.
    """
    yaml = needed()
    try:
        return _tried(yaml, lambda base: yaml.load(text, _loader(yaml, base)))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"line {line}: a character that YAML has only in quotes, as {error.character:#x}") from error
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"line {error.problem_mark.line + 1}: {error.problem}") from error
    except RecursionError:
        failed = ValueError("it is nested too deep")
    raise failed


def line_of(text: str, name: str, index: int) -> int:
    """In which line of `text`, which could be loaded, the item of the list of this name begins."""
    yaml = needed()
    top = _tried(yaml, lambda base: yaml.compose(text, base))
    items = next(value for key, value in top.value if key.value == name)
    return int(items.value[index].start_mark.line) + 1


def _tried(yaml: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # twenty times as quick
    except yaml.YAMLError:
        return read(yaml.SafeLoader)  # knows escapes that the other does not


def _loader(yaml: Any, base: Any) -> Any:
    plain: dict[str | None, Any] = {f"{_TAG}{kind}": base.yaml_constructors[f"{_TAG}{kind}"] for kind in _KINDS}

    def refused(what: str, node: Any) -> Exception:
        return yaml.constructor.ConstructorError(None, None, what, node.start_mark)  # type: ignore[no-any-return]

    class Loader(base):  # type: ignore[misc]
        yaml_constructors = plain | {f"{_TAG}timestamp": base.construct_yaml_str, None: base.construct_undefined}

        def construct_object(self, node: Any, *deep: Any, **kwargs: Any) -> Any:
            if node in self.constructed_objects or node in self.recursive_objects:
                raise refused("what begins here is used again by an alias (*): write it out there", node)
            return super().construct_object(node, *deep, **kwargs)

        def construct_mapping(self, node: Any, *deep: Any, **kwargs: Any) -> Any:
            found = super().construct_mapping(node, *deep, **kwargs)
            if odd := [name for name in found if not isinstance(name, str)]:
                raise refused(f"the name {odd[0]!r:.50} is no text: put it in quotes", node)
            if len(found) != len(node.value):
                raise refused("there are two values of one name", node)
            return found

        def flatten_mapping(self, node: Any) -> None:
            if any(name.tag == f"{_TAG}merge" for name, _ in node.value):
                raise refused("names cannot be taken over from elsewhere (<<): write them out", node)

    return Loader
