"""What a chat's send is made of: rounds, each a model call and the tools that it asks for."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from attrs import define, evolve, field, frozen

from llmkit.asking import Asking
from llmkit.calling import Crew, Job, failed, job, run_all
from llmkit.errors import ConfigurationError, ToolLoopError
from llmkit.messages import AssistantMessage, Message, Part, ToolCall, ToolResult, UserMessage
from llmkit.prices import Item, bills
from llmkit.response import Response, Usage
from llmkit.tools import ServerTool, Tool

_CALLING: Final = ("tool_calls", "stop", "other")  # with calls in the turn, these say that it is whole
_CONTINUED: Final = "pause"
_NOT_ALLOWED: Final = "this call was not allowed"


class Deferred:
    """What `approve` returns, the class or an instance, for a call that is answered later: see `Chat.pending`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Deferred()"


Approve = Callable[[ToolCall], "bool | str | Deferred | type[Deferred]"]


@frozen
class Hooks:
    """What a chat's caller wants to be asked and told.

    Attributes:
        approve: Asked before a tool is run.
        on_tool_call: Told of each call, as the model made it.
        on_tool_result: Told of each result.
    """

    approve: Approve | None = None
    on_tool_call: Callable[[ToolCall], object] | None = None
    on_tool_result: Callable[[ToolResult], object] | None = None


@define(eq=False)
class Turn:
    """One send of a chat.

    Attributes:
        ask: The conversation and the options → a call of the model.
        base: The history that it started from; never changed.
        prompt: What was said.
        messages: The whole conversation with the rounds so far.
        options: Of each model call, checked.
        hooks: The caller's.
        max_rounds: How many model calls there may be.
        watching: Makes the run of a tool watched; None where nobody watches.
        rounds: The answers so far.
        begins: Where in `messages` the first round is.
        left: Whether the last round has calls that are left to the caller.
    """

    ask: Callable[[Sequence[Message], dict[str, Any]], Asking]
    base: list[Message]
    prompt: Sequence[Message]
    messages: list[Message]
    options: dict[str, Any]
    hooks: Hooks
    max_rounds: int
    watching: Callable[[Job, Tool[..., Any]], Job] | None = None
    rounds: list[Response[Any]] = field(factory=list)
    begins: int = field(init=False)
    left: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.begins = len(self.messages)

    def asking(self) -> Asking:
        """The next model call.

        Raises:
            ToolLoopError: There have been as many as there may be.
        """
        if len(self.rounds) >= self.max_rounds:
            last = self.rounds[-1]
            raise ToolLoopError(
                f"the model is not done after max_rounds={self.max_rounds} model calls: go on by "
                "client.chat(history=[*chat.messages, *error.messages]).send(), or allow more",
                provider=last.provider,
                model=last.model,
                attempts=last.attempts,
                request_id=last.request_id,
            )
        return self.ask(self.messages, {**self.options})

    def take(self, response: Response[Any], crew: Crew | None = None) -> tuple[list[ToolResult], bool]:
        """Add a round: the answer, and what its tools return.

        Args:
            response: What the model said.
            crew: Runs the tools; None to run a single one right here.

        Returns:
            The results, and whether the model is to be asked again.
        """
        calls, reason = response.tool_calls, response.finish_reason.reason
        if calls and reason in _CALLING:
            results, more = self._called(calls, crew)
        else:
            results, more = [self._too_early(call, reason) for call in calls], reason == _CONTINUED and not calls
        self.rounds.append(response)
        self.messages.append(response.message)
        if results:
            self.messages.append(UserMessage(results))
        for result in results:
            if self.hooks.on_tool_result is not None:
                self.hooks.on_tool_result(result)
        return results, more

    def last(self) -> Response[Any]:
        """The last answer, with the sum of what all rounds cost."""
        last = self.rounds[-1]
        # Some hosts have another word for it, or none.
        reason = evolve(last.finish_reason, reason="tool_calls") if self.left else last.finish_reason
        return evolve(_summed(last, self.rounds), finish_reason=reason)

    def ended_by(self, response: Response[Any]) -> Response[Any]:
        """`response`, which was paid for and fits no `output_type`, as the last answer: no round is added."""
        return _summed(response, (*self.rounds, response))

    def said(self) -> tuple[Message, ...]:
        """The prompt and the completed rounds."""
        return (*self.prompt, *self.messages[self.begins :])

    def _called(self, calls: Sequence[ToolCall], crew: Crew | None) -> tuple[list[ToolResult], bool]:
        """The results of those calls that are not left to the caller, and whether none is."""
        plan = [self._planned(call) for call in calls]
        done = iter(run_all([one for one in plan if isinstance(one, Job)], crew))
        found = [next(done) if isinstance(one, Job) else one for one in plan if one is not None]
        set_free(self.options)
        self.left = None in plan
        return found, not self.left

    def _too_early(self, call: ToolCall, reason: str) -> ToolResult:
        if self.hooks.on_tool_call is not None:
            self.hooks.on_tool_call(call)
        return failed(call, f"it was not run, as the turn ended early ({reason})")

    def _planned(self, call: ToolCall) -> Job | ToolResult | None:
        """What to do about a call: run it, tell the model what is wrong, or leave it to the caller."""
        if self.hooks.on_tool_call is not None:
            self.hooks.on_tool_call(call)
        tools: Sequence[Tool[..., Any] | ServerTool] = self.options.get("tools", ())
        tool = next((tool for tool in tools if tool.name == call.name), None)
        if tool is None:
            names = ", ".join(tool.name for tool in tools) or "none"
            return failed(call, f"there is no tool named {call.name!r:.100}; there is: {names}")
        if isinstance(tool, ServerTool) or tool.function is None:
            return None
        found = job(call, tool)
        if not isinstance(found, Job):
            return found
        return self._approved(call, found if self.watching is None else self.watching(found, tool))

    def _approved(self, call: ToolCall, found: Job) -> Job | ToolResult | None:
        verdict = True if self.hooks.approve is None else self.hooks.approve(call)
        if verdict is True:
            return found
        if verdict is False or isinstance(verdict, str):
            return failed(call, verdict or _NOT_ALLOWED)
        if verdict is Deferred or isinstance(verdict, Deferred):
            return None
        raise ConfigurationError(f"approve: expected True, False, text or Deferred, got {verdict!r:.80}")


