"""`docs/reliability.md` names, for each of its rules, tests that are there."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text()
RULES = re.findall(r"^## (\d+\. .*?)\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`(test_\w+\.py)::(\w+)`")


def test_there_are_ten_rules():
    assert [int(title.split(".")[0]) for title, _ in RULES] == [*range(1, 11)]


@pytest.mark.parametrize(("title", "text"), RULES, ids=[title for title, _ in RULES])
def test_each_names_tests_that_are_there(title, text):
    named = NAMED.findall(text)
    assert named
    for file, name in named:
        tree = ast.parse((TESTS / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}, name
