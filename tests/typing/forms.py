"""What mypy from 2.3 on, and pyright, infer of types that are no classes. Not run: `make types` reads it."""

from typing import Annotated, Literal, assert_type

from llmkit import Client

client = Client("anthropic", api_key="k")

assert_type(client.complete("hi", output_type=Literal["a", "b"]).output, Literal["a", "b"])
assert_type(client.complete("hi", output_type=Annotated[int, "years"]).output, int)
assert_type(client.chat().send("hi", output_type=Literal[1, 2]).output, Literal[1, 2])
