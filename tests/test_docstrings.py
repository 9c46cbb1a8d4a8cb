from textwrap import dedent, indent

import docstring_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_fuzz import Work, assert_linear

from llmkit.docstrings import description, parameters

# ---- the three styles ------------------------------------------------------------------------------------------------

STYLES = {
    "google": (
        """
        Tell the weather.

        It is measured, not guessed.

        Args:
            city: Where.
            when (date): The day.
            unit (Literal["C", "F"], optional): What it is measured in:
                C or F.
            *stations (str): Ask these.
            **more: For the station.

        Returns:
            The weather: in words.

        Raises:
            LookupError: There is no such city.
        """,
        docstring_parser.google.parse,
    ),
    "numpy": (
        """
        Tell the weather.

        It is measured, not guessed.

        Parameters
        ----------
        city
            Where.
        when : date
            The day.
        unit : {"C", "F"}, optional
            What it is measured in:
            C or F.
        *stations : str
            Ask these.
        **more
            For the station.

        Returns
        -------
        str
            The weather: in words.

        Raises
        ------
        LookupError
            There is no such city.
        """,
        docstring_parser.numpydoc.parse,
    ),
    "sphinx": (
        r"""
        Tell the weather.

        It is measured, not guessed.

        :param city: Where.
        :type city: str
        :param date when: The day.
        :param Literal["C","F"] unit: What it is measured in:
            C or F.
        :param str \*stations: Ask these.
        :param \*\*more: For the station.
        :returns: The weather: in words.
        :rtype: str
        :raises LookupError: There is no such city.
        """,
        docstring_parser.rest.parse,
    ),
}
TOLD = {
    "city": "Where.",
    "when": "The day.",
    "unit": "What it is measured in:\nC or F.",
    "stations": "Ask these.",
    "more": "For the station.",
}
each_style = pytest.mark.parametrize(("doc", "oracle"), STYLES.values(), ids=STYLES.keys())


def by_oracle(parsed):
    """Texts by name without asterisks, and the description, as docstring-parser has them."""
    texts = {param.arg_name.strip("\\*"): param.description for param in parsed.params if param.description}
    return texts, parsed.description or ""


@each_style
def test_each_style(doc, oracle):
    assert parameters(doc) == TOLD
    assert description(doc) == "Tell the weather.\n\nIt is measured, not guessed."


@each_style
def test_the_oracle_agrees(doc, oracle):
    assert by_oracle(oracle(dedent(doc).strip())) == (parameters(doc), description(doc))


@each_style
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_however_it_is_indented(doc, oracle, end):
    for text in (dedent(doc), indent(dedent(doc), "\t"), doc.strip(), doc.replace("    ", "  ")):
        assert parameters(text.replace("\n", end)) == TOLD
        assert description(text.replace("\n", end)) == "Tell the weather.\n\nIt is measured, not guessed."


# ---- what people write -----------------------------------------------------------------------------------------------

