"""What answers cost: by the caller's own prices, else what the host says, else by genai-prices (extra ``prices``).

It is found when somebody asks, and never guessed. There is no cost where no price is known for the model, for the tier
that served the call, or for a kind of tokens that was billed; where genai-prices is not installed; and where no usage
came. Nothing is fetched: genai-prices brings its prices along.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from attrs import evolve, field, frozen

from llmkit.counted import TOLD, counted, dated, told, unusual
from llmkit.errors import ConfigurationError
from llmkit.response import Response, Tariff, Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

    from llmkit.provider import Provider

_MILLION: Final = 1_000_000
_MOST: Final = 10**9  # no price is above it, and no sum of counts times it is beyond what a `Decimal` holds


def _dollars(value: Decimal | int | str | float) -> Decimal:
    """As a `Decimal`; of a float what `repr` shows, as 0.1 means one tenth."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal(-1)
    if isinstance(value, bool) or not found.is_finite() or not 0 <= found <= _MOST:
        raise ConfigurationError(f"Price: expected US dollars per million tokens, got {value!r:.80}")
    return found


def _some_dollars(value: Decimal | int | str | float | None) -> Decimal | None:
    return None if value is None else _dollars(value)


@frozen
class Price:
    """What a model costs: US dollars per million tokens, each a `Decimal`, whole number, text or float.

    Attributes:
        input: Tokens read.
        output: Tokens written.
        cached_input: Those read from the provider's cache; None: as `input`.
        cache_write: Those put into it; None: as `input`.
        cache_write_1h: Those put into it for an hour; None: as `cache_write`.
        reasoning: Those written that were reasoning; None: as `output`.
        input_audio: Those read that were sound; None: as `input`.
        output_audio: Those written that were sound; None: as `output`.
        batch: What part of all this is paid in a batch, as ``"0.5"``; None: what a batch costs is not known.
    """

    input: Decimal = field(converter=_dollars)
    output: Decimal = field(converter=_dollars)
    cached_input: Decimal | None = field(default=None, converter=_some_dollars, kw_only=True)
    cache_write: Decimal | None = field(default=None, converter=_some_dollars, kw_only=True)
    cache_write_1h: Decimal | None = field(default=None, converter=_some_dollars, kw_only=True)
    reasoning: Decimal | None = field(default=None, converter=_some_dollars, kw_only=True)
    input_audio: Decimal | None = field(default=None, converter=_some_dollars, kw_only=True)
    output_audio: Decimal | None = field(default=None, converter=_some_dollars, kw_only=True)
    batch: Decimal | None = field(default=None, converter=_some_dollars, kw_only=True)


class Bill(NamedTuple):
    """What is to be priced of one model call.

    Attributes:
        usage: What was billed.
        tariff: Whose prices hold.
        model: The model that answered; "" where the host does not tell.
        modes: How it was served, where that was out of the usual and may have another price.
        date: When it was, as the answer's header has it.
    """

    usage: Usage
    tariff: Tariff
    model: str
    modes: Mapping[str, str] = {}
    date: str | None = None


Item: TypeAlias = "Bill | Decimal | None"
"""A call to be priced, or what it is known to have cost; None where that is not known."""


def bills(response: Response[Any]) -> tuple[Item, ...]:
    """What `response` is to be priced by: each model call that was made for it."""
    held = response._cost  # noqa: SLF001 - `cost` is what it comes to
    if isinstance(held, tuple):
        return held
    if not isinstance(held, Tariff):
        return (held,)
    modes = unusual(response.usage.raw or {}, response.raw)
    return (Bill(response.usage, held, response.model, modes, response.headers.get("date")),)


def total(items: Iterable[Item]) -> Decimal | None:
    """US dollars of all; None where those of one are not known."""
    found = Decimal(0)
    for item in items:
        if (dollars := _priced(item) if isinstance(item, Bill) else item) is None:
            return None
        found += dollars
    return found


def cost_of(
    usage: Usage,
    row: "Provider",
    model: str,
    table: Mapping[str, Price] | None = None,
    *,
    batch: bool = False,
) -> Decimal | None:
    """US dollars of `usage`; None where they are not known.

    Args:
        usage: What was billed; its `raw` tells what of it was sound, or cached for an hour.
        row: The host that was asked.
        model: The model, as asked for or as the answer tells it.
        table: The caller's own prices, which win.
        batch: Whether it was asked for in a batch: then it costs what the provider says that batches cost.
    """
    tariff = Tariff(row.prices, table or {}, row.aliases.get(model, model), batch)
    return total((Bill(usage, tariff, model, unusual(usage.raw or {}, {})),))


def known(table: Mapping[str, Price] | None, row: "Provider", model: str | None, *, batch: bool = False) -> bool:
    """Whether answers of a model will have a cost, as far as can be said before the first.

    One may still have none: where it brings no usage, or was served in a tier that has no price.

    Args:
        table: The caller's own prices: those of the client.
        row: The host.
        model: The model that will be asked for.
        batch: Whether that will be in a batch.
    """
    if model is None:
        return False
    return (row.prices in TOLD and not batch) or cost_of(Usage(raw={}), row, model, table, batch=batch) is not None


