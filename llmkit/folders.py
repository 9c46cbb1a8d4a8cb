"""Where the platform wants what a program keeps for its user.

Source: https://specifications.freedesktop.org/basedir-spec/latest/
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from llmkit.errors import ConfigurationError

_MACOS: Final = ("Library", "Application Support")


@frozen
class Folder:
    """llmkit's folder of one kind.

    Attributes:
        variable: Names another place, if the environment has it.
        purpose: What is kept there, in a word.
        windows: The variable that Windows has for such folders, and where they are in the home without it.
        others: Likewise for other systems, but for macOS, which has one place for all.
    """

    variable: str
    purpose: str
    windows: tuple[str, tuple[str, ...]] = field(kw_only=True)
    others: tuple[str, tuple[str, ...]] = field(kw_only=True)

    def path(
        self,
        environ: Mapping[str, str] | None = None,
        platform: str = sys.platform,
        home: Callable[[], Path] = Path.home,
    ) -> Path:
        """Where it is; it need not be there yet.

        Raises:
            ConfigurationError: The variable names a relative place, or nothing tells where the home of the user is.
        """
        variables = os.environ if environ is None else environ
        if told := variables.get(self.variable):
            if not Path(told).is_absolute():
                raise ConfigurationError(f"{self.variable}: expected an absolute path, got {told!r:.200}")
            return Path(told)
        name, parts = {"win32": self.windows, "darwin": ("", _MACOS)}.get(platform, self.others)
        above = Path(variables.get(name, ""))
        if not above.is_absolute():  # as the specification wants it
            above = self._home(home).joinpath(*parts)
        return above / "llmkit"

    def _home(self, home: Callable[[], Path]) -> Path:
        try:
            known = home()
        except RuntimeError:
            known = None
        if known is None or not known.is_absolute():
            raise ConfigurationError(
                f"nothing tells where your home is; set {self.variable} to a folder for {self.purpose}"
            )
        return known
