"""`llmkit.bulk.summary`: what came of many prompts, as values and as a table."""

import pickle
import re
import weakref
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from llmkit import AssistantMessage, FinishReason, IncompleteStreamError, OutputError, RateLimitError, Response, Usage
from llmkit.bulk import summary
from llmkit.bulk.result import Result


def response(model="haiku", provider="anthropic", usage=None, cost="0.25"):
    usage = Usage(1000, 200, 300, 0, 50, raw={}) if usage is None else usage
    return Response(
        id="1",
        model=model,
        provider=provider,
        message=AssistantMessage("Hi"),
        finish_reason=FinishReason("stop"),
        usage=usage,
        cost=None if cost is None else Decimal(cost),
    )


def results(*found):
    """A row for each answer or error."""
    for index, one in enumerate(found):
        answer, error = (one, None) if isinstance(one, Response) else (None, one)
        yield Result(index, None, "Hello", answer, error)


REFUSED = RateLimitError("slow down", provider="anthropic", model="haiku")


def test_by_model():
    found = summary(results(response(), response("sonnet", cost="2"), response(), REFUSED))
    haiku, sonnet = found.lines
    assert (haiku.name, haiku.rows, haiku.failed, haiku.cost) == ("anthropic:haiku", 3, 1, Decimal("0.5"))
    assert haiku.usage == Usage(2000, 400, 600, 0, 100)
    assert (sonnet.name, sonnet.rows, sonnet.failed, sonnet.cost) == ("anthropic:sonnet", 1, 0, 2)
    assert (found.rows, found.failed, found.cost) == (4, 1, Decimal("2.5"))
    assert found.usage == Usage(3000, 600, 900, 0, 150)


def test_the_same_model_of_two_hosts():
    found = summary(results(response(), response(provider="vertex")))
    assert [line.name for line in found.lines] == ["anthropic:haiku", "vertex:haiku"]


def test_of_nothing():
    found = summary([])
    assert (found.lines, found.rows, found.failed, found.usage, found.cost) == ((), 0, 0, Usage(), 0)


PAID = {
    "it does not fit": (OutputError("no JSON", response=response()), Decimal("0.25"), 1000),
    "it was cut off": (IncompleteStreamError("cut", partial=response()), Decimal("0.25"), 1000),
    "it was cut off before anything was told": (IncompleteStreamError("cut", partial=response(usage=Usage())), 0, 0),
    "nobody answered": (REFUSED, 0, 0),
}


@pytest.mark.parametrize(("error", "cost", "tokens"), PAID.values(), ids=PAID.keys())
def test_what_was_paid_for_in_vain(error, cost, tokens):
    found = summary(results(error))
    assert (found.rows, found.failed, found.cost, found.usage.input_tokens) == (1, 1, cost, tokens)
    assert found.lines[0].name == "anthropic:haiku"


def test_an_error_that_names_nobody():
    assert summary(results(RateLimitError("slow down"))).lines[0].name == ""


def test_a_cost_that_is_not_known():
    found = summary(results(response(), response(cost=None), response("sonnet")))
    haiku, sonnet = found.lines
    assert (haiku.cost, haiku.known_cost, haiku.unpriced) == (None, Decimal("0.25"), 1)
    assert sonnet.cost == Decimal("0.25")
    assert (found.cost, found.total.known_cost) == (None, Decimal("0.5"))


TEXT = """\
model             rows  failed  input  cached  output  reasoning       US$
anthropic:haiku      3       1  2,000     600     400        100    0.5000
anthropic:sonnet     2       0  2,000     600     400        100  ≥ 1.2500
ollama:llama         1       0  1,000     300     200         50         ?
total                6       1  5,000   1,500   1,000        250  ≥ 1.7500"""
SEVERAL = (
    *(response(), response(), REFUSED),
    *(response("sonnet", cost="1.25"), response("sonnet", cost=None), response("llama", "ollama", cost=None)),
)


def test_as_text():
    """What is known of a cost is shown as such where it is not all."""
    assert str(summary(results(*SEVERAL))) == TEXT


def test_one_model_needs_no_total():
    assert str(summary(results(response()))).splitlines() == [
        "model            rows  failed  input  cached  output  reasoning     US$",
        "anthropic:haiku     1       0  1,000     300     200         50  0.2500",
    ]


class Cells(HTMLParser):
    """What a table shows, row by row."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def handle_starttag(self, tag, _):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.rows[-1][-1] += data


def test_in_a_notebook():
    page = Cells()
    page.feed(summary(results(*SEVERAL))._repr_html_())
    assert page.rows == [re.split(r" {2,}", line) for line in TEXT.splitlines()]


def test_a_model_s_name_is_no_html():
    page = Cells()
    page.feed(summary(results(response("<b>&amp;</b>")))._repr_html_())
    assert page.rows[1][0] == "anthropic:<b>&amp;</b>"


def test_results_are_not_kept():
    """However many there are: what came of a row is let go before the next but one is read."""
    made = []

    def rows():
        for result in results(*[response()] * 50):
            made.append(weakref.ref(result))
            yield result
            del result
            assert all(ref() is None for ref in made[:-1])

    assert summary(rows()).rows == len(made) == 50


def test_pickles():
    found = summary(results(response(), REFUSED))
    assert pickle.loads(pickle.dumps(found)) == found