def set_free(options: dict[str, Any]) -> None:
    """Let a model that was made to call a tool, and has its results, answer: else it would call for ever."""
    if options.get("tool_choice") not in (None, "none"):
        options["tool_choice"] = "auto"


def _summed(response: Response[Any], rounds: Sequence[Response[Any]]) -> Response[Any]:
    """`response`, the last of `rounds`, with the sum of what they cost; of a single one what the provider told."""
    usage = response.usage if len(rounds) == 1 else sum((one.usage for one in rounds), Usage())
    return evolve(response, usage=usage, cost=all_bills(rounds), rounds=tuple(rounds))


def all_bills(rounds: Iterable[Response[Any]]) -> tuple[Item, ...]:
    """What the cost of several answers is found by."""
    return tuple(item for one in rounds for item in bills(one))


def unanswered(messages: Sequence[Message]) -> tuple[ToolCall, ...]:
    """The calls at the end of a conversation that have no result; none where somebody has spoken since."""
    calls, results = _last_calls(messages)
    return tuple(call for call, result in _matched(calls, results)[0] if result is None)


def answering(messages: Sequence[Message], prompt: UserMessage) -> tuple[UserMessage, list[Message]]:
    """The results in `prompt`, for the last calls of `messages`, which are not all answered.

    Returns:
        `prompt` in the order of the calls; and `messages` with it, all results in one turn.

    Raises:
        ConfigurationError: A call is left without a result, or a result belongs to none.
    """
    calls, given = _last_calls(messages)
    told, rest = _parted(prompt)
    waiting = [call for call, result in _matched(calls, given)[0] if result is None]
    matched, strays = _matched(waiting, told)
    if strays or any(result is None for _, result in matched):
        raise ConfigurationError(
            "prompt: calls wait for an answer: pass one result for each of "
            f"{', '.join(repr(call.id) for call in waiting)}, as in "
            "send([call.result(…) for call in chat.pending])"
        )
    named = [evolve(result, name=call.name) for call, result in matched if result is not None]
    prompt = UserMessage([*named, *rest])
    return prompt, joined_results([*messages, prompt], since=len(messages))


def _last_calls(messages: Sequence[Message]) -> tuple[Sequence[ToolCall], list[ToolResult]]:
    """The calls of the last turn of the model, and the results after it; none where more was said after it."""
    results: list[ToolResult] = []
    for message in reversed(messages):
        if isinstance(message, AssistantMessage):
            return [part for part in message.content if isinstance(part, ToolCall)], results
        found, rest = _parted(message)
        if rest or results:
            break
        results = found
    return (), []


def _matched(
    calls: Sequence[ToolCall], results: Sequence[ToolResult]
) -> tuple[list[tuple[ToolCall, ToolResult | None]], list[ToolResult]]:
    """Each call with its result, and the results of none.

    Some hosts repeat ids within a turn: the first result is the first call's then.
    """
    left: dict[str, deque[ToolResult]] = {}
    for result in results:
        left.setdefault(result.call_id, deque()).append(result)
    pairs = [(call, left[call.id].popleft() if left.get(call.id) else None) for call in calls]
    return pairs, [result for several in left.values() for result in several]


def _parted(message: Message) -> tuple[list[ToolResult], list[Part]]:
    """The results in a message, and what else is in it."""
    results = [part for part in message.content if isinstance(part, ToolResult)]
    return results, [part for part in message.content if not isinstance(part, ToolResult)]


def joined_results(messages: Sequence[Message], since: int = 0) -> list[Message]:
    """`messages`, with results that stand in two turns next to each other in one, in the order of their calls.

    Args:
        messages: A conversation.
        since: Where to begin to look; what stands before is as it should be.
    """
    found = [*messages[:since]]
    for message in messages[since:]:
        before = found[-1] if found else None
        if before is not None and _all_results(before) and _results_first(message):
            calls, _ = _last_calls(found)
            told, rest = _parted(message)
            matched, strays = _matched(calls, [*_parted(before)[0], *told])
            found[-1] = UserMessage([*(result for _, result in matched if result is not None), *strays, *rest])
        else:
            found.append(message)
    return found


def _all_results(message: Message) -> bool:
    return isinstance(message, UserMessage) and not _parted(message)[1]


def _results_first(message: Message) -> bool:
    return isinstance(message, UserMessage) and isinstance(next(iter(message.content), None), ToolResult)
