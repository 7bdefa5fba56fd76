"""``python -m benchmarks``: run every benchmark and print one line for each ratio.

Machines are noisy, so both sides of a ratio are measured in turn, in one process, and nothing here is
a test. ``RAVFEAT_SHARED`` names a folder with real clips and a real encoder; without it a generated
corpus and a tiny random encoder stand in, which measures overhead and nothing else.
"""

import argparse
import os
from pathlib import Path

from benchmarks import extraction

__all__ = ["main"]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--clips", type=int, default=240, help="clips to extract (default 240; 0 for all)")
    arguments = parser.parse_args()
    shared = os.environ.get("RAVFEAT_SHARED")
    for line in extraction.measure(Path(shared) if shared else None, n_clips=arguments.clips):
        print(line, flush=True)


if __name__ == "__main__":
    main()
