"""Minutes of meetings: what was decided, and who does what until when."""

from collections.abc import Callable, Iterator, Mapping

from attrs import field, frozen

from llmkit import Client, LLMKitError, Request, Response

INSTRUCTIONS = "Summarise the minutes of a meeting. Keep names and dates as they stand there."


@frozen
class Task:
    """What somebody promised.

    Attributes:
        who: A name as it stands in the minutes.
        what: In a few words.
        until: A date as it stands there; None where there is none.
    """

    who: str
    what: str
    until: str | None = None


@frozen
class Summary:
    """What is left of the minutes."""

    decisions: list[str]
    tasks: list[Task] = field(factory=list)


def summarise(client: Client, minutes: str) -> Summary:
    """The summary of some minutes.

    Raises:
        LLMKitError: There is none; `retryable` says whether it is worth another try.
    """
    return client.complete(minutes, system=INSTRUCTIONS, output_type=Summary).output


def summarise_all(client: Client, minutes: Mapping[str, str]) -> Iterator[tuple[str, Summary | LLMKitError]]:
    """The summaries of many minutes, by their names and in their order; the error of those that have none."""
    requests = (Request(text, id=name) for name, text in minutes.items())
    for result in client.map(requests, system=INSTRUCTIONS, output_type=Summary):
        try:
            found: Summary | LLMKitError = result.unwrap().output
        except LLMKitError as error:
            found = error
        yield result.id or "", found


def ask(client: Client, question: str, minutes_of: Callable[[str], str]) -> Response[None]:
    """The answer to a question about meetings, whose minutes the model may look up by their day.

    Args:
        client: Who is asked.
        question: In words.
        minutes_of: A day, as in ``2026-03-31``, → the minutes of that day.
    """

    def look_up(day: str) -> str:
        """Look up the minutes of a meeting.

        Args:
            day: As in 2026-03-31.
        """
        return minutes_of(day)

    return client.chat(tools=[look_up]).send(question)


def read_aloud(client: Client, minutes: str) -> Iterator[str]:
    """The minutes retold in plain words, as they are written."""
    with client.stream(minutes, system="Retell these minutes in plain words.") as stream:
        yield from stream.text_deltas()
