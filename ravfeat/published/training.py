"""What heads learned from, recorded at export: length and digests of the training clips, and their domain.

The domain of a fold is that of its training clips alone. Limits come from clips that trained no head and were tested
by none: the fold's validation clips. Where selection was nested there are none, since everything that is not tested
trains the final head: there the training clips are held out by turns, actor by actor. Augmented views that trained
heads too are left out: a recording is clean, or is another one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.predictions import Predictions
from ravfeat.published.caches import clips_of_caches
from ravfeat.published.documents import LONGEST_S, SHORTEST_S
from ravfeat.published.domain import Rows, clip_means, fit_domain, write_domain
from ravfeat.published.format import RECORDINGS_FILE
from ravfeat.published.parts import PublishedSystem, Source
from ravfeat.published.recordings import distinct, recordings_of
from ravfeat.runs.write import write_json

__all__ = ["TrainingSides", "sides_of", "write_training"]

_TURNS = 5
"""Groups of actors that are held out by turns where there are no validation clips."""


@dataclass(frozen=True)
class TrainingSides:
    """What the heads of a system did with the clips of their corpus.

    Attributes
    ----------
    clip_ids : tuple of str, length N
        As the system's first cache calls them, sorted.
    train : mapping of (int or "refit") to ndarray of int64
        Rows that trained a fold's heads; of ``refit`` all.
    held_out : tuple of (train, val)
        Rows to learn a domain from, and rows that are neither among them nor tested by that fold.
    """

    clip_ids: tuple[str, ...]
    train: Mapping[Source, Rows]
    held_out: tuple[tuple[Rows, Rows], ...]


def sides_of(
    predictions: Predictions,
    part: PublishedSystem,
    sources: Sequence[Source],
    trained: Mapping[str, str] | None = None,
) -> TrainingSides:
    """Read from a run's predictions which clips trained, validated and tested in which fold.

    Every protocol tests every clip once, and trains on what it neither tests nor validates.

    Parameters
    ----------
    predictions : Predictions
    part : PublishedSystem
    sources : sequence of (int or "refit")
    trained : mapping of str to str, optional
        Clips of the training corpus and their actors; by default it is the one whose clips were tested.
    """
    test, val = (predictions.seed_averaged(part.system, split) for split in ("test", "val"))
    who = dict(zip(test.clip_ids.tolist(), test.actors.tolist(), strict=True)) if trained is None else trained
    names = sorted(who)
    clip_ids, actors = (np.array(values, dtype=object) for values in (names, [who[name] for name in names]))
    train: dict[Source, Rows] = {}
    held_out: list[tuple[Rows, Rows]] = []
    for source in sources:
        tested, validated = (np.isin(clip_ids, side.clip_ids[side.folds == source]) for side in (test, val))
        if source == "refit":
            train[source] = np.arange(len(names))
        elif predictions.select == "nested":
            train[source] = np.flatnonzero(~tested)
            held_out += _by_turns(train[source], actors)
        else:
            train[source] = np.flatnonzero(~tested & ~validated)
            held_out.append((train[source], np.flatnonzero(validated)))
    return TrainingSides(tuple(names), train, tuple(held_out))


def _by_turns(rows: Rows, actors: NDArray[Any]) -> Iterator[tuple[Rows, Rows]]:
    names, of_row = np.unique(actors[rows].astype(str), return_inverse=True)
    n = min(_TURNS, len(names))
    for turn in range(n):
        out = of_row % n == turn
        yield rows[~out], rows[out]


def write_training(
    folder: Path,
    parts: Sequence[PublishedSystem],
    groups: Sequence[Sequence[Cache]],
    sides: Sequence[TrainingSides],
) -> dict[str, Any]:
    """Write ``recordings.json`` and ``domain/``.

    Parameters
    ----------
    folder : Path
        Of the published head.
    parts : sequence of PublishedSystem
    groups : sequence of sequence of Cache
        Those that each system was trained on.
    sides : sequence of TrainingSides
        Of each system.

    Returns
    -------
    dict
        ``window_s`` for ``head.toml``, where the caches say how long clips are.
    """
    recordings = {}
    for number, (part, caches, part_sides) in enumerate(zip(parts, groups, sides, strict=True)):
        names = clips_of_caches(caches, part_sides.clip_ids)
        for need, cache, clips in zip(part.needs, caches, names, strict=True):
            if need.fingerprint in recordings:
                continue
            clip_ids = [clip.clip_id for clip in clips]
            recordings[need.fingerprint] = recordings_of(cache, clip_ids, part_sides.clip_ids, number)
            if not cache.statistics or "mean" in cache.statistics:
                means = clip_means(cache, clip_ids, need.layers)
                domain = fit_domain(means, part_sides.train, part_sides.held_out)
                if domain is not None:
                    write_domain(folder, need.fingerprint, domain)
    write_json(folder / RECORDINGS_FILE, distinct(recordings.values()))
    first = groups[0][0].records()
    return _window([first[clip_id] for clip_id in sides[0].clip_ids])


def _window(records: Sequence[ClipRecord]) -> dict[str, float]:
    # What was imported without its recordings has no length.
    lengths = [record.n_samples / record.rate_hz for record in records if record.n_samples > 0 and record.rate_hz > 0]
    median = float(np.median(lengths)) if lengths else 0.0
    return {"window_s": median} if SHORTEST_S <= median <= LONGEST_S else {}
