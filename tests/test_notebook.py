"""`llmkit.notebook`: variables in texts, tables in prompts, runs as tables and as pictures."""

import builtins
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import pandas as pd
import pytest
from attrs import frozen
from matplotlib.figure import Figure

from llmkit import (
    BadRequestError,
    ConfigurationError,
    Document,
    Image,
    Price,
    Request,
    Response,
    Result,
    Text,
    Tool,
    ToolCall,
    Usage,
    UserMessage,
)
from llmkit import notebook as package
from llmkit.display import display
from llmkit.media import png
from llmkit.messages import AssistantMessage
from llmkit.notebook import frame, plot, prompts, table
from llmkit.notebook.filling import filled, variables
from llmkit.response import FinishReason
from llmkit.testing import Reply

RED = Image.of(png.encode(b"\xff\0\0", 1, 1, 3))
CITIES = pd.DataFrame({"city": ["Oslo", "Rome"], "people": [717_710, 2_748_109]})


def drawn():
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([1, 2])
    return figure


# ---- variables -------------------------------------------------------------------------------------------------------


class Broken:
    @property
    def output(self):
        return 1 / 0


NAMES = {
    "name": "Ada",
    "number": 3.14159,
    "where": {"city": "Ely", "a._b": "an item"},
    "row": ("a", "b"),
    "answer": Response("", "m", "p", AssistantMessage("Four."), FinishReason("stop")),
    "cities": CITIES,
    "red": RED,
    "none": None,
    "broken": Broken(),
    "_llm": "kept",
}
FILLED = {
    "a name": ("Hello {name}!", "Hello Ada!"),
    "none at all": ("Hello!", "Hello!"),
    "a format": ("{number:.2f}", "3.14"),
    "a conversion": ("{name!r:>6}", " 'Ada'"),
    "an item": ("{where[city]}", "Ely"),
    "an item that looks private": ("{where[a._b]}", "an item"),
    "a private name": ("{_llm}", "kept"),
    "an item by number": ("{row[1]}", "b"),
    "an attribute": ("{answer.finish_reason.reason}", "stop"),
    "an answer": ("{answer} Why?", "Four. Why?"),
    "braces": ('{{"a": {{}}}} {name}', '{"a": {}} Ada'),
    "what is None": ("{none}", "None"),
    "a table": ("{cities}", table(CITIES)),
    "the first rows of a table": ("{cities:1}", table(CITIES, rows=1)),
    "a column": ("{cities.city}", table(CITIES["city"])),
}
WRONG = {
    "a missing name": ("{nam}", r"\{nam\}: there is no 'nam' \(did you mean 'name'\?\)"),
    "a missing name, none near": ("{zzz}", r"\{zzz\}: there is no 'zzz'; write \{\{ and \}\}"),
    "a missing attribute": ("{name.age}", r"\{name.age\}: AttributeError"),
    "a private attribute": ("{answer.__class__.__init__.__globals__}", "names that begin with _ are private"),
    "a private attribute of an item": ("{row[0].__class__}", "names that begin with _ are private"),
    "a property that fails": ("{broken.output}", r"\{broken.output\}: ZeroDivisionError: "),
    "a missing item": ("{where[street]}", r"\{where\[street\]\}: KeyError: 'street'"),
    "an open brace": ("a { b", "cannot be filled in: .*; write {{ and }}"),
    "a brace that closes nothing": ("a } b", "cannot be filled in: .*; write {{ and }}"),
    "no name": ("{}", "braces hold the name of a variable"),
    "a number": ("{0}", "braces hold the name of a variable"),
    "JSON": ('{"a": 1}', "there is no '\"a\"'.*; write {{ and }}"),
    "a format that does not fit": ("{name:.2f}", r"\{name\}: cannot be written so: "),
    "rows that are no number": ("{cities:all}", r"\{cities\}: cannot be written so: "),
    "a conversion that is none": ("{name!x}", r"\{name\}: cannot be written so: "),
}


@pytest.mark.parametrize(("template", "expected"), FILLED.values(), ids=FILLED.keys())
def test_variables_in_a_text(template, expected):
    assert filled(template, NAMES) == (Text(expected),)


