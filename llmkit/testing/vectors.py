"""Made-up embeddings: the same text, the same vector."""

import hashlib
import math
from typing import Final

DIMENSIONS: Final = 8


def vector(text: str, dimensions: int | None = None) -> list[float]:
    """A vector of length 1 that depends on nothing but `text` and its number of dimensions.

    Its numbers are such as fit into 32 bits, so that they are the same however they are sent.
    """
    count = dimensions or DIMENSIONS
    noise = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * count)
    raw = [int.from_bytes(noise[2 * i : 2 * i + 2]) - 32767.5 for i in range(count)]
    length = math.hypot(*raw)
    return [round(number / length * 2**20) / 2**20 for number in raw]
