"""Ids of calls as a host takes them: which stand in for which, and whose result is whose."""

import re

import pytest

from llmkit.wire.call_ids import CallIds

WORDS = re.compile(r"[a-z_0-9]{1,64}")
HEX = re.compile(r"[0-9a-f]{64}")


@pytest.fixture
def ids():
    return CallIds(WORDS)


def test_an_id_that_fits_is_sent_as_it_is(ids):
    assert (ids.call("call_1"), ids.call("call_2")) == ("call_1", "call_2")
    assert (ids.result("call_2"), ids.result("call_1")) == ("call_2", "call_1")


def test_one_that_does_not_fit_has_a_stand_in(ids):
    first, second = ids.call("a.b:0"), ids.call("a.b:1")
    assert HEX.fullmatch(first)
    assert HEX.fullmatch(second)
    assert first != second
    assert (ids.result("a.b:1"), ids.result("a.b:0")) == (second, first)


def test_it_is_the_same_in_every_request():
    assert CallIds(WORDS).call("a.b:0") == CallIds(WORDS).call("a.b:0")


def test_an_id_that_comes_again_in_another_turn(ids):
    sent = []
    for _ in range(3):
        ids.turn()
        sent.append(ids.call("call_0"))
        assert ids.result("call_0") == sent[-1]
    assert sent[0] == "call_0"
    assert len(set(sent)) == 3


def test_a_call_without_a_result_does_not_take_that_of_a_later_one(ids):
    ids.call("call_0")
    ids.turn()
    later = ids.call("call_0")
    assert ids.result("call_0") == later


def test_an_id_that_comes_twice_in_one_turn(ids):
    """Results are in the order of their calls; one more is the last call's."""
    sent = [ids.call("call_0"), ids.call("call_0")]
    assert [ids.result("call_0") for _ in range(3)] == [*sent, sent[1]]


def test_turns_in_a_row_are_one(ids):
    """A result is that of its call although another turn came between."""
    ids.turn()
    first = ids.call("a.b")
    ids.turn()
    ids.call("call_1")
    assert ids.result("a.b") == first


def test_a_call_that_the_host_keeps(ids):
    """Nothing is known of it, and the host knows it by this very id."""
    assert ids.result("A.B") == "A.B"


def test_a_lone_surrogate_is_no_obstacle(ids):
    assert HEX.fullmatch(ids.call("\ud800"))