@pytest.mark.parametrize(("template", "problem"), WRONG.values(), ids=WRONG.keys())
def test_a_text_that_cannot_be_filled(template, problem):
    with pytest.raises(ConfigurationError, match=problem):
        filled(template, NAMES)


def test_pictures_stand_where_they_are_named():
    parts = filled("What is {red} here, and {figure} there?", {"red": RED, "figure": drawn()})
    assert [type(part) for part in parts] == [Text, Image, Text, Image, Text]
    assert parts[1] == RED
    assert parts[3].media_type == "image/png"
    assert [part.text for part in parts[::2]] == ["What is ", " here, and ", " there?"]


def test_a_picture_of_pil():
    from PIL import Image as Pillow

    (part,) = filled("{photo}", {"photo": Pillow.new("RGB", (2, 2))})
    assert part.media_type == "image/png"


def test_no_blank_text_beside_a_picture():
    """Which providers refuse."""
    assert filled("{red}\n", {"red": RED}) == (RED,)


def test_nothing_is_evaluated():
    with pytest.raises(ConfigurationError, match="there is no '1 "):
        filled("{1 + 1}", NAMES)
    assert filled("{name.upper}", NAMES)[0].text.startswith("<built-in method upper")


def test_the_names_that_a_text_asks_for():
    assert variables("{a.b} {c[0]} {a} {{d}}") == ("a", "c")


# ---- tables ----------------------------------------------------------------------------------------------------------

TABLES = {
    "numbers and text": (CITIES, {}, "| city | people |\n| --- | --- |\n| Oslo | 717710 |\n| Rome | 2748109 |"),
    "an index": (
        CITIES.set_index("city"),
        {},
        "| city | people |\n| --- | --- |\n| Oslo | 717710 |\n| Rome | 2748109 |",
    ),
    "an index without a name": (
        pd.DataFrame({"a": [1]}, index=["x"]),
        {},
        "|  | a |\n| --- | --- |\n| x | 1 |",
    ),
    "a series": (pd.Series([1, 2], name="n"), {}, "| n |\n| --- |\n| 1 |\n| 2 |"),
    "the first rows": (
        pd.DataFrame({"n": range(1200)}),
        {"rows": 2},
        "| n |\n| --- |\n| 0 |\n| 1 |\n\n(1,200 rows; the first 2 are shown)",
    ),
    "wide cells": (pd.DataFrame({"t": ["abcdefgh"]}), {"width": 5}, "| t |\n| --- |\n| abcd… |"),
    "what would break a row": (
        pd.DataFrame({"a|b": ["x|y", "two\nlines", " \t"]}),
        {},
        "| a\\|b |\n| --- |\n| x\\|y |\n| two lines |\n|  |",
    ),
    "what is missing": (
        pd.DataFrame({"a": [1.0, None], "b": ["x", None], "c": pd.to_datetime(["2026-01-02", None])}),
        {},
        "| a | b | c |\n| --- | --- | --- |\n| 1 | x | 2026-01-02 00:00:00 |\n|  |  |  |",
    ),
    "integers beside floats": (
        pd.DataFrame({"i": [2**60], "f": [0.1 + 0.2]}),
        {},
        "| i | f |\n| --- | --- |\n| 1152921504606846976 | 0.3 |",
    ),
    "columns of the same name": (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        {},
        "| a | a |\n| --- | --- |\n| 1 | 2 |",
    ),
    "levels": (
        pd.DataFrame({"n": [1]}, index=pd.MultiIndex.from_tuples([("x", 2)], names=["p", None])),
        {},
        "| p |  | n |\n| --- | --- | --- |\n| x | 2 | 1 |",
    ),
    "no rows": (CITIES.head(0), {}, "| city | people |\n| --- | --- |"),
}
WRONG_TABLES = {
    "no table": ([[1]], {}, "frame: expected a DataFrame or a Series"),
    "no rows": (CITIES, {"rows": 0}, "rows: "),
    "no width": (CITIES, {"width": 1}, "width: "),
}


