"""``python -m summarise FOLDER``: what was decided, of each file of minutes in a folder."""

import sys
from pathlib import Path

from llmkit import Client, LLMKitError
from summarise import summarise_all


def main(folder: str) -> int:
    """Print the summaries; 1 where one failed."""
    minutes = {path.stem: path.read_text() for path in sorted(Path(folder).glob("*.txt"))}
    failed = 0
    with Client("anthropic") as client:
        for name, found in summarise_all(client, minutes):
            if isinstance(found, LLMKitError):
                failed = 1
                print(f"{name}: {found}", file=sys.stderr)
                continue
            print(name)
            for decision in found.decisions:
                print(f"  - {decision}")
            for task in found.tasks:
                print(f"  [ ] {task.who}: {task.what}" + (f" (until {task.until})" if task.until else ""))
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