def in_batch(response: Response[Any]) -> Response[Any]:
    """`response`, which came of a batch: it costs what batches cost."""
    held = response._cost  # noqa: SLF001 - as above
    return evolve(response, cost=evolve(held, batch=True)) if isinstance(held, Tariff) else response


def table_of(value: object) -> Mapping[str, Price]:
    """A caller's own prices, checked.

    Raises:
        ConfigurationError: They are none.
    """
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"prices: expected a mapping of models to Price, got {type(value).__name__}")
    for name, price in value.items():
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"prices: expected names of models, got {name!r:.80}")
        if not isinstance(price, Price):
            raise ConfigurationError(f"prices[{name!r:.80}]: expected a Price, got {type(price).__name__}")
    return dict(value)


def _priced(bill: Bill) -> Decimal | None:
    raw, tariff = bill.usage.raw, bill.tariff
    if raw is None:
        return None
    counts = counted(bill.usage, raw)
    names = [name for name in (bill.model, tariff.asked) if name]
    own = next((tariff.table[name] for name in _with_undated(names) if name in tariff.table), None)
    modes = {**bill.modes, "processing": "batch"} if tariff.batch else bill.modes
    if own is None:
        return None if tariff.host is None else _hosted(bill, tariff.host, counts, names, modes)
    found = _at(own, counts)
    if modes.get("processing") != "batch" or found is None:
        return found
    return None if own.batch is None else found * own.batch


def _hosted(
    bill: Bill, host: str, counts: Mapping[str, int], names: Iterable[str], modes: Mapping[str, str]
) -> Decimal | None:
    """What the host says, else what is known of its prices."""
    found = told(bill.usage.raw or {}, host)
    return _listed(counts, names, host, modes, _moment(bill.date)) if found is None else found


def _with_undated(names: Iterable[str]) -> Iterator[str]:
    """Each, and without the date that providers add to the name of what was asked for."""
    for name in names:
        yield name
        yield dated.sub("", name)


def _moment(date: str | None) -> datetime:
    """When an answer came, as prices change, those of some hosts over the day; now where it is not told."""
    try:
        found = parsedate_to_datetime(date or "")
    except ValueError:
        return datetime.now(UTC)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _at(price: Price, counts: Mapping[str, int]) -> Decimal | None:
    """US dollars of what was counted; None where the counts contradict each other, or leave open what costs what."""
    heard, said = counts.get("input_audio_tokens", 0), counts.get("output_audio_tokens", 0)
    read, written = counts["cache_read_tokens"], counts["cache_write_tokens"]
    hourly = counts.get("cache_write_1h_tokens", 0)
    if price.input_audio is None:
        heard = 0
    elif heard and read:
        if "cache_audio_read_tokens" not in counts:
            return None  # how much of the sound was cached
        heard -= counts["cache_audio_read_tokens"]
    thought = counts["output_reasoning_tokens"]
    said = 0 if price.output_audio is None else said
    writing = _or(price.cache_write, price.input)
    rows = (
        (price.input, counts["input_tokens"] - read - written - heard),
        (_or(price.cached_input, price.input), read),
        (writing, written - hourly),
        (_or(price.cache_write_1h, writing), hourly),
        (_or(price.input_audio, price.input), heard),
        (price.output, counts["output_tokens"] - thought - said),
        (_or(price.reasoning, price.output), thought),
        (_or(price.output_audio, price.output), said),
    )
    if any(count < 0 for _, count in rows):
        return None
    return sum((dollars * count for dollars, count in rows), Decimal(0)) / _MILLION


def _or(price: Decimal | None, other: Decimal) -> Decimal:
    return other if price is None else price


def _listed(
    counts: Mapping[str, int], names: Iterable[str], host: str, modes: Mapping[str, str], at: datetime
) -> Decimal | None:
    """What genai-prices makes of it, if it is there and knows all that it takes."""
    for name in names:
        try:
            from genai_prices import Usage as Counts  # noqa: PLC0415 - an extra, and slow to import
            from genai_prices import calc_price  # noqa: PLC0415

            found = calc_price(
                Counts(**counts), name, provider_id=host, genai_request_timestamp=at, price_context=modes or None
            )
            return found.total_price if _sure(found, modes, at) else None
        except LookupError:
            continue
        except Exception:  # noqa: BLE001 - it is not there, or cannot tell: no question for a cost is an error
            return None
    return None


def _sure(found: "PriceCalculation", modes: Mapping[str, str], at: datetime) -> bool:
    """Whether the price is that of what was billed, and not the nearest one.

    genai-prices falls back to the usual price where it has none for a tier, and takes the highest of those per request.
    """
    price = found.model_price
    if price.requests_kcount is not None or price.output_citation_mtok is not None:
        return False
    if not modes:
        return True
    own = any(found.model is model for model in found.provider.models)  # else it is another provider's
    variants = (found.model.price_variants or ()) if own else ()
    active = [one.when for one in variants if one.constraint is None or one.constraint.active(at)]
    met = [when for when in active if when.items() <= modes.items()]
    return all(any(name in when for when in met) for name in modes)