@pytest.mark.parametrize(("data", "options", "expected"), TABLES.values(), ids=TABLES.keys())
def test_a_table_for_a_prompt(data, options, expected):
    assert table(data, **options) == expected


@pytest.mark.parametrize(("data", "options", "problem"), WRONG_TABLES.values(), ids=WRONG_TABLES.keys())
def test_what_is_no_table(data, options, problem):
    with pytest.raises(ConfigurationError, match=problem):
        table(data, **options)


# ---- rows as prompts -------------------------------------------------------------------------------------------------


def test_a_prompt_for_each_row():
    cities = CITIES.set_index(pd.Index(["no", "it"]))
    assert prompts(cities, "{city}: {people:,}?", max_tokens=5) == [
        Request("Oslo: 717,710?", id="no", max_tokens=5),
        Request("Rome: 2,748,109?", id="it", max_tokens=5),
    ]


def test_a_column_of_pictures():
    asked = prompts(pd.DataFrame({"photo": [RED], "name": ["red"]}), "Is {photo} {name}?")
    assert asked[0].prompt == UserMessage(["Is ", RED, " red?"])


def test_a_column_whose_name_has_a_blank():
    assert prompts(pd.DataFrame({"full name": ["Ada"]}), "{full name}")[0].prompt == "Ada"


PROMPTS = {
    "no table": ([1], "{a}", "frame: expected a DataFrame"),
    "a column": (CITIES["city"], "{city}", "frame: expected a DataFrame"),
    "no such column": (CITIES, "{town}", "there is no 'town'"),
    "two columns": (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        "{a}",
        "{a}: there are several columns",
    ),
    "columns of several levels": (
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
        "{a}",
        "{a}: there are several columns",
    ),
    "no column": (CITIES, "Hello", "template: it names no {column}"),
    "a cell that is empty": (
        pd.DataFrame({"a": ["x", None]}, index=["r1", "r2"]),
        "{a}",
        "row 'r2': column 'a' is empty; see DataFrame.dropna",
    ),
}


@pytest.mark.parametrize(("data", "template", "problem"), PROMPTS.values(), ids=PROMPTS.keys())
def test_rows_that_are_no_prompts(data, template, problem):
    with pytest.raises(ConfigurationError, match=problem):
        prompts(data, template)


# ---- what came of them -----------------------------------------------------------------------------------------------


@frozen
class City:
    name: str
    model: int  # as a column of every answer is called


@dataclass
class Data:
    name: str


class Typed(TypedDict):
    name: str


class Named(NamedTuple):
    name: str


def result(index=0, text="Oslo", output=None, model="m-1", **more):
    response = Response("", model, "p", AssistantMessage(text), FinishReason("stop"), Usage(10, 2), output=output)
    return Result(index, None, f"q{index}", response, **more)


OUTPUTS = {
    "attrs": (City("Oslo", 1), {"name": "Oslo", "output_model": 1}),
    "names of each other": ({"output_model": 1, "model": 2}, {"output_model": 1, "output_output_model": 2}),
    "a dataclass": (Data("Oslo"), {"name": "Oslo"}),
    "a TypedDict": (Typed(name="Oslo"), {"name": "Oslo"}),
    "a NamedTuple": (Named("Oslo"), {"name": "Oslo"}),
    "a list": (["Oslo"], {"output": ["Oslo"]}),
    "a number": (5, {"output": 5}),
}


