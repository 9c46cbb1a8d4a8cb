r"""A model's Markdown, made harmless for pages that take HTML within it. Pure.

Notebooks run what Markdown of a trusted cell holds, and each has a parser of its own. So no `<` of the model's is left
where any parser could take it for a tag's, code or not: in words it becomes an entity; a block of code that has one,
and of which parsers could disagree where it ends, becomes HTML with every sign an entity. Pictures, which would tell
their host that the answer was read, become links, and links to anything but the web and mail are none.

Beside that: blocks that are not closed yet are closed, ``\(x\)`` becomes ``$x$``, which notebooks typeset, and dollars
that are no formula's stay dollars.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from llmkit.display.controls import shown

_FENCE: Final = re.compile(r"(?P<at>(?: |>|[-*+] |\d{1,9}[.)] )*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")
_MARK: Final = re.compile(r"\\?(?P<ticks>`+)|\\?(?P<dollars>\$\$?)|(?P<tex>\\[\[\]()])")
_TEX: Final = {r"\(": (r"\)", "$"), r"\[": (r"\]", "$$")}
_FORMULAS: Final = re.compile(r"\$|\\[\[(]|\\begin")

_TAG: Final = re.compile(r"\\?<(?=[A-Za-z/!?])")
_ADDRESS: Final = re.compile(r"<(https?://[^\s<>]+)>")
_URL: Final = re.compile(r"https?://[^\s<>)\]]+")
_PICTURE: Final = re.compile(r"!\[([^\[\]\n]{0,500})\]\(")
_LINK: Final = re.compile(r"\](?P<before>[(:]\s*)(?=(?P<to>[^\s)]{0,40}))")  # as far as a scheme could go
_WEB: Final = re.compile(r"https?://|mailto:|[^:&\\]*\Z", re.IGNORECASE)
_DOLLAR: Final = re.compile(r"(?<!\\)\$")
_MONEY: Final = re.compile(r"\\*\$")
_COMMAND: Final = re.compile(r"\\(?=(?:href|url|class|style|cssId|require|html\w*|data|includegraphics)\b)(\w)")
_LANGUAGE: Final = re.compile(r"\s*([\w+#.-]*)")
_SIGN: Final = re.compile(r"[^\w\s]|_")


def harmless(text: str) -> str:
    """The same words and the same code, without what a page would run or fetch."""
    text = shown(text)
    sure = _FORMULAS.search(text) is None  # else formulas, which some parsers find first, could hide a fence
    return "\n".join(
        _block(piece, sure=sure) if isinstance(piece, _Code) else _paragraphs(piece)
        for piece in _pieces(text.split("\n"))
    )


@frozen
class _Code:
    """A block of code.

    Attributes:
        at: What stands before its fence, as in a list.
        fence: Of its beginning; one of its own length closes it.
        info: What stands behind that.
        lines: What is in it, as it stands there.
    """

    at: str
    fence: str
    info: str
    lines: Sequence[str]


def _pieces(lines: Sequence[str]) -> Iterator[str | _Code]:
    """Blocks of code, and the lines between them."""
    words: list[str] = []
    block: tuple[str, str, str] | None = None
    for line in lines:
        if block is None and (begins := _FENCE.fullmatch(line)):
            if words:
                yield "\n".join(words)
            words, block = [], (begins["at"], begins["fence"], begins["info"])
        elif block is not None and _closes(line, block[1]):
            yield _Code(*block, words)
            words, block = [], None
        else:
            words.append(line)
    if block is not None:
        yield _Code(*block, words)
    elif words:
        yield "\n".join(words)


def _closes(line: str, fence: str) -> bool:
    found = line.strip(" \t>")
    return len(found) >= len(fence) and not found.strip(fence[0])


def _block(code: _Code, *, sure: bool) -> str:
    body = "\n".join(code.lines)
    found = _LANGUAGE.match(code.info)
    language = "" if found is None else found[1]
    if not _dangerous(body) or (sure and not code.at):
        behind = re.sub(r"[^ >]", " ", code.at)
        return "\n".join([f"{code.at}{code.fence}{language}", *code.lines, f"{behind}{code.fence}"])
    indented = len(code.at)
    plain = "\n".join(line[indented:] if not line[:indented].strip(" >") else line for line in code.lines)
    return f'{code.at}<pre><code class="language-{_coded(language)}">{_coded(plain)}</code></pre>'


def _dangerous(code: str) -> bool:
    """Whether it could do harm where a parser takes it for words."""
    return bool(_TAG.search(code) or "![" in code or any(not _WEB.match(link["to"]) for link in _LINK.finditer(code)))


def _coded(code: str) -> str:
    """In one line, with no sign left that means anything to any parser."""
    return _SIGN.sub(lambda sign: f"&#{ord(sign[0])};", code).replace("\n", "&#10;")


def _paragraphs(text: str) -> str:
    return "".join(piece if not piece.strip() else _inline(piece) for piece in re.split(r"(\n[ \t]*\n\s*)", text))


def _inline(text: str) -> str:
    """A paragraph: words, code and formulas."""
    marks = [*_MARK.finditer(text)]
    left: dict[str, list[int]] = {}  # marks that may close something → where they stand in `marks`, last first
    for index in range(len(marks) - 1, -1, -1):
        left.setdefault(_closing(marks[index]), []).append(index)
    done, at, index = [], 0, 0
    while index < len(marks):
        mark, wanted = marks[index], _wanted(marks[index])
        places = left.get(wanted, [])
        while places and places[-1] <= index:
            places.pop()
        if places and (found := _span(text, mark, end := marks[places[-1]])) is not None:
            done += [_words(text[at : mark.start()]), found]
            at, index = end.end(), places[-1]
        index += 1
    return "".join([*done, _words(text[at:])])


def _closing(mark: re.Match[str]) -> str:
    """What it may close."""
    return mark["ticks"] or mark[0]


def _wanted(mark: re.Match[str]) -> str:
    """What closes it; "" where it opens nothing."""
    if mark["tex"]:
        return _TEX.get(mark[0], ("", ""))[0]
    return "" if mark[0].startswith("\\") else mark[0]


def _span(text: str, begin: re.Match[str], end: re.Match[str]) -> str | None:
    """Code or a formula between two marks; None where it is neither."""
    body = text[begin.end() : end.start()]
    if begin["ticks"]:
        if not _dangerous(body):
            return text[begin.start() : end.end()]
        return f"<code>{_coded(' '.join(body.split(chr(10))))}</code>"
    if begin["tex"]:
        sign = _TEX[begin[0]][1]
        return f"{sign}{_formula(body.strip())}{sign}"
    sign = begin[0]
    if sign == "$" and (not body or "\n" in body or body != body.strip() or text[end.end() : end.end() + 1].isdigit()):
        return None  # it is money
    return f"{sign}{_formula(body)}{sign}"


def _formula(body: str) -> str:
    """TeX, which a space more changes nothing of, without commands that are about the page."""
    body = _COMMAND.sub(r"\\text \1", body)
    return _DOLLAR.sub(r"\\$", re.sub(r"<(?=[A-Za-z/!?])", "< ", body).replace("![", "! [").replace("](", "] ("))


def _words(text: str) -> str:
    text = _PICTURE.sub(r"[▣ \1](", text).replace("![", "&#33;[")
    text = _LINK.sub(_link, text)
    text = _TAG.sub("&lt;", _ADDRESS.sub(r"\1", text))
    text = _URL.sub(lambda url: url[0].replace("$", "%24"), text)
    # In elements of their own neither is found by those who look for formulas in a page that is there already, as
    # MathJax does: to it "\\$5" and "$5" are the same.
    return _MONEY.sub("<span>&#36;</span>", _COMMAND.sub(r"\\\1<span></span>", text))


def _link(link: re.Match[str]) -> str:
    sign, space = link["before"][0], link["before"][1:]
    if sign == ":":  # no definition: some parsers let its title run over what follows
        return f"]&#58;{space}"
    return link[0] if _WEB.match(link["to"]) else f"]&#40;{space}"
