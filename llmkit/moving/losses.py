"""The words in which it is said what a conversation loses."""

from typing import Literal, TypeAlias

from attrs import frozen

LossKind: TypeAlias = Literal[
    "arguments",
    "blank",
    "block",
    "cache",
    "call id",
    "citations",
    "context",
    "detail",
    "failure",
    "file",
    "media",
    "name",
    "notes",
    "order",
    "part",
    "refusal",
    "signature",
    "system",
    "thinking",
    "transcript",
]
Fate: TypeAlias = Literal["left out", "changed", "refused"]


@frozen
class Loss:
    """One thing that does not arrive as it stands here.

    The kinds:

    - ``thinking``: thoughts, which only their own provider takes back.
    - ``signature``: a provider's seal on a text or a call.
    - ``block``: an `Opaque`, such as a search that a provider made by itself.
    - ``file``: a file that lies with a provider.
    - ``media``: a medium of a kind, of a format, at an address, or in a place that it is not taken in; a document that
      becomes plain text.
    - ``citations``: the sources of a text, or the wish that a document be cited.
    - ``cache``: a mark up to which the provider is asked to cache.
    - ``call id``: the id of a call, in it and in its result.
    - ``arguments``: the text of arguments that are no JSON object.
    - ``failure``: that a tool failed; its words stay.
    - ``refusal``: the model's words for why it does not answer, which become plain text.
    - ``system``: instructions amid the conversation, which move to its beginning.
    - ``order``: words behind a call, or before a result, which change places with it.
    - ``context``, ``detail``, ``name``, ``transcript``: such a field of a medium.
    - ``blank``: a text of blanks alone.
    - ``notes``: what one provider alone wants to see again, such as ids of texts; nothing that was said.
    - ``part``: anything else.

    Attributes:
        path: Where it stands, as in ``messages[3].content[0]``.
        kind: What it is.
        what: What is lost, or why, in words.
        fate: ``left out``: it is not sent. ``changed``: it is sent as something else, or elsewhere. ``refused``: it is
            an `UnsupportedOptionError`, unless ``unsupported="warn"``; then it is left out.
    """

    path: str
    kind: LossKind
    what: str
    fate: Fate
