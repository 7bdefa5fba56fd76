"""``python -m tests.cheats``: what the audit says of every cheat, as a table; names of cheats choose among them."""

import sys
import tempfile
from pathlib import Path

from tests.cheats.material import make_honest
from tests.cheats.table import CHEATS, answer


def show(names: list[str]) -> None:
    """Make and audit every cheat, or those named, and print a row for each."""
    with tempfile.TemporaryDirectory() as scratch:
        honest = make_honest(Path(scratch) / "honest")
        print(f"{'cheat':<44} {'honest':>6} {'cheated':>7} exit  outcome; lines that tell")
        for cheat in CHEATS:
            if names and cheat.make.__name__ not in names:
                continue
            found = answer(cheat, honest, Path(scratch) / cheat.make.__name__)
            scores = f"{found.made.honest:6.3f} {found.made.cheated:7.3f}"
            print(f"{cheat.name:<44} {scores} {found.code:>4}  {found.outcome}", flush=True)
            for line in filter(lambda line: line.startswith(("warn:", "leak:", "edited:")), found.lines):
                print(f"{'':<66}{line}")


if __name__ == "__main__":
    show(sys.argv[1:])