@pytest.mark.parametrize(("output", "columns"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_outputs_by_their_fields(output, columns):
    found = frame([result(output=output)])
    own = [*frame([result()]).columns]
    assert [name for name in found.columns if name not in own] == [*columns]
    assert {name: found[name][0] for name in columns} == columns


def test_a_run_as_a_table(server):
    server.reply(Reply("Oslo.", usage=Usage(1000, 200, cache_read_tokens=400)))
    server.reply(BadRequestError("no", status=400))
    client = server.client("anthropic", model="m", prices={"m": Price(10, 20)})
    found = frame(client.map(["Norway?", "Italy?", ""], concurrency=1))
    assert [*found.columns] == [
        "prompt", "text", "error", "finish_reason", "provider", "model",
        "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens", "cost", "seconds",
    ]  # fmt: skip
    assert found.index.tolist() == [0, 1, 2]
    assert found["prompt"].tolist() == ["Norway?", "Italy?", ""]
    assert found["text"].isna().tolist() == [False, True, True]
    assert found["error"][1].startswith("BadRequestError: 400 ")
    assert found["error"][2].startswith("ConfigurationError: ")
    assert found["model"].tolist()[:2] == ["m", "m"]
    assert found["input_tokens"].sum() == 1000
    assert found["input_tokens"].isna().tolist() == [False, True, True]
    assert found["cost"][0] == pytest.approx(0.014)
    assert found["cost"].isna().tolist() == [False, True, True]
    assert 0 < found["seconds"][0] < 20
    assert found["seconds"].isna().tolist() == [False, False, True], "the last one was not asked"


def test_what_was_paid_for_in_vain(server):
    server.reply(Reply("no JSON", usage=Usage(10, 3)))
    found = frame(server.client("anthropic", model="m").map(["?"], output_type=City))
    assert found["error"][0].startswith("OutputError: ")
    assert found["output_tokens"][0] == 3
    assert pd.isna(found["text"][0])


def test_an_answer_that_calls_a_tool_has_no_output(server):
    server.reply(ToolCall("1", "f", {}))
    found = frame(server.client("anthropic", model="m").map(["?"], output_type=City, tools=[Tool("f", "", {})]))
    assert found["finish_reason"][0] == "tool_calls"
    assert found["error"].isna().all()
    assert "name" not in found


def test_answers_beside_their_rows():
    asked = pd.DataFrame({"text": ["a", "b", "c"], "n": [1, 2, 3]}, index=["x", "y", "z"])
    found = frame([result(2, "C"), result(0, "A")], asked)
    assert found.index.tolist() == ["x", "y", "z"]
    assert [*found.columns][:4] == ["text", "n", "answer_text", "error"]
    assert found["answer_text"].fillna("").tolist() == ["A", "", "C"]
    assert [*asked.columns] == ["text", "n"], "it is left as it was"
    assert found["input_tokens"].tolist() == [10, pd.NA, 10]


def test_results_of_another_table():
    with pytest.raises(ConfigurationError, match="asked: it has 2 rows, and there is a result of row 2"):
        frame([result(2)], CITIES)


def test_several_results_of_a_row():
    """As of two runs."""
    assert len(frame([result(1), result(1)])) == 2
    with pytest.raises(ConfigurationError, match="asked: there are several results of row 1"):
        frame([result(1), result(1)], CITIES)


def test_rows_of_no_table():
    with pytest.raises(ConfigurationError, match="asked: expected a DataFrame of pandas"):
        frame([result()], ["a"])


def test_a_table_of_nothing():
    assert len(frame([])) == 0
    assert len(frame([], CITIES)) == 2


def test_prompts_of_any_kind():
    said = [Result(0, None, thing, result().response) for thing in ("a", UserMessage("b"), Request("c"), [RED], 5)]
    assert frame(said)["prompt"].fillna("?").tolist() == ["a", "b", "c", "?", "?"]


EXECUTORS = {"its own threads": nullcontext, "an executor": lambda: ThreadPoolExecutor(1)}


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS.keys())
def test_seconds_are_of_the_asking(executor, server):
    """Not of the waiting for a thread, or for who reads the results; also of a row that fails."""
    server.latency = 0.1
    server.reply("a")
    server.reply(BadRequestError("no", status=400))
    client = server.client("anthropic", model="m")
    with executor() as threads:
        found = [*client.map(["a", "b", "c"], concurrency=1, executor=threads)]
    assert all(0.1 <= each.seconds < 20 for each in found)
    assert [each.error is None for each in found] == [True, False, True]


def test_an_answer_from_a_file_took_no_time(server, tmp_path):
    client = server.client("anthropic", model="m")
    (first,) = client.map(["a"], checkpoint=tmp_path / "run.db")
    (again,) = client.map(["a"], checkpoint=tmp_path / "run.db")
    assert first.seconds is not None
    assert again.seconds is None
    assert first == again


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_a_run_as_a_picture(server):
    server.reply_with(lambda request: Reply("ok", usage=Usage(1000, 500, cache_read_tokens=200)))
    server.reply(BadRequestError("no", status=400))
    client = server.client("anthropic", model="m", prices={"m": Price(10, 20)})
    found = plot(client.map(["a", "b", "c"], concurrency=1))
    assert isinstance(found, Figure)
    assert found.get_suptitle() == "3 rows, 1 failed"
    tokens, cost, seconds = found.axes
    assert [bar.get_width() for bar in tokens.patches] == [400, 1600, 1000]
    assert tokens.get_title(loc="left") == "3,000 tokens"
    assert [label.get_text() for label in tokens.get_yticklabels()] == ["anthropic:m"]
    assert cost.get_title(loc="left") == "$0.0400"
    assert cost.lines[0].get_ydata().tolist() == pytest.approx([0, 0.02, 0.04])
    assert seconds.get_title(loc="left").startswith("median ")
    assert sum(bar.get_height() for bar in seconds.patches) == 3
    assert found._repr_png_().startswith(b"\x89PNG")


PICTURES = {
    "nothing": ([], ["0 tokens", "cost", "seconds"]),
    "no price, no times": ([result()], ["12 tokens", "cost", "seconds"]),
    "one time": ([result(seconds=2.0)], ["12 tokens", "cost", "median 2.0 s, 95 % within 2.0 s"]),
}


@pytest.mark.parametrize(("results", "titles"), PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_of_little(results, titles):
    found = plot(results)
    assert [axes.get_title(loc="left") for axes in found.axes] == titles
    found.draw_without_rendering()


def test_models_of_any_name(server):
    """Long ones that begin the same have a bar each; what would be a formula of TeX's is none."""
    names = ["ft:gpt-4o-mini-2024-07-18:acme:one", "ft:gpt-4o-mini-2024-07-18:acme:two", "a$b_$"]
    found = plot([result(place, model=name) for place, name in enumerate(names)])
    tokens = found.axes[0]
    assert [bar.get_y() + bar.get_height() / 2 for bar in tokens.patches[:3]] == pytest.approx([0, 1, 2])
    labels = [label.get_text() for label in tokens.get_yticklabels()]
    assert [label[-4:] for label in labels] == [":one", ":two", "$b_$"]
    found.draw_without_rendering()


def test_a_cost_that_is_known_in_part(server):
    client = server.client("anthropic", prices={"m": Price(10, 20)})
    server.reply_with(lambda request: Reply("ok", usage=Usage(1000, 0)))
    asked = [Request("a", model="m"), Request("b", model="nobody-knows-it")]
    assert plot(client.map(asked)).axes[1].get_title(loc="left") == "≥ $0.0100"


# ---- without the extra -----------------------------------------------------------------------------------------------

EXTRAS = {
    "frame": ("pandas", lambda: frame([]), "frame needs pandas: pip install 'llmkit\\[notebook\\]'"),
    "plot": ("matplotlib", lambda: plot([]), "plot needs matplotlib: pip install 'llmkit\\[notebook\\]'"),
}


@pytest.mark.parametrize(("library", "call", "problem"), EXTRAS.values(), ids=EXTRAS.keys())
def test_without_the_extra(library, call, problem, monkeypatch):
    """An import that fails is what Python itself has for that."""
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.split(".")[0] == library or name == "llmkit.notebook.pictures":
            raise ModuleNotFoundError(f"No module named {library!r}", name=library)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigurationError, match=problem):
        call()


def test_its_doors():
    assert {"display", "frame", "plot", "prompts", "table"} <= set(dir(package))
    assert package.display is display
    assert package.frame is frame
    with pytest.raises(AttributeError, match="no attribute 'tabel'"):
        package.tabel  # noqa: B018


def test_a_document_is_a_part_too():
    paper = Document.of(b"%PDF-1.4\n%%EOF\n")
    assert filled("{paper}", {"paper": paper}) == (paper,)
