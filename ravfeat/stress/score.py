"""Score changed recordings with every fold's own heads, temperatures and fusion weights."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.media.conditions import Condition
from ravfeat.predictions import Predictions, System, SystemProbs
from ravfeat.published.caches import match, read_clips
from ravfeat.published.mixing import logits_by_seed, probabilities, shared_orders
from ravfeat.published.parts import PublishedClip
from ravfeat.stress.encode import Encoded, StreamRecordings, under
from ravfeat.stress.open_run import OpenedRun, OpenedSystem

__all__ = ["by_clip", "changed_logits", "distance_to_run", "probs_of"]

_LEAST = np.finfo(np.float64).tiny


def changed_logits(
    opened: OpenedRun, recordings: StreamRecordings, condition: Condition | None, encoded: Encoded
) -> Predictions:
    """Let every system that reads the changed stream score the clips that its folds tested.

    Where a system reads another stream too, that one is as it was. Nothing is learned anew.

    Raises
    ------
    CacheError
        Where a cache lacks what is to be read.
    """
    rows = [row for system in recordings.systems for row in _rows(opened, recordings, system, condition, encoded)]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(_COLUMNS)}
    facts = opened.run.predictions
    return Predictions.from_columns(
        columns, classes=facts.classes, protocol=facts.protocol, leaky=facts.leaky, select=facts.select,
        synthetic=facts.synthetic,
    )  # fmt: skip


_COLUMNS = (
    "stream", "features", "head", "fold", "seed", "split", "clip_id", "performance_id", "actor", "label", "logits",
)  # fmt: skip


def _rows(
    opened: OpenedRun,
    recordings: StreamRecordings,
    system: OpenedSystem,
    condition: Condition | None,
    encoded: Encoded,
) -> Iterator[tuple[Any, ...]]:
    """Give the rows of one system, as `_COLUMNS` has them."""
    needs = tuple(
        under(need, condition) if need.identity.get("stream") == recordings.stream else need
        for need in system.part.needs
    )
    part = replace(system.part, needs=needs)
    (group,) = match([part], [*encoded.caches, *system.caches])
    test = opened.run.calibrations[system.part.system].test
    facts = {
        clip_id: (actor, test.classes[y])
        for clip_id, actor, y in zip(test.clip_ids, test.actors, test.y.tolist(), strict=True)
    }
    for fold, clips in system.clips.items():
        heard = [clip for clip in clips if clip.performance_id not in encoded.failed]
        if not heard:
            continue
        features = read_clips(part, group, heard, allow_missing=opened.allow_missing)
        logits = logits_by_seed(system.models[fold], features)  # (n, S, K)
        for clip, by_seed in zip(heard, logits, strict=True):
            for seed, values in zip(part.seeds, by_seed, strict=True):
                yield (*part.system, fold, seed, "test", *clip, *facts[clip.clip_id], values)


def by_clip(predictions: Predictions, system: System) -> dict[str, NDArray[np.float32]]:
    """Give the test logits of a system by clip, each of shape (S, K) with the seeds ascending."""
    rows = predictions.select_system(system)
    names, seeds, splits = (rows.table[name].to_pylist() for name in ("clip_id", "seed", "split"))
    gathered: dict[str, dict[int, NDArray[np.float32]]] = {}
    for name, seed, split, values in zip(names, seeds, splits, rows.logits(), strict=True):
        if split == "test":
            gathered.setdefault(name, {})[seed] = values
    return {name: np.stack([of_clip[seed] for seed in sorted(of_clip)]) for name, of_clip in gathered.items()}


def distance_to_run(opened: OpenedRun, clean: Predictions) -> dict[System, tuple[float, str]]:
    """Say how far logits of unchanged recordings are from the run's own: of the largest, and of which clip."""
    found = {}
    for system in clean.systems():
        stored, again = by_clip(opened.run.predictions, system), by_clip(clean, system)
        scale = max(1e-6, max(float(np.abs(stored[clip]).max()) for clip in again))
        apart = {clip: float(np.abs(stored[clip] - logits).max()) / scale for clip, logits in again.items()}
        worst = max(apart, key=apart.__getitem__)
        found[system] = apart[worst], worst
    return found


def probs_of(opened: OpenedRun, changed: Predictions | None, kept: Collection[str]) -> dict[System, SystemProbs]:
    """Average seeds, calibrate and fuse as the run did, with changed logits where there are some.

    Parameters
    ----------
    opened : OpenedRun
    changed : Predictions or None
        Systems that are not in it have the logits of the run.
    kept : collection of str
        The performances to score.

    Returns
    -------
    dict of System to SystemProbs
        Every system of the run, and its mixtures.
    """
    tables = [
        by_clip(
            changed if changed is not None and system.part.system in changed.systems() else opened.run.predictions,
            system.part.system,
        )
        for system in opened.systems
    ]
    log_probs: dict[System, dict[str, NDArray[np.float64]]] = {}
    for fold in opened.learned:
        clips = [[clip for clip in system.clips[fold] if clip.performance_id in kept] for system in opened.systems]
        for system, values in _of_fold(opened, fold, tables, clips).items():
            log_probs.setdefault(system, {}).update(values)
    return {system: _as_rows(opened, system, values) for system, values in log_probs.items()}


def _of_fold(
    opened: OpenedRun,
    fold: int,
    tables: Sequence[Mapping[str, NDArray[np.float32]]],
    clips: Sequence[Sequence[PublishedClip]],
) -> dict[System, dict[str, NDArray[np.float64]]]:
    systems = [system.part.system for system in opened.systems]
    logits = {
        number: np.stack([table[clip.clip_id] for clip in of_system])
        for number, (table, of_system) in enumerate(zip(tables, clips, strict=True))
        if of_system
    }
    orders = shared_orders([clips[number] for number in logits])
    probs = probabilities(systems, logits, opened.learned[fold], dict(zip(logits, orders, strict=True)))
    rows = dict(zip(systems, clips, strict=True))
    # Mixtures are in the rows of the first system that is mixed in.
    members = opened.run.fusion.systems if opened.run.fusion is not None else ()
    return {
        system: dict(
            zip(
                (clip.clip_id for clip in rows.get(system) or rows[members[0]]),
                np.log(np.maximum(values, _LEAST)),
                strict=True,
            )
        )
        for system, values in probs.items()
    }


def _as_rows(opened: OpenedRun, system: System, values: Mapping[str, NDArray[np.float64]]) -> SystemProbs:
    test = opened.run.calibrations[system].test
    rows = test.rows(np.array([clip_id in values for clip_id in test.clip_ids]))
    log_probs = np.stack([values[clip_id] for clip_id in rows.clip_ids])
    return replace(rows, log_probs=log_probs, uncalibrated_log_probs=None)
