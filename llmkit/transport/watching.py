"""Which exchange the connections of this thread belong to."""

import threading

from llmkit.transport.exchange import Exchange


class _Here(threading.local):
    exchange: Exchange | None = None
    fresh: bool = False  # whether no connection may come from the pool


_here = _Here()


class watched:  # noqa: N801 - reads as a function; one by contextlib costs three times as much
    """Connections that this thread uses meanwhile belong to `exchange`; if `fresh`, none from the pool."""

    __slots__ = ("_before", "_meanwhile")

    def __init__(self, exchange: Exchange, *, fresh: bool = False) -> None:
        self._meanwhile: tuple[Exchange | None, bool] = exchange, fresh

    def __enter__(self) -> None:
        self._before = _here.exchange, _here.fresh
        _here.exchange, _here.fresh = self._meanwhile

    def __exit__(self, *_: object) -> None:
        _here.exchange, _here.fresh = self._before


def fresh_only() -> bool:
    """Whether this thread wants no connection from the pool."""
    return _here.fresh


def current() -> Exchange:
    """The exchange that this thread's connections belong to."""
    exchange = _here.exchange
    if exchange is None:
        raise RuntimeError("this connection can only be used through llmkit's transport")
    return exchange
