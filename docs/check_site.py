"""Look through the built site: every link within it leads somewhere, and no page fetches anything from elsewhere.

``python docs/check_site.py site`` prints what is wrong and ends with 1 then. MkDocs checks the links that stand in
Markdown; this checks what readers get, with the links of the theme, of HTML in pages, and to every anchor.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

BASE = "https://site.invalid/"  # stands for wherever the site will be
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
UNFETCHED = {"canonical", "next", "prev"}  # relations of <link> that browsers do not load


class Page(HTMLParser):
    """The anchors of a page, its links, and what it fetches."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what it is."""
        found = {name: value for name, value in attrs if value is not None}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        where = found.get(FETCHED.get(tag, ""))
        if where is not None and found.get("rel") not in UNFETCHED:
            self.fetched.append(where)


def faults(root: Path) -> list[str]:
    """What is wrong with the site in `root`, each with its page."""
    pages = {path.relative_to(root).as_posix(): Page(path.read_text()) for path in sorted(root.rglob("*.html"))}
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    found = [] if pages else [f"{root}: no page"]
    for name, page in pages.items():
        if name == "404.html":  # served at any address, so that its links are absolute
            continue
        found += [f"{name}: {link}: {wrong}" for link in page.links if (wrong := _link(name, link, pages, files))]
        found += [f"{name}: {link}: {wrong}" for link in page.fetched if (wrong := _fetched(name, link, files))]
    return found


def _link(name: str, link: str, pages: dict[str, Page], files: set[str]) -> str | None:
    """What is wrong with a link of the page `name`."""
    target = urlsplit(urljoin(BASE + name, link))
    if f"{target.scheme}://{target.netloc}/" != BASE:
        known = target.scheme == "mailto" or (target.scheme in {"http", "https"} and "." in target.netloc)
        return None if known else "no address"
    path = _file(target.path)
    if path not in files:
        return "no such page"
    if target.fragment and path in pages and unquote(target.fragment) not in pages[path].anchors:
        return "no such anchor"
    return None


def _fetched(name: str, link: str, files: set[str]) -> str | None:
    """What is wrong with something that the page `name` fetches."""
    if link.startswith("data:"):
        return None
    target = urlsplit(urljoin(BASE + name, link))
    if f"{target.scheme}://{target.netloc}/" != BASE:
        return "fetched from elsewhere"
    return None if _file(target.path) in files else "no such file"


def _file(path: str) -> str:
    """The file that a server gives for `path`."""
    path = unquote(path).removeprefix("/")
    return f"{path}index.html" if not path or path.endswith("/") else path


def main() -> None:
    """Print what is wrong, if anything."""
    found = faults(Path(sys.argv[1]))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
