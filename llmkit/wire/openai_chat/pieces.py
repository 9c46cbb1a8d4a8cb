"""What streams tell in pieces, put together: blocks of a content, and rows of reasoning.

A whole body is put together, too, though nothing is in pieces there: so both give the same blocks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from llmkit.wire.reading import expect

Block = dict[str, Any]


def merged(content: Sequence[Any], path: str) -> list[Block]:
    """`content` with adjacent text, thoughts and refusals as one.

    Raises:
        InvalidResponseError: There is neither text nor an object somewhere in it.
    """
    found: list[Block] = []
    blocks = [_as_block(block, f"{path}[{at}]") for at, block in enumerate(content)]
    for (kind, _), group in groupby(blocks, key=_kind):
        found += _MERGERS[kind](list(group), path)
    return found


def is_plain(block: Mapping[str, Any]) -> bool:
    """Whether it is text and nothing beside it."""
    return block.get("type") == "text" and isinstance(block.get("text"), str) and len(block) == 2  # noqa: PLR2004


def signed(rows: Iterable[Any], key: str) -> list[Block]:
    """Rows of reasoning, of which each goes on with the one before until that is signed; its words are in `key`."""
    found: list[Block] = []
    words: list[list[str]] = []
    for row in rows:
        if not isinstance(row, dict):
            continue
        text = row.get(key)
        if found and isinstance(text, str) and _goes_on(found[-1], row):
            found[-1] |= {name: value for name, value in row.items() if value or name not in found[-1]}
        else:
            found.append(dict(row))
            words.append([])
        words[-1] += [text] if isinstance(text, str) else []
    return [row | ({key: "".join(said)} if said else {}) for row, said in zip(found, words, strict=True)]


def _goes_on(row: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
    return row.get("type") == piece.get("type") and not row.get("signature")


def _as_block(block: Any, path: str) -> Block:
    """A block of a list; text may stand there, and in place of a list of thoughts, as it is."""
    if isinstance(block, str):
        return {"type": "text", "text": block}
    found: Block = expect(block, dict, path)
    if found.get("type") == "thinking" and isinstance(found.get("thinking"), str):
        return {**found, "thinking": [found["thinking"]]}
    if found.get("type") == "text" and isinstance(found.get("text"), str) and len(found) > 2:  # noqa: PLR2004
        # Its number counts the blocks of a stream, and what is null is not there.
        return {key: value for key, value in found.items() if key != "index" and value is not None}
    return found


def _kind(block: Mapping[str, Any]) -> tuple[str, Any]:
    """What it is, and what must be the same in blocks that are one."""
    kind = block.get("type")
    if kind in ("text", "refusal") and isinstance(block.get(kind), str):
        return kind, {key: value for key, value in block.items() if key != kind}
    if kind in ("thinking", "reasoning") and isinstance(block.get(_LISTS[kind]), list):
        return kind, None
    return "other", None


_LISTS: Final = {"thinking": "thinking", "reasoning": "summary"}


def _joined(group: list[Block], _: str) -> list[Block]:
    key = group[0]["type"]
    return [{**group[0], key: "".join(block[key] for block in group)}]


def _thinking(group: list[Block], path: str) -> list[Block]:
    whole = {key: value for block in group for key, value in block.items()}
    return [{**whole, "thinking": merged([piece for block in group for piece in block["thinking"]], path)}]


def _reasoning(group: list[Block], _: str) -> list[Block]:
    whole = {key: value for block in group for key, value in block.items()}
    return [{**whole, "summary": signed((row for block in group for row in block["summary"]), "text")}]


_MERGERS: Final[Mapping[str, Callable[[list[Block], str], list[Block]]]] = {
    "text": _joined,
    "refusal": _joined,
    "thinking": _thinking,
    "reasoning": _reasoning,
    "other": lambda group, _: group,
}