# A docstring without its indentation → the texts.
NAMED = {
    "nothing": ("", {}),
    "blank": (" \n\t\n ", {}),
    "a summary": ("Tell it.", {}),
    "google: no blank line before": ("Tell it.\nArgs:\n    x: A.", {"x": "A."}),
    "google: Arguments": ("S.\n\nArguments:\n    x: A.", {"x": "A."}),
    "google: Parameters": ("S.\n\nParameters:\n    x: A.", {"x": "A."}),
    "google: Keyword Args": ("S.\n\nArgs:\n  x: A.\n\nKeyword Args:\n  y: B.", {"x": "A.", "y": "B."}),
    "google: Attributes": ("S.\n\nAttributes:\n    x (int): A.", {"x": "A."}),
    "google: a blank line before the first": ("S.\n\nArgs:\n\n    x: A.", {"x": "A."}),
    "google: blank lines between": ("S.\n\nArgs:\n    x: A.\n\n    y: B.", {"x": "A.", "y": "B."}),
    "google: paragraphs": ("S.\n\nArgs:\n    x: A.\n\n        B.\n    y: C.", {"x": "A.\n\nB.", "y": "C."}),
    "google: a list": ("S.\n\nArgs:\n    x: One of:\n        - a: A.\n        - b", {"x": "One of:\n- a: A.\n- b"}),
    "google: text in the next line": ("S.\n\nArgs:\n    x:\n        A.\n        B.", {"x": "A.\nB."}),
    "google: indented steps": ("S.\n\nArgs:\n    x: A\n      b\n        c\n      d", {"x": "A\nb\n  c\nd"}),
    "google: a line that is not indented further": ("S.\n\nArgs:\n    x: A and\n    so on.", {"x": "A and\nso on."}),
    "google: a line between both margins": ("S.\n\nArgs:\n    x: A\n  more\n    y: B", {"x": "A\nmore", "y": "B"}),
    "google: a type with colons": ("S.\n\nArgs:\n    x (Literal['a:b']): A: B.", {"x": "A: B."}),
    "google: a type in brackets": ("S.\n\nArgs:\n    x (Callable[[], (int)]): See f(): g.", {"x": "See f(): g."}),
    "google: no blank before the type": ("S.\n\nArgs:\n    x(int): A.", {"x": "A."}),
    "google: a blank before the colon": ("S.\n\nArgs:\n    x : A.", {"x": "A."}),
    "google: several names": ("S.\n\nArgs:\n    x, y: A.", {"x": "A.", "y": "A."}),
    "google: marked as code": ("S.\n\nArgs:\n    `x`: A.\n    ``y`` (int): B.", {"x": "A.", "y": "B."}),
    "google: a name of another script": ("S.\n\nArgs:\n    größe: Wie groß.", {"größe": "Wie groß."}),
    "google: no text": ("S.\n\nArgs:\n    x:\n    y: B.", {"y": "B."}),
    "google: the first text counts": ("S.\n\nArgs:\n    x: A.\n\nArgs:\n    x: B.", {"x": "A."}),
    "google: not indented": ("S.\n\nArgs:\nx: A.", {}),
    "google: nothing in it": ("S.\n\nArgs:", {}),
    "google: results are no parameters": ("S.\n\nReturns:\n    x: A.\n\nYields:\n    y: B.", {}),
    "google: an example in the description": ("S.\n\nArgs:\n    x: A.\n\nNote:\n    y: B.", {"x": "A."}),
    "numpy: a colon without blanks": ("S.\n\nParameters\n----------\nx: int\n    A.", {"x": "A."}),
    "numpy: several names": ("S.\n\nParameters\n----------\nx, y : int\n    A.", {"x": "A.", "y": "A."}),
    "numpy: paragraphs": (
        "S.\n\nParameters\n----------\nx : int\n    A.\n\n    B.\ny\n    C.",
        {"x": "A.\n\nB.", "y": "C."},
    ),
    "numpy: no text": ("S.\n\nParameters\n----------\nx : int\ny : int\n    B.", {"y": "B."}),
    "numpy: other parameters": ("S.\n\nOther Parameters\n----------------\nx\n    A.", {"x": "A."}),
    "numpy: Attributes": ("S.\n\nAttributes\n----------\nx : int\n    A.", {"x": "A."}),
    "numpy: a line of another length": ("S.\n\nParameters\n---\nx\n    A.\n\nNotes\n=====\ny\n    B.", {"x": "A."}),
    "numpy: results are no parameters": ("S.\n\nReturns\n-------\nx : int\n    A.", {}),
    "numpy: nothing below": ("S.\n\nParameters\n----------", {}),
    "sphinx: no blank line before": ("Tell it.\n:param x: A.", {"x": "A."}),
    "sphinx: a type of several words": ("S.\n\n:param dict[str, int] | None x: A.", {"x": "A."}),
    "sphinx: a type with colons": ("S.\n\n:param Literal['a:b'] x: A: B.", {"x": "A: B."}),
    "sphinx: other words": ("S.\n\n:arg x: A.\n:keyword y: B.\n:ivar z: C.", {"x": "A.", "y": "B.", "z": "C."}),
    "sphinx: paragraphs": ("S.\n\n:param x: A.\n\n    B.\n:param y: C.", {"x": "A.\n\nB.", "y": "C."}),
    "sphinx: a line that is not indented": (
        "S.\n\n:param x: A and\nso on.\n:param y: B.",
        {"x": "A and\nso on.", "y": "B."},
    ),
    "sphinx: text in the next line": ("S.\n\n:param x:\n    A.\n    B.", {"x": "A.\nB."}),
    "sphinx: no name": ("S.\n\n:param: A.\n:param :\n:param", {}),
    "sphinx: a role": ("S.\n\n:class:`x` and :param:`y` are no fields.", {}),
    "mixed": (
        "S.\n\nArgs:\n    x: A.\n\nParameters\n----------\ny\n    B.\n:param z: C.",
        {"x": "A.", "y": "B.", "z": "C."},
    ),
}


