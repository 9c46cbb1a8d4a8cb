"""The notebook runs from top to bottom in a kernel of Jupyter's, and what it shows can be seen on a page."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

EXAMPLES = Path(__file__).parents[2]
FILE = EXAMPLES / "tour.ipynb"
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def notebook():
    """It, with what its cells have shown."""
    found = nbformat.read(FILE, as_version=4)
    resources = {"metadata": {"path": str(EXAMPLES)}}
    NotebookClient(found, timeout=120, kernel_name="python3", resources=resources).execute()
    return found


def shown(notebook, words):
    """The outputs of the cell that has these words, as one text, and their media types."""
    (cell,) = [cell for cell in notebook.cells if words in cell.source and cell.cell_type == "code"]
    texts, kinds = [], []
    for output in cell.outputs:
        data = output.get("data", {})
        kinds += data
        texts += [data.get(kind, "") for kind in ("text/markdown", "text/html", "text/plain")]
        texts.append(output.get("text", ""))
        texts += output.get("traceback", [])
    return "\n".join(texts), kinds


def test_the_file_holds_no_outputs():
    """So that its changes can be read."""
    notebook = nbformat.read(FILE, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []


CELLS = {
    "an answer": ('complete("Why is the sky', ["**all colours**", "| blue | 450 nm |"], "text/markdown"),
    "a stream": ('stream("Why is the sky', ["Rayleigh", "**all colours**"], "text/markdown"),
    "tools": ("chat.stream(", ["weather", "Bergen", "rain, 9", "umbrella", "4 messages"], "text/markdown"),
    "an answer to a picture": ("Describe this curve", ["rises steeply"], "text/markdown"),
    "a cell that asks": ("%%llm -o largest", ["**Lima**"], "text/markdown"),
    "a chat's cell": ("%%llm --chat letters", ["Dear Ada, dear Grace"], "text/markdown"),
    "what it has kept": ("largest.text", ["Lima", "Dear Ada"], "text/plain"),
    "a missing name": ("{nobody}", ["ConfigurationError: {nobody}: there is no 'nobody'"], None),
    "rows": ("results = list(", ["guest 0", "bad", "soup", "0.0"], "text/html"),
    "their count": ("crosstab", ["bread", "soup"], "text/html"),
    "a plot": ("plot(results)", [""], "image/png"),
    "a summary": ("summary(results)", ["anthropic:claude-sonnet-5", "24"], "text/html"),
    "the loop": ("wrap_future", ["['Echo 0', 'Echo 1', 'Echo 2']"], "text/plain"),
}


@pytest.mark.parametrize(("words", "expected", "kind"), CELLS.values(), ids=CELLS.keys())
def test_what_its_cells_show(words, expected, kind, notebook):
    text, kinds = shown(notebook, words)
    assert [piece for piece in expected if piece not in text] == [], text
    assert kind is None or kind in kinds


def test_no_cell_has_failed_that_is_not_meant_to(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    failed = [cell.source for cell in code for output in cell.outputs if output.output_type == "error"]
    assert failed == ["%%llm\nWrite to {nobody}."]
    noise = [output.text for cell in code for output in cell.outputs if output.get("name") == "stderr"]
    assert noise == []


@pytest.fixture(scope="module")
def pages(notebook, tmp_path_factory):
    """It as a page that reads nothing from the network, as wide as a telephone and as a desk; with screenshots."""
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("chromium is not installed: make system")
    playwright_ = pytest.importorskip("playwright.sync_api")
    folder = tmp_path_factory.mktemp("tour")
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (folder / "tour.html").write_text(page)
    with playwright_.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = {}
        for width in (390, 1280):
            found[width] = browser.new_page(viewport={"width": width, "height": 900})
            found[width].route("http*://**", lambda route: route.abort())
            found[width].goto((folder / "tour.html").as_uri())
            found[width].screenshot(path=folder / f"tour-{width}.png", full_page=True)
        yield found
        browser.close()


WIDTHS = pytest.mark.parametrize("width", [390, 1280])


@WIDTHS
def test_answers_are_markdown_on_the_page(pages, width):
    answer = pages[width].locator(".jp-RenderedMarkdown").filter(has_text="Sunlight is made of")
    assert answer.first.locator("strong").first.inner_text() == "all colours"
    assert answer.first.locator("table tr").count() == 4


@WIDTHS
def test_thoughts_are_folded(pages, width):
    thoughts = pages[width].locator("details").filter(has_text="Rayleigh").first
    assert not thoughts.get_by_text("by the fourth power").is_visible()
    thoughts.locator("summary").click()
    assert thoughts.get_by_text("by the fourth power").is_visible()


@WIDTHS
def test_pictures_are_seen(pages, width):
    sizes = (
        pages[width]
        .locator(".jp-OutputArea img")
        .evaluate_all("images => images.map(image => [image.naturalWidth, image.getBoundingClientRect().width])")
    )
    assert len(sizes) == 2, "the curve and the plot"
    assert all(natural > 0 and 0 < seen <= width for natural, seen in sizes), sizes


@WIDTHS
def test_nothing_is_wider_than_the_page(pages, width):
    assert pages[width].evaluate("document.documentElement.scrollWidth") <= width
