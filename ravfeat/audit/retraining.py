"""Whether layers, strengths and epochs are those that the folds choose: the run is trained once more, and compared.

Offers
------
check_retrained.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ravfeat.audit.features import Features
from ravfeat.audit.lines import Line, edited, leak, not_possible, pass_, warn
from ravfeat.audit.opened import Opened
from ravfeat.audit.saved_heads import TOLERANCE, distance, logits_of
from ravfeat.experiment import Prepared, train
from ravfeat.fitted import Fitted
from ravfeat.heads.base import Head, Job
from ravfeat.predictions import System as Scored
from ravfeat.systems import System

__all__ = ["check_retrained"]

_CHECK = "trained again"

_SEEDED = 0.05
"""Tolerance of trained networks: thousands of float32 steps drift apart on another machine."""

Key = tuple[int, int]
"""Seed and fold."""


def check_retrained(opened: Opened, prepared: Prepared, load: Features) -> list[Line]:
    """Train the heads of one system as the plan says and compare what was chosen, and every val and test row."""
    again = train(prepared, load)
    (system,), (heads,) = prepared.systems, prepared.heads
    return [_check(opened, prepared, system, head, again, load) for head in heads]


def _check(opened: Opened, prepared: Prepared, system: System, head: Head, again: Fitted, load: Features) -> Line:
    scored = Scored(system.stream, system.features, head.name)
    if opened.predictions is None or scored not in opened.systems():
        return not_possible(_CHECK, str(scored), opened.refused or "the predictions hold no row of it")
    stored = _chosen(opened.recipe, scored)
    found = {
        (one.seed, one.fold): one.model.recipe.get("chosen")
        for one in again.models
        if (one.stream, one.features, one.head) == scored
    }
    odd = sorted(key for key in found.keys() | stored.keys() if found.get(key) != stored.get(key))
    if odd:
        both = {key: (stored.get(key), found.get(key)) for key in odd}
        return _other_choice(opened, prepared, scored, head, both, again, load)
    return _compare_rows(opened, scored, head, again)


def _other_choice(
    opened: Opened,
    prepared: Prepared,
    scored: Scored,
    head: Head,
    odd: Mapping[Key, tuple[Any, Any]],
    again: Fitted,
    load: Features,
) -> Line:
    (seed, fold), (said, found) = next(iter(odd.items()))
    on_test = _chosen_on_test(prepared, head, odd, load)
    why = f"; {on_test} of {len(odd)} are what the test rows would choose: as if chosen on test" if on_test else ""
    finding = (
        f"fold {fold}, seed {seed}: the run says {said}, the rows that may choose say {found}"
        f" ({len(odd)} choices differ){why}"
    )
    evidence = {
        "differences": [
            {"seed": key[0], "fold": key[1], "stored": values[0], "again": values[1]} for key, values in odd.items()
        ],
        "on_test": on_test,
    }
    if not on_test and (elsewhere := _elsewhere(opened, prepared, head, again)):
        return warn(_CHECK, str(scored), f"{finding}; {elsewhere}, so near ties may fall otherwise", **evidence)
    return leak(_CHECK, str(scored), finding, **evidence)


def _chosen_on_test(prepared: Prepared, head: Head, odd: Mapping[Key, tuple[Any, Any]], load: Features) -> int:
    """Count the choices that a head would have made had it looked at its test rows."""
    (system,) = prepared.systems
    if system.views:
        return 0  # views would have to train beside the clips
    features = load(prepared.plan, system, head.reading)
    folds = {fold.number: fold for fold in system.folds}
    keys = [key for key in odd if key[1] in folds]
    jobs = []
    for seed, number in keys:
        fold = folds[number]
        nested = prepared.select == "nested"
        train_rows = np.sort(np.concatenate([fold.train, fold.val])) if nested else fold.train
        jobs.append(Job(train_rows, fold.test, seed))
    if not jobs:
        return 0
    y = system.clips.y
    sweeps = head.sweep(features, y, len(system.clips.classes), jobs)
    picks = [head.choose([sweep], [y[job.val]]) for sweep, job in zip(sweeps, jobs, strict=True)]
    return sum(
        dict(sweep.candidates[pick]) == odd[key][0] for sweep, pick, key in zip(sweeps, picks, keys, strict=True)
    )


def _compare_rows(opened: Opened, scored: Scored, head: Head, again: Fitted) -> Line:
    if opened.predictions is None:
        return not_possible(_CHECK, str(scored), opened.refused)
    ours, theirs = logits_of(opened.predictions, scored), logits_of(again.predictions, scored)
    if ours.keys() != theirs.keys():
        key = sorted(ours.keys() ^ theirs.keys())[0]
        return edited(
            _CHECK, str(scored), f"clip {key[3]} ({key[2]} of fold {key[1]}, seed {key[0]}) is on one side only"
        )
    keys = sorted(ours)
    off = {
        split: distance(*(np.stack([rows[key] for key in keys if key[2] == split]) for rows in (ours, theirs)))
        for split in ("val", "test")
    }
    allowed = _SEEDED if head.seeded else TOLERANCE
    rows = f"val rows differ by {off['val']:.1e}, test rows by {off['test']:.1e} of the largest logit"
    if max(off.values()) > allowed:
        return leak(_CHECK, str(scored), f"all is chosen as recorded, but {rows}: they were made in another way", **off)
    n = len({key[:2] for key in keys})
    return pass_(_CHECK, str(scored), f"{n} heads chosen as recorded; {rows}", **off)


def _chosen(recipe: Mapping[str, Any], scored: Scored) -> dict[Key, Any]:
    entries: Sequence[Mapping[str, Any]] = recipe.get("chosen", [])
    return {
        (one["seed"], one["fold"]): one["chosen"]
        for one in entries
        if (one.get("stream"), one.get("features"), one.get("head")) == tuple(scored)
    }


def _elsewhere(opened: Opened, prepared: Prepared, head: Head, again: Fitted) -> str:
    """Say what is other than when the run was made, where that can move a trained network; empty for nothing."""
    if not head.seeded:
        return ""
    then, now = opened.recipe.get("versions", {}), again.about["versions"]
    if changed := [f"{name} {then.get(name)}, now {now[name]}" for name in now if then.get(name) != now[name]]:
        return f"it was trained with other versions ({'; '.join(changed)})"
    device = opened.recipe.get("plan", {}).get("device")
    return f"it was trained on {device}" if device != prepared.plan.device else ""