@pytest.mark.parametrize(("doc", "expected"), NAMED.values(), ids=NAMED.keys())
def test_parameters(doc, expected):
    assert parameters(doc) == expected


# A docstring without its indentation → what is told of the whole.
WHOLE = {
    "nothing": ("", ""),
    "a summary": ("  Tell it.  ", "Tell it."),
    "paragraphs": ("Tell it.\n\nAt\nlength.\n", "Tell it.\n\nAt\nlength."),
    "indented words": ("S.\n\nLike so::\n\n    f(x)\n\nor not.", "S.\n\nLike so::\n\n    f(x)\n\nor not."),
    "google: words behind a section": ("S.\n\nArgs:\n    x: A.\n\nMore.", "S.\n\nMore."),
    "google: notes stay": ("S.\n\nArgs:\n    x: A.\n\nNote:\n    B.", "S.\n\nNote:\n    B."),
    "google: an example goes": ("S.\n\nExample:\n    f(x)\n\nTodo:\n    Do.", "S."),
    "google: in one line": ("S.\n\nReturns: it.", "S.\n\nReturns: it."),
    "a title that is unknown": ("S.\n\nUnits:\n    C or F.", "S.\n\nUnits:\n    C or F."),
    "a title without anything": ("S.\n\nArgs:\n\nMore.", "S.\n\nArgs:\n\nMore."),
    "numpy: notes stay": ("S.\n\nReturns\n-------\nint\n\nNotes\n-----\nA.", "S.\n\nNotes\n-----\nA."),
    "numpy: see also": ("S.\n\nSee Also\n--------\nf\n\nExamples\n--------\n>>> f()\n", "S."),
    "a heading": ("S\n===\n\nMore.", "S\n===\n\nMore."),
    "sphinx: words behind": ("S.\n\n:param x: A.\n:returns: B\n    C.\n\nMore.", "S.\n\nMore."),
    "sphinx: a role": ("S.\n\n:class:`x` is meant.", "S.\n\n:class:`x` is meant."),
    "sphinx: a field that is unknown": ("S.\n\n:since: 3", "S.\n\n:since: 3"),
}


@pytest.mark.parametrize(("doc", "expected"), WHOLE.values(), ids=WHOLE.keys())
def test_description(doc, expected):
    assert description(doc) == expected


# ---- any text --------------------------------------------------------------------------------------------------------

words = st.text("abz.,-", min_size=1, max_size=8).map(lambda text: f"W{text}")
sentences = st.lists(words, min_size=1, max_size=4).map(" ".join)
texts = st.lists(sentences, min_size=1, max_size=3)
names = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
types = st.sampled_from([None, "int", "str|None", "dict[str,int]"])  # as the oracle takes them


