"""What answers the notebook beside this folder, so that it runs without a key: a `FakeServer` with a script."""

import atexit

from llmkit import Client, Price, Text, Thinking, ToolCall, ToolResult, Usage
from llmkit.testing import FakeServer, RecordedRequest, Reply

SKY = """\
Sunlight is made of **all colours**. Air scatters the short waves far more than the long ones:

| colour | wavelength | scattered |
| --- | ---: | ---: |
| red | 700 nm | 1.0 × |
| green | 530 nm | 3.0 × |
| blue | 450 nm | 5.9 × |

That is $(700/450)^4 \\approx 5.9$, so what reaches us from all sides is **blue**.

```python
def scattered(nanometres: float) -> float:
    return (700 / nanometres) ** 4
```
"""
WEATHER = "Take an umbrella to **Bergen** (rain, 9 °C) and sunglasses to **Rome** (sunny, 24 °C)."
PICTURE = "A curve that rises steeply, and ever more so: it doubles with each step."
TABLE = "**Lima** is by far the largest of the three: 10,092,000 people, four times as many as Rome."
LETTER = "Dear Ada, dear Grace,\n\nyour programs still run. Thank you!\n"


def pretend() -> Client:
    """A client whose answers come from here, at the pace of a model."""
    server = FakeServer().start()
    atexit.register(server.close)
    server.delay = 0.01
    server.reply_with(answer)
    return server.client("anthropic", model="claude-sonnet-5", prices={"claude-sonnet-5": Price(3, 15)})


def answer(request: RecordedRequest) -> Reply | str | None:
    """What the script has for a request; None for an echo."""
    last = request.messages[-1]
    if any(isinstance(part, ToolResult) for part in last.content):
        return Reply([Text(WEATHER)])
    said = last.text
    if "sky" in said:
        return Reply([Thinking("Rayleigh: by the fourth power of the wavelength. A table helps.", "sig"), Text(SKY)])
    if "weather" in said.lower():
        cities = ("Bergen", "Rome")
        return Reply([ToolCall(f"call_{number}", "weather", {"city": city}) for number, city in enumerate(cities)])
    if said.startswith("What did"):
        return _judged(said)
    return next((reply for word, reply in _REPLIES.items() if word in said), None)


_REPLIES = {"curve": PICTURE, "largest": TABLE, "Write to": LETTER}


def _judged(said: str) -> Reply:
    """The review of a row; the longer, the more tokens."""
    good = any(word in said for word in ("best", "lovely", "again", "kind"))
    about = next((word for word in ("soup", "bread", "waiter", "music", "price") if word in said), "place")
    text = f'{{"verdict": "{"good" if good else "bad"}", "about": "{about}"}}'
    return Reply([Text(text)], usage=Usage(8 * len(said), 30 + len(said) % 17), latency=0.02 + len(said) % 13 / 100)
