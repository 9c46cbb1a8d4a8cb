"""What the site has besides the pages of docs/: the README as its home, changes, contributing, and the examples.

Called by MkDocs (`hooks` in mkdocs.yml). Those stand beside docs/, where readers of the repository look for them; links
between the two are led to their pages.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LINK = re.compile(
    r"```.*?^```|`[^`\n]*`(?!\])|\[(?P<text>[^\]]*)\]\((?!https?://|#)(?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)",
    re.DOTALL | re.MULTILINE,
)  # or code, which has none
BESIDE = {"README.md": "index.md", "CHANGELOG.md": "changes.md", "CONTRIBUTING.md": "contributing.md"} | {
    str(path.relative_to(ROOT)): f"examples/{path.parent.name}.md" for path in ROOT.glob("examples/*/README.md")
}
CELL = re.compile(r"<t[dh]\b.*?</t[dh]>", re.DOTALL)
WHOLE = 18  # characters of names that are not broken
CODE = re.compile(r"(?<=<code>)[^<]+(?=</code>)")
PLACE = {page: path for path, page in BESIDE.items()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from beside docs/."""
    for path, page in BESIDE.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links to the pages of what they mean in the repository; what has no page, such as code, is named only."""
    own = page.file.src_uri
    folder = posixpath.dirname(PLACE.get(own, f"docs/{own}"))

    def led(link: re.Match[str]) -> str:
        if link["target"] is None:
            return link[0]
        target = posixpath.normpath(posixpath.join(folder, link["target"]))
        found = BESIDE.get(target) or BESIDE.get(f"{target}/README.md")
        if found is None and not target.startswith("docs/"):
            if not (ROOT / target).exists():
                raise FileNotFoundError(f"{own} has a link to {target}")
            return link["text"]
        found = found or target.removeprefix("docs/")
        return f"[{link['text']}]({posixpath.relpath(found, posixpath.dirname(own) or '.')}{link['anchor'] or ''})"

    return LINK.sub(led, markdown)


def on_page_content(html: str, **_: object) -> str:
    """Let long names in tables be broken behind a dot or an underscore, and nowhere else."""

    def breakable(code: re.Match[str]) -> str:
        return code[0] if len(code[0]) <= WHOLE else re.sub(r"(?<=[a-z])[._](?=[a-zA-Z])", r"\g<0><wbr>", code[0])

    return CELL.sub(lambda cell: CODE.sub(breakable, cell[0]), html)
