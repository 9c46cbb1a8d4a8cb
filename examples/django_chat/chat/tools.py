"""What the model may call."""

import hashlib
import random
from typing import Annotated, Literal

from attrs import frozen

from llmkit import tool


@frozen
class Weather:
    """How it is outside."""

    city: str
    sky: str
    celsius: int
    wind_kmh: int


@tool
def weather(city: Annotated[str, "as in Oslo"]) -> Weather:
    """The weather in a city, right now."""
    if not city.strip():
        raise ValueError("which city?")
    # Made up, but always the same for a city: an example needs no account with a weather service.
    seed = hashlib.sha256(city.strip().casefold().encode()).digest()
    skies = ("clear", "partly cloudy", "overcast", "light rain", "heavy rain", "snow")
    return Weather(city.strip(), skies[seed[0] % len(skies)], seed[1] % 30 - 4, seed[2] % 45)


@tool
def roll_dice(count: Annotated[int, "how many, 1 to 20"], sides: Literal[4, 6, 8, 12, 20] = 6) -> list[int]:
    """Roll dice."""
    if not 1 <= count <= 20:  # noqa: PLR2004 - as the model is told above
        raise ValueError("count: 1 to 20")
    return [random.randint(1, sides) for _ in range(count)]  # noqa: S311 - a game


TOOLS = (weather, roll_dice)
