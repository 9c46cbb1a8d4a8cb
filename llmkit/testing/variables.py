"""The environment variables by which the vendors' own SDKs, in any language, find a server."""

import os
from typing import Final
from urllib.request import getproxies_environment

KEY: Final = "test-key"
_HOST: Final = "127.0.0.1"


def variables_of(url: str) -> dict[str, str]:
    """What leads them to the server at `url` and gives them a key.

    Where the environment has a proxy, also what keeps them from asking that for this machine.
    """
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": KEY,
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": KEY,
        **_without_proxy(),
    }


def _without_proxy() -> dict[str, str]:
    if not getproxies_environment():
        return {}
    spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    value = ",".join(filter(None, [spared, _HOST]))
    return {"NO_PROXY": value, "no_proxy": value}
