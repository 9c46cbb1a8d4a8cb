"""What a run is asked for, checked before anything is read."""

import os
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from attrs import evolve

from llmkit.bulk.result import Result
from llmkit.bulk.run import Plan, results
from llmkit.checks import choice, integer, wrong
from llmkit.messages import AssistantMessage, SystemMessage, UserMessage
from llmkit.output import output_form
from llmkit.request import Request

if TYPE_CHECKING:
    from llmkit.bulk.budget import Budget
    from llmkit.bulk.kept import Kept
    from llmkit.bulk.progress import Bar
    from llmkit.client import Client

_ONE: Final = (str, bytes, bytearray, Mapping, Request, SystemMessage, UserMessage, AssistantMessage)
_MOST: Final = 10_000  # threads


class Wishes(TypedDict):
    """The arguments of `Client.map` of the same name."""

    concurrency: int
    ordered: bool
    errors: str
    progress: bool | None
    checkpoint: "str | os.PathLike[str] | None"
    executor: Executor | None
    max_cost: Any
    output_type: Any


def run(client: "Client", prompts: Iterable[Any], **wishes: Unpack[Wishes]) -> Generator[Result[Any], None, None]:
    """As `Client.map`; `client` has the options.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    if not isinstance(prompts, Iterable) or isinstance(prompts, _ONE):
        raise wrong("prompts", "an iterable of prompts (for one alone there is `complete`)", prompts)
    executor, output_type, checkpoint = wishes["executor"], wishes["output_type"], wishes["checkpoint"]
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise wrong("executor", "a concurrent.futures.Executor", executor)
    either = choice(True, False)  # noqa: FBT003 - the values themselves
    shown = wishes["progress"] is not None and either("progress", wishes["progress"])
    plan = Plan(
        client,
        output_type,
        concurrency=integer(1, _MOST)("concurrency", wishes["concurrency"]),
        ordered=either("ordered", wishes["ordered"]),
        raises=choice("raise", "return")("errors", wishes["errors"]) == "raise",
        executor=executor,
        budget=None if wishes["max_cost"] is None else _budget(client, wishes["max_cost"]),
    )
    if output_type is not None:
        output_form(output_type)  # to hear now that it cannot be one
    if shown:
        plan = evolve(plan, bar=_bar(prompts))
    if checkpoint is not None:
        plan = evolve(plan, kept=_kept(checkpoint))
    return results(plan, prompts)


def _budget(client: "Client", most: Any) -> "Budget":
    from llmkit.bulk.budget import Budget  # noqa: PLC0415 - with prices

    return Budget(client, most)


def _kept(path: "str | os.PathLike[str]") -> "Kept":
    from llmkit.bulk.checkpoint import Checkpoint  # noqa: PLC0415 - with sqlite3
    from llmkit.bulk.kept import Kept  # noqa: PLC0415

    return Kept(Checkpoint(path))


def _bar(prompts: Any) -> "Bar":
    from llmkit.bulk.progress import Bar  # noqa: PLC0415 - an extra

    return Bar(prompts)
