"""A provider on this machine whose answers are scripted, so that the page can be tried without a key."""

import json
import re
from typing import Final

from llmkit import Image, OverloadedError, Part, Text, Thinking, ToolCall, ToolResult
from llmkit.testing import RecordedRequest, Reply

_SEARCH: Final = """\
**Binary search** finds a value in a *sorted* list by halving what is left to look at:

1. Look at the one in the middle.
2. If it is too small, go on in the upper half, else in the lower one.
3. Stop when nothing is left.

```python
def find(items: list[int], wanted: int) -> int | None:
    low, high = 0, len(items)
    while low < high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return None
```

How many looks that takes at most:

| items | one by one | binary |
|:--|--:|--:|
| 10 | 10 | 4 |
| 1,000 | 1,000 | 10 |
| 1,000,000 | 1,000,000 | 20 |

> The list must be sorted. In Python, `bisect` does all this for you:
> see <https://docs.python.org/3/library/bisect.html>.
"""
_ANYTHING: Final = """\
I am no model: I am a script on your own machine, and this is what I say to most things. You wrote:

> {said}

Try one of these:

- **Do I need an umbrella in Oslo or in Lisbon?** calls a tool, twice at once
- **Roll five dice** calls another one
- **Explain binary search** shows code and a table
- a picture, of which I tell what I got
- **Fail, please** shows what an error looks like

With a key you ask a real one: `CHAT_PROVIDER=anthropic python manage.py runserver`.
"""
_UMBRELLA: Final = "The user asks about rain in two places. I have a tool for the weather: I ask it about both at once."
_NUMBERS: Final = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


def answer(request: RecordedRequest) -> Reply | list[Part] | str:
    """What is said to a conversation.

    Raises:
        OverloadedError: It was asked to.
    """
    last = request.messages[-1]
    results = [part for part in last.content if isinstance(part, ToolResult)]
    if results:
        return _about(results)
    pictures = [part for part in last.content if isinstance(part, Image)]
    if pictures:
        return _seen(pictures)
    words = last.text.casefold()
    if "fail" in words:
        raise OverloadedError("The demo was asked to fail", status=529, headers={"x-should-retry": "false"})
    if "umbrella" in words or "weather" in words:
        cities = re.findall(r"\bin ([A-Z]\w+)", last.text) or ["Oslo"]
        asked = [ToolCall(f"call_{number}", "weather", {"city": city}) for number, city in enumerate(cities)]
        return [Thinking(_UMBRELLA, "signed"), Text("Let me look outside."), *asked]
    if "dice" in words:
        count = next((number for word, number in _NUMBERS.items() if word in words), 2)
        return [ToolCall("call_dice", "roll_dice", {"count": count})]
    if "binary search" in words:
        return [
            Thinking("They want code and a table. Short, then: the idea, the code, the cost.", "signed"),
            Text(_SEARCH),
        ]
    return _ANYTHING.format(said=last.text.replace("\n", "\n> "))


def _seen(pictures: list[Image]) -> str:
    (*_, picture) = pictures
    size = len(picture.data or b"")
    return f"A picture reached me: **{picture.media_type}**, {size:,} bytes. A real model would tell you what is in it."


def _about(results: list[ToolResult]) -> str:
    found = [json.loads(result.text) for result in results if not result.is_error]
    if found and isinstance(found[0], list):
        rolled = found[0]
        return f"You rolled {', '.join(f'**{one}**' for one in rolled)}: that makes **{sum(rolled)}**."
    lines = [f"- **{one['city']}**: {one['sky']}, {one['celsius']} °C, wind {one['wind_kmh']} km/h" for one in found]
    wet = [one["city"] for one in found if any(word in one["sky"] for word in ("rain", "snow"))]
    advice = f"Take an umbrella in {' and '.join(wet)}." if wet else "No umbrella needed."
    return "\n".join([f"{advice}\n", *lines])
