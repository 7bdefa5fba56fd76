"""``python -m benchmarks``: run every benchmark and print one line for each ratio.

Machines are noisy, so both sides of a ratio are measured in turn, in one process, and nothing here is
a test. ``RAVFEAT_SHARED`` names a folder with real clips and a real encoder; without it a generated
corpus and a tiny random encoder stand in, which measures overhead and nothing else.
"""

import argparse
import os
from pathlib import Path

from benchmarks import extraction, faces, fusion, logreg

__all__ = ["main"]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--clips", type=int, default=240, help="clips to extract (default 240; 0 for all)")
    parser.add_argument(
        "--only", choices=["extraction", "faces", "fusion", "logreg"], help="one group of benchmarks (default all)"
    )
    arguments = parser.parse_args()
    given = os.environ.get("RAVFEAT_SHARED")
    shared = Path(given) if given else None
    groups = {
        "extraction": lambda: extraction.measure(shared, n_clips=arguments.clips),
        "faces": lambda: faces.measure(shared),
        "fusion": fusion.measure,
        "logreg": logreg.measure,
    }
    for name, measure in groups.items():
        if arguments.only in {None, name}:
            for line in measure():
                print(line, flush=True)


if __name__ == "__main__":
    main()
