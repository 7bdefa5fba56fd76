"""``python -m benchmarks``: run every benchmark and print one line for each ratio.

Machines are noisy, so both sides of a ratio are measured in turn, in one process, and nothing here is
a test. ``RAVFEAT_SHARED`` names a folder with real clips and a real encoder; without it a generated
corpus and a tiny random encoder stand in, which measures overhead and nothing else.
"""

import argparse
import os
from pathlib import Path

from benchmarks import (
    attention,
    engines,
    extraction,
    faces,
    fusion,
    logreg,
    predicting,
    readers,
    reading,
    training,
    waiting,
)

__all__ = ["main"]

GROUPS = [
    "attention",
    "engines",
    "extraction",
    "faces",
    "fusion",
    "logreg",
    "predicting",
    "readers",
    "reading",
    "training",
    "waiting",
]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--clips", type=int, default=240, help="clips to extract (default 240; 0 for all)")
    parser.add_argument("--only", choices=GROUPS, help="one group of benchmarks (default all)")
    parser.add_argument(
        "--cache", type=Path, help="a cache of real recordings to train on as well, such as Whisper's of RAVDESS"
    )
    parser.add_argument(
        "--generated", type=Path, help="a generated cache to train on (default: 13.6 GB in a temporary folder)"
    )
    arguments = parser.parse_args()
    given = os.environ.get("RAVFEAT_SHARED")
    shared = Path(given) if given else None
    groups = {
        "engines": lambda: engines.measure(shared, n_clips=arguments.clips),
        "extraction": lambda: extraction.measure(shared, n_clips=arguments.clips),
        "faces": lambda: faces.measure(shared),
        "fusion": fusion.measure,
        "logreg": logreg.measure,
        "predicting": lambda: predicting.measure(shared),
        "readers": lambda: readers.measure(shared),
        "reading": reading.measure,
        "attention": attention.measure,
        "waiting": waiting.measure,
        "training": lambda: training.measure(arguments.cache, arguments.generated),
    }
    for name, measure in groups.items():
        if arguments.only in {None, name}:
            for line in measure():
                print(line, flush=True)


if __name__ == "__main__":
    main()
