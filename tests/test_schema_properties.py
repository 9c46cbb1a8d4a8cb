"""What holds for every type: the schema accepts what is read, what is written is read back, and others agree."""

import json
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from strategies_schema import JSONS, accepts, mutated, types

from llmkit.partial_json import UNKNOWN, completed
from llmkit.schema import Misfit, json_schema, partial, structure, unstructure

EXAMPLES = int(os.environ.get("LLMKIT_EXAMPLES") or 15)
quick = settings(
    deadline=None,
    derandomize=True,
    max_examples=2 * EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def reads(value, type_):
    try:
        structure(value, type_)
    except Misfit as misfit:
        assert misfit.path.startswith("$")
        return False
    return True


@quick
@given(st.data())
def test_what_is_written_is_read_back_equal_and_fits_the_schema(data):
    case = data.draw(types())
    value = data.draw(case.values)
    written = unstructure(value, case.type)
    assert json.loads(json.dumps(written)) == written
    schema = json_schema(case.type)
    Draft202012Validator.check_schema(schema)
    json.dumps(schema)
    assert structure(written, case.type) == value
    assert accepts(schema, written)


@quick
@given(st.data())
def test_the_schema_accepts_what_is_read_and_nothing_else(data):
    case = data.draw(types())
    written = unstructure(data.draw(case.values), case.type)
    value = data.draw(st.one_of(mutated(written), JSONS))
    assert accepts(json_schema(case.type), value) == reads(value, case.type)


@quick
@given(st.data())
def test_what_is_known_of_any_beginning(data):
    """Never an error, and all of it once all has come."""
    case = data.draw(types())
    value = data.draw(case.values)
    text = json.dumps(unstructure(value, case.type))
    for end in range(len(text)):
        begun = completed(text[:end])
        if begun is not UNKNOWN:
            partial(begun, case.type)
    assert partial(json.loads(text), case.type) == value


@quick
@given(st.data())
def test_what_is_known_of_any_json(data):
    case = data.draw(types())
    value = data.draw(mutated(unstructure(data.draw(case.values), case.type)) | JSONS)
    known = partial(value, case.type)
    if reads(value, case.type):
        assert known == structure(value, case.type)


@quick
@given(st.data())
def test_nulls_that_stand_for_what_is_left_out(data):
    """What is read without them is read with them."""
    case = data.draw(types())
    value = data.draw(case.values)
    written = unstructure(value, case.type)
    assert structure(written, case.type, nulls=True) == value
