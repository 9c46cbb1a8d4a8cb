"""What ``manage.py check`` says of ``settings.LLMKIT``. Nothing is sent.

==== ===========================================================================
E001 ``LLMKIT`` is no dict of dicts.
E002 An alias has no ``provider``.
E003 Its ``provider`` is none that there is.
E004 It has a key that is neither a keyword of `Client` nor an option of calls.
E005 One of its values is wrong.
E006 Its ``fallback`` is no list of aliases, names one that is not there, or itself.
W001 It has no API key: neither ``key``, nor the environment, nor the store.
W002 There is no alias ``default``, which `get_client` takes.
==== ===========================================================================
"""

import warnings
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution

from llmkit.django.clients import CLIENT_KEYWORDS, aliases, chain, plain
from llmkit.errors import ConfigurationError, MissingAuthError, UnknownProviderError
from llmkit.request import OPTIONS

KEYS: Final = frozenset({"provider", "key", "api_key", "fallback", *CLIENT_KEYWORDS, *OPTIONS})
_EXAMPLE: Final = 'LLMKIT = {"default": {"provider": "anthropic", "model": "claude-sonnet-5"}}'


def check_settings(**_: object) -> list[CheckMessage]:
    """All that is wrong."""
    try:
        known = aliases()
    except ConfigurationError as error:
        return [Error(str(error), hint=f"As in {_EXAMPLE}", id="llmkit.E001")]
    found = [message for alias, row in known.items() for message in _of_alias(alias, row, known)]
    if "default" not in known:
        hint = f"As in {_EXAMPLE}; or name an alias wherever get_client() is called."
        found.append(Caution("LLMKIT: there is no alias 'default'", hint=hint, id="llmkit.W002"))
    return found


def _of_alias(alias: str, row: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Iterator[CheckMessage]:
    try:
        chain(alias, known)
    except ConfigurationError as error:
        yield Error(str(error), hint="'fallback' lists other aliases of LLMKIT.", id="llmkit.E006")
    unknown = [name for name in row if name not in KEYS]
    for name in unknown:
        near = get_close_matches(str(name), KEYS, 1)
        hint = f"Did you mean {near[0]!r}?" if near else "What a provider alone knows goes into 'extra_body'."
        yield Error(f"LLMKIT[{alias!r}]: there is no {name!r}", hint=hint, id="llmkit.E004")
    if "provider" not in row:
        hint = "The name of a provider, as `llmkit providers` lists them."
        yield Error(f"LLMKIT[{alias!r}]: 'provider' is missing", hint=hint, id="llmkit.E002")
        return
    try:
        with warnings.catch_warnings(action="ignore"):
            plain(alias, {alias: {name: value for name, value in row.items() if name not in unknown}})
    except MissingAuthError as error:
        hint = "Until there is one, get_client() raises this. No key belongs into a file under version control."
        yield Caution(str(error), hint=hint, id="llmkit.W001")
    except UnknownProviderError as error:
        yield Error(str(error), hint="`llmkit providers` lists them.", id="llmkit.E003")
    except ConfigurationError as error:
        yield Error(str(error), hint="An alias holds what `llmkit.Client` and its calls take.", id="llmkit.E005")
