"""The calls of a client that ask much at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload

from llmkit.core import Core

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable
    from concurrent.futures import Executor, Future
    from decimal import Decimal

    from typing_extensions import TypeForm

    from llmkit.batches import Batches
    from llmkit.bulk.result import Result
    from llmkit.client import Client
    from llmkit.request import Options, Prompt
    from llmkit.response import Response

Out = TypeVar("Out")


class Many(Core):
    """A client with these alone."""

    @overload
    def map(
        self,
        prompts: Iterable[Prompt],
        *,
        output_type: type[Out],
        concurrency: int = 8,
        ordered: bool = True,
        errors: Literal["raise", "return"] = "return",
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        max_cost: Decimal | float | str | None = None,
        **options: Unpack[Options],
    ) -> Generator[Result[Out], None, None]: ...
    @overload
    def map(
        self,
        prompts: Iterable[Prompt],
        *,
        output_type: TypeForm[Out],
        concurrency: int = 8,
        ordered: bool = True,
        errors: Literal["raise", "return"] = "return",
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        max_cost: Decimal | float | str | None = None,
        **options: Unpack[Options],
    ) -> Generator[Result[Out], None, None]: ...
    @overload
    def map(
        self,
        prompts: Iterable[Prompt],
        *,
        output_type: object = None,
        concurrency: int = 8,
        ordered: bool = True,
        errors: Literal["raise", "return"] = "return",
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        max_cost: Decimal | float | str | None = None,
        **options: Unpack[Options],
    ) -> Generator[Result[Any], None, None]: ...
    def map(  # noqa: PLR0913 - the contract
        self,
        prompts: Iterable[Prompt],
        *,
        concurrency: int = 8,
        ordered: bool = True,
        errors: Literal["raise", "return"] = "return",
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        max_cost: Decimal | float | str | None = None,
        output_type: object = None,
        **options: Unpack[Options],
    ) -> Generator[Result[Any], None, None]:
        """Ask many, some at a time; results as soon as they are there.

        Prompts are read by whoever reads the results, and as they are needed: there may be any number of them. What
        the source raises is raised when what was read is answered. Where the generator is closed, or Ctrl-C comes,
        nothing more is asked, and what is being asked ends; with a checkpoint it is awaited and kept.

        Args:
            prompts: Any iterable of what `complete` takes.
            concurrency: How many are asked at once; 1 to 10,000.
            ordered: Whether results come in the order of the prompts; else as they come.
            errors: ``return``: a row that fails has an `error`, and the others go on; ``raise``: the first one ends
                the run.
            progress: Whether a bar shows how far it is (extra ``progress``).
            checkpoint: The path of a file in which answers are kept as soon as they are there. A later run with it
                asks only what has no answer there, wherever in it those rows stand.
            executor: Where they are asked: by any `concurrent.futures.Executor`, of processes or a cluster, say, to
                which the client is pickled. It stays open. Else threads of the run's own.
            max_cost: US dollars; when the answers of this run have cost as much, nothing more is asked, what is being
                asked is handed out, and the run ends with a `BudgetExceededError`.
            output_type: As `complete` takes it.
            **options: Of each call, as `Options` names them; those of a `Request` win.

        Raises:
            ConfigurationError: An argument is wrong; from the generator: the price of a model is not known.
            BudgetExceededError: From the generator: see `max_cost`.
            OSError: From the generator: the checkpoint cannot be written.
            LLMKitError: From the generator: of the first row that failed, with ``errors="raise"``.
        """
        from llmkit.bulk.plan import run  # noqa: PLC0415

        return run(
            cast("Client", self.with_options(**options)),
            prompts,
            concurrency=concurrency,
            ordered=ordered,
            errors=errors,
            progress=progress,
            checkpoint=checkpoint,
            executor=executor,
            max_cost=max_cost,
            output_type=output_type,
        )

    def submit(self, prompt: Prompt, *, output_type: Any = None, **options: Unpack[Options]) -> Future[Response[Any]]:
        """Ask in another thread of the client's, of which there are 32; in asyncio, await it by `asyncio.wrap_future`.

        Args:
            prompt: As `complete` takes it.
            output_type: As `complete` takes it.
            **options: As `Options` names them.

        Returns:
            Its `result()` is what `complete` returns or raises. `cancel()` keeps it from being asked, if that has not
            begun.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        from llmkit.bulk.pool import submitted  # noqa: PLC0415

        return submitted(self._asking(prompt, output_type, options))

    @property
    def batches(self) -> Batches:
        """The provider's own batches: many requests at once, for less, answered within a day."""
        from llmkit.batches import Batches  # noqa: PLC0415

        return Batches(cast("Client", self))
