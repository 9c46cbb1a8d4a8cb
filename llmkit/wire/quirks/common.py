"""What may deviate on every wire."""

from attrs import frozen


@frozen(kw_only=True)
class Quirks:
    """What may deviate on every wire.

    Attributes:
        unsupported: Options that the wire has and the host has not.
        supported: Options that the host has although the wire has not.
        json_schema: Whether it has a mode for answers that fit a schema.
        schema_or_tools: Matches the start of the names, without the folder that they lie in, of models that take either
            such a schema or functions to call.
        unforced_models: The same of models that cannot be made to call a tool, as they think by themselves, say.
        batches: Whether it has the batches of the wire's own host.
    """

    unsupported: frozenset[str] = frozenset()
    supported: frozenset[str] = frozenset()
    json_schema: bool = True
    schema_or_tools: str = r"(?!)"
    unforced_models: str = r"(?!)"
    batches: bool = False
