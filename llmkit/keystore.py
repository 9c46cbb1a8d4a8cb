"""The file of stored keys: a JSON object of profiles, each of names and keys, in the user's folder for settings.

Whoever has seen what stands in it returns an error rather than to raise it, so that no traceback shows a key.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from llmkit.errors import ConfigurationError
from llmkit.folders import Folder
from llmkit.private_files import PrivateFolder, attempted

FILE: Final = "credentials.json"
LOCK: Final = "credentials.lock"
DEFAULT_PROFILE: Final = "default"
_FOLDER: Final = Folder(
    "LLMKIT_CONFIG",
    "keys",
    windows=("APPDATA", ("AppData", "Roaming")),
    others=("XDG_CONFIG_HOME", (".config",)),
)
folder = _FOLDER.path
"""Where llmkit's settings of this user are."""
PROFILE_VARIABLE: Final = "LLMKIT_PROFILE"
VERSION: Final = 1
_LONGEST_NAME: Final = 200

Profiles: TypeAlias = dict[str, dict[str, str]]


def profile_of(profile: object) -> str:
    """The name of a profile: `profile`, else what the environment says, else ``default``.

    Raises:
        ConfigurationError: It is none.
    """
    if profile is None:
        return name_of(PROFILE_VARIABLE, os.environ.get(PROFILE_VARIABLE, "").strip() or DEFAULT_PROFILE)
    return name_of("profile", profile)


def name_of(what: str, value: object) -> str:
    """A name in one line.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{what}: expected a name, got {type(value).__name__}")
    if not value or not value.isprintable() or value != value.strip() or len(value) > _LONGEST_NAME:
        # Not shown: who mixes up the arguments passes a key here.
        raise ConfigurationError(f"{what}: expected a name in one line, without blanks at its ends")
    return value


def held(name: str, profile: str) -> str:
    """What errors call a key that is stored."""
    return f"the stored keys ({name}{'' if profile == DEFAULT_PROFILE else f', profile {profile!r}'})"


def load(*, for_client: bool = False) -> Profiles | ConfigurationError:
    """What is stored; nothing where there is no file, or no home to have one in.

    Not to be kept in a frame that an error may leave.

    Args:
        for_client: Nothing is stored, either, in a folder that this user cannot enter: in a container, mostly, whose
            home is another user's.
    """
    try:
        place = folder()
    except ConfigurationError as error:
        return {} if not os.environ.get(_FOLDER.variable) else error.with_traceback(None)
    return attempted(lambda: _load(place, for_client=for_client), place / FILE)


def change(edit: Callable[[Profiles], bool]) -> bool | ConfigurationError:
    """Let `edit` change what is stored, while nobody else does.

    Args:
        edit: Takes the profiles and changes them; whether there was something to change.
    """
    try:
        place = folder()
    except ConfigurationError as error:
        return error.with_traceback(None)
    return attempted(lambda: _change(place, edit), place / FILE)


def _load(place: Path, *, for_client: bool) -> Profiles:
    try:
        opened = PrivateFolder(place)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError:
        if not for_client:
            raise
        return {}
    with opened:
        data = opened.read(FILE)
    return {} if data is None else _profiles(_document(data, place), place)


def _change(place: Path, edit: Callable[[Profiles], bool]) -> bool:
    with PrivateFolder(place, create=True) as opened, opened.locked(LOCK):
        data = opened.read(FILE)
        document = {"llmkit": "credentials", "version": VERSION} if data is None else _document(data, place)
        profiles = _profiles(document, place)
        if not edit(profiles):
            return False
        document["profiles"] = {name: keys for name, keys in profiles.items() if keys}
        opened.write(FILE, json.dumps(document, indent=2).encode() + b"\n")
    return True


def _document(data: bytes, place: Path) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:  # which holds all the text
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        found = None
    else:
        where = ""
    if not isinstance(found, dict) or found.get("llmkit") != "credentials":
        raise ConfigurationError(f"{place / FILE}: it is no file of keys{where}; repair it, or take it away")
    version = found.get("version")
    if not isinstance(version, int):
        raise ConfigurationError(f"{place / FILE}: it is no file of keys, as it has no version")
    if version > VERSION:
        raise ConfigurationError(f"{place / FILE}: it was written by a later version of llmkit")
    return found


def _profiles(document: dict[str, Any], place: Path) -> Profiles:
    found = document.get("profiles", {})
    fits = isinstance(found, dict) and all(
        isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values()) for keys in found.values()
    )
    if not fits:
        raise ConfigurationError(f"{place / FILE}: $.profiles: expected profiles of names and keys")
    return {name: dict(keys) for name, keys in found.items()}
