"""Two toy corpora: the second says what the first says, through another microphone.

Every class owns one dimension of the middle layer, far above the noise, so that a head which sees the second as
it saw the first cannot fail. The microphone scales and shifts every dimension, far beyond the spread of the
first: for a head that learned there, all clips of the second lie in one direction, and it calls them all the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.toycaches import EMOTIONS, Take
from tests.writtencaches import write_cache

DIM = len(EMOTIONS)


def corpus_takes(
    corpus: str, *, actors: int = 6, repeats: int = 2, seed: int = 0, labels: Sequence[str] = EMOTIONS
) -> list[Take]:
    """Takes of a corpus; ids are its own, what is said does not depend on its name."""
    rng = np.random.default_rng(seed)
    takes = []
    for actor in range(1, actors + 1):
        for number in range(repeats * len(labels)):
            features = rng.normal(scale=0.1, size=(4, 3, DIM))
            features[:, 1, number % len(labels)] += 10
            who = (f"{corpus}:{actor:02d}", "male" if actor % 2 else "female", labels[number % len(labels)])
            takes.append(Take(f"{corpus}-{actor:02d}-{number:02d}", *who, features.astype(np.float32)))
    return takes


def through_a_microphone(takes: Sequence[Take]) -> list[Take]:
    """Scale and shift every dimension of all clips alike."""
    scale, shift = np.linspace(2, 3, DIM), np.linspace(1000, 2000, DIM)
    return [replace(take, features=(take.features * scale + shift).astype(np.float32)) for take in takes]


def write_two(folder: Path, *, stream: str = "audio", name: str = "toy", **options: int) -> tuple[Path, Path]:
    """Write both as caches and give their folders."""
    return (
        write_cache(folder, corpus_takes("one", **options), corpus="one", stream=stream, name=name),
        write_cache(
            folder, through_a_microphone(corpus_takes("two", **options)), corpus="two", stream=stream, name=name
        ),
    )
