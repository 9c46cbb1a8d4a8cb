"""What a run may cost."""

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from llmkit.bulk.result import Result
from llmkit.errors import BudgetExceededError, ConfigurationError, LLMKitError, OutputError
from llmkit.prices import known
from llmkit.request import Request
from llmkit.response import Response

if TYPE_CHECKING:
    from llmkit.client import Client
    from llmkit.core import Core


class Budget:
    """US dollars that a run may cost, and that it has.

    Args:
        client: Who asks: of its host and of its prices.
        most: When to stop: a `Decimal`, whole number, text or float.

    Raises:
        ConfigurationError: `most` is no amount of money.
    """

    def __init__(self, client: "Client", most: object) -> None:
        self._client = client
        self._most = _amount(most)
        self._spent = Decimal(0)
        self._answers = 0
        self._known: set[tuple[int, str]] = set()  # members of a fallback, and models

    def admit(self, prompt: Any) -> None:
        """Look whether what asking `prompt` costs can be known.

        Raises:
            ConfigurationError: It cannot.
        """
        named = prompt.options.get("model") if isinstance(prompt, Request) else None
        for index, member in enumerate(self._client._members):  # noqa: SLF001 - of its own
            self._admit(index, member, named or member._model)  # noqa: SLF001

    def _admit(self, index: int, member: "Core", named: str | None) -> None:
        if named is None or (index, named) in self._known:  # without one, the call itself says what is missing
            return
        model, row = member._own_name(named), member._engine.row  # noqa: SLF001
        if not known(member._settings.prices, row, model):  # noqa: SLF001
            raise ConfigurationError(
                f"max_cost: the price of {model} at {row.name} is not known: pass prices={{{model!r}: Price(…)}} to "
                "Client, or pip install 'llmkit[prices]'"
            )
        self._known.add((index, named))

    def spend(self, result: Result[Any]) -> LLMKitError | None:
        """Count what a row cost; why nothing more may be asked, if so."""
        for response in _paid(result):
            if response.cost is None:
                return ConfigurationError(
                    f"max_cost: what an answer of {response.model} cost is not known: it was stopped before the rest"
                )
            self._answers += 1
            self._spent += response.cost
        if self._spent < self._most:
            return None
        return BudgetExceededError(
            f"max_cost: {self._answers} answers cost {self._spent:f} of {self._most:f} US dollars; "
            "the rest was not asked"
        )


def _paid(result: Result[Any]) -> list[Response[Any]]:
    """The answers that were paid for: also those that did not fit."""
    if result.response is not None:
        return [result.response]
    found = result.error.response if isinstance(result.error, OutputError) else None
    return [] if found is None else [found]


def _amount(value: object) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal(-1)
    if isinstance(value, bool) or not found.is_finite() or found <= 0:
        raise ConfigurationError(f"max_cost: expected US dollars above 0, got {value!r:.80}")
    return found