def google(summary, rows):
    return [
        *summary,
        "",
        "Args:",
        *(
            f"    {name}{f' ({kind})' if kind else ''}: " + "\n        ".join(text)
            for name, (kind, text) in rows.items()
        ),
    ]


def numpy(summary, rows):
    yield from [*summary, "", "Parameters", "----------"]
    for name, (kind, text) in rows.items():
        yield f"{name} : {kind}" if kind else name
        yield from (f"    {line}" for line in text)


def sphinx(summary, rows):
    return [
        *summary,
        "",
        *(f":param {f'{kind} ' if kind else ''}{name}: " + "\n    ".join(text) for name, (kind, text) in rows.items()),
    ]


WRITERS = {
    "google": (google, docstring_parser.google.parse),
    "numpy": (numpy, docstring_parser.numpydoc.parse),
    "sphinx": (sphinx, docstring_parser.rest.parse),
}


@pytest.mark.parametrize(("write", "oracle"), WRITERS.values(), ids=WRITERS.keys())
@settings(max_examples=100)
@given(summary=texts, rows=st.dictionaries(names, st.tuples(types, texts), min_size=1, max_size=4))
def test_whatever_is_told_is_read(write, oracle, summary, rows):
    doc = "\n".join(write(summary, rows))
    assert (parameters(doc), description(doc)) == (
        {name: "\n".join(text) for name, (_, text) in rows.items()},
        "\n".join(summary),
    )
    assert by_oracle(oracle(doc))[0] == parameters(doc)


lines = st.one_of(
    st.sampled_from(
        ["", "Args:", "    x: A", "  x (int", "---", "Parameters", ":param x: A", "\tx", "Returns:", "x : int"]
    ),
    st.text(max_size=12),
)


@settings(max_examples=300)
@given(st.lists(lines, max_size=12).map("\n".join))
def test_any_text_is_taken(doc):
    assert all(name and text and text == text.strip() for name, text in parameters(doc).items())
    assert description(doc) == description(doc).strip()


# Text of which a careless pattern or loop needs more time than it has lines: the size → the text.
LONG = {
    "blank lines": lambda size: "S.\n" + "\n" * size + "x",
    "blank lines first": lambda size: "\n" * size + "x",
    "titles": lambda size: "S.\n" + "Args:\n" * size,
    "titles and blank lines": lambda size: "S.\n" + "Args:\n\n\n" * size,
    "fields": lambda size: "S.\n" + ":param x:\n" * size,
    "underlines": lambda size: "S.\n" + "Parameters\n---\n" * size,
    "sections of one name": lambda size: "S.\n" + "".join(f"Args:\n  a{i}: A\n" for i in range(size)),
    "names": lambda size: "Parameters\n---\n" + "a," * size + "!",
    "a name": lambda size: "S.\nArgs:\n    " + "a" * size + "!",
    "blanks": lambda size: "S.\nArgs:\n    a" + " " * size + "!",
    "blanks and commas": lambda size: "S.\nArgs:\n    a" + "  ,  a" * size + "!",
    "brackets": lambda size: "S.\nArgs:\n    a (" + ")  " * size,
    "backticks": lambda size: "S.\nArgs:\n    " + "`" * size,
    "asterisks": lambda size: "S.\nArgs:\n    " + "\\*" * size,
    "colons": lambda size: ":param " + "a:" * size,
    "blanks in a field": lambda size: ":param" + " " * size,
    "tabs": lambda size: "S.\n" + "\t" * size + "x",
    "a text of lines": lambda size: "S.\n\nArgs:\n    x: A\n" + "        b\n" * size,
}


@pytest.mark.parametrize("make", LONG.values(), ids=LONG.keys())
def test_time_is_linear(make):
    assert_linear(Work(make, lambda doc: (parameters(doc), description(doc)), 1_000))
