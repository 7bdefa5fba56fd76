"""Whether layers, strengths and epochs are those that the folds choose: the run is trained once more, and compared."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ravfeat import metrics
from ravfeat.audit.context import Opened
from ravfeat.audit.features import Features
from ravfeat.audit.fixed_choice import AsRecorded
from ravfeat.audit.saved_heads import TOLERANCE, distance, logits_of
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_, warn
from ravfeat.errors import HeadError
from ravfeat.experiment.fit import PreparedPlan, train
from ravfeat.experiment.systems import CacheSystem
from ravfeat.heads.base import Head, Job
from ravfeat.predictions import System as Scored
from ravfeat.runs.result import Fitted

__all__ = ["check_retrained"]

_CHECK = "trained again"

_SEEDED = 0.05
"""Tolerance of networks that were trained elsewhere: thousands of float32 steps drift apart."""

_TIE = 0.02
"""By how much of UAR on val rows a choice may lose that another machine is said to have made."""

Key = tuple[int, int]
"""Seed and fold."""


def check_retrained(opened: Opened, prepared: PreparedPlan, load: Features) -> list[Line]:
    """Train the heads of one system as the plan says and compare what was chosen, and every val and test row."""
    again = train(prepared, load)
    (system,), (heads,) = prepared.systems, prepared.heads
    return [_check(opened, prepared, system, head, again, load) for head in heads]


def _check(
    opened: Opened, prepared: PreparedPlan, system: CacheSystem, head: Head, again: Fitted, load: Features
) -> Line:
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
    return _compare_rows(opened, prepared, scored, head, again)


def _other_choice(
    opened: Opened,
    prepared: PreparedPlan,
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
    elsewhere = _elsewhere(opened, prepared, head, again)
    if on_test or not elsewhere:
        return leak(_CHECK, str(scored), finding, **evidence)
    try:
        rows = _compare_rows(opened, prepared, scored, head, _as_recorded(opened, prepared, scored, head, load))
    except HeadError as error:
        return leak(_CHECK, str(scored), f"{finding}; {error}", **evidence)
    if rows.verdict not in ("pass", "warn"):
        return leak(
            _CHECK, str(scored), f"{finding}; what is recorded does not give the rows: {rows.finding}", **evidence
        )
    if (lost := _lost(opened, scored, again)) > _TIE:
        return leak(_CHECK, str(scored), f"{finding}; it costs {lost:.3f} of UAR on val rows, no near tie", **evidence)
    return warn(
        _CHECK,
        str(scored),
        f"{finding}; {elsewhere}, so near ties may fall otherwise; with what is recorded, {rows.finding}",
        **evidence,
    )


def _as_recorded(opened: Opened, prepared: PreparedPlan, scored: Scored, head: Head, load: Features) -> Fitted:
    """Train one head with what the run says was chosen."""
    (system,) = prepared.systems
    stored = _chosen(opened.recipe, scored)
    seeds = range(prepared.plan.seeds if head.seeded else 1)
    choices = [stored.get((seed, fold.number)) for seed in seeds for fold in system.folds]
    return train(replace(prepared, heads=((AsRecorded(head, iter(choices)),),)), load)


def _lost(opened: Opened, scored: Scored, again: Fitted) -> float:
    """Give the UAR on val rows that the run's choices lose against those that these rows make."""
    if opened.predictions is None:
        return 0.0
    ours, theirs = (one.seed_averaged(scored, "val") for one in (opened.predictions, again.predictions))
    return metrics.uar(theirs.y, metrics.decide(theirs.log_probs)) - metrics.uar(ours.y, metrics.decide(ours.log_probs))


def _chosen_on_test(prepared: PreparedPlan, head: Head, odd: Mapping[Key, tuple[Any, Any]], load: Features) -> int:
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


def _compare_rows(opened: Opened, prepared: PreparedPlan, scored: Scored, head: Head, again: Fitted) -> Line:
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
    allowed, elsewhere = TOLERANCE, _elsewhere(opened, prepared, head, again)
    # A graphics card adds in an order of its own, each time.
    if elsewhere or (head.seeded and prepared.plan.device != "cpu"):
        allowed = _SEEDED
    rows = f"val rows differ by {off['val']:.1e}, test rows by {off['test']:.1e} of the largest logit"
    if max(off.values()) > allowed:
        return leak(_CHECK, str(scored), f"all is chosen as recorded, but {rows}: they were made in another way", **off)
    n = len({key[:2] for key in keys})
    if max(off.values()) > TOLERANCE and elsewhere:
        return warn(_CHECK, str(scored), f"{n} heads chosen as recorded; {rows}; {elsewhere}", **off)
    return pass_(_CHECK, str(scored), f"{n} heads chosen as recorded; {rows}", **off)


def _chosen(recipe: Mapping[str, Any], scored: Scored) -> dict[Key, Any]:
    chosen: dict[Key, Any] = {}
    for one in recipe.get("chosen") or []:
        if isinstance(one, Mapping) and (one.get("stream"), one.get("features"), one.get("head")) == tuple(scored):
            seed, fold = one.get("seed"), one.get("fold")
            if isinstance(seed, int) and isinstance(fold, int):
                chosen[seed, fold] = one.get("chosen")
    return chosen


def _elsewhere(opened: Opened, prepared: PreparedPlan, head: Head, again: Fitted) -> str:
    """Say what is other than when the run was made, where that can move a trained network; empty for nothing."""
    if not head.seeded:
        return ""
    then, now = opened.recipe.get("versions"), again.about["versions"]
    if not isinstance(then, Mapping):
        return "with which versions it was trained is not recorded"
    if changed := [f"{name} {then.get(name)}, now {now[name]}" for name in now if then.get(name) != now[name]]:
        return f"it was trained with other versions ({'; '.join(changed)})"
    device = opened.recipe["plan"]["device"]
    return f"it was trained on {device}" if device != prepared.plan.device else ""
