"""Train the run's heads again and compare: layers, strengths, epochs and every val and test row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ravfeat import metrics
from ravfeat.audit.context import RunContext
from ravfeat.audit.fixed_choice import AsRecorded
from ravfeat.audit.own_heads import NOT_RUN, is_absent, recorded_versions
from ravfeat.audit.saved_heads import TOLERANCE, distance, logits_of
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_, warn
from ravfeat.errors import HeadError
from ravfeat.experiment.fit import PreparedPlan, train
from ravfeat.experiment.load import FeatureLoader, load_training
from ravfeat.experiment.selection import averaged, job_of
from ravfeat.experiment.systems import CacheSystem
from ravfeat.heads.base import Head
from ravfeat.heads.own_code import OwnCode
from ravfeat.predictions import Predictions, System
from ravfeat.runs.result import Fitted

__all__ = ["check_retrained"]

_CHECK = "trained again"

_DRIFT = 0.05
"""Tolerance of networks that were trained elsewhere: thousands of float32 steps drift apart."""

_TIE = 0.02
"""UAR on val rows that a choice may lose and still pass as a near tie that fell otherwise on another machine."""

Key = tuple[int, int]
"""Seed and fold."""


@dataclass(frozen=True)
class _Retraining:
    """One head of the run, with what training it again gave."""

    context: RunContext
    stored: Predictions
    prepared: PreparedPlan
    head: Head
    load: FeatureLoader
    again: Fitted

    @property
    def system(self) -> CacheSystem:
        return self.prepared.systems[0]

    @property
    def name(self) -> System:
        return System(self.system.stream, self.system.features, self.head.name)

    def recorded_choices(self) -> dict[Key, Any]:
        """Give what the recipe records as chosen."""
        chosen = self.context.recipe.chosen
        return {(entry.seed, entry.fold): entry.chosen for entry in chosen if entry.system == self.name}

    def choices_again(self) -> dict[Key, Any]:
        """Give what was chosen this time."""
        return {
            (model.seed, model.fold): model.model.recipe.get("chosen")
            for model in self.again.models
            if (model.stream, model.features, model.head) == self.name
        }


def check_retrained(context: RunContext, prepared: PreparedPlan, load: FeatureLoader) -> list[Line]:
    """Train the heads of one system as the plan says and compare what was chosen, and every val and test row."""
    (system,), (heads,) = prepared.systems, prepared.heads
    present = tuple(head for head in heads if not is_absent(head))
    lines = [not_possible(_CHECK, str(System(system.stream, system.features, head.name)), NOT_RUN)
             for head in heads if head not in present]  # fmt: skip
    if not present:
        return lines
    prepared = replace(prepared, heads=(present,))
    again = train(prepared, load)
    for head in present:
        name = System(system.stream, system.features, head.name)
        if context.predictions is None or name not in context.systems():
            reason = context.refusal or "the predictions hold no row of it"
            lines.append(not_possible(_CHECK, str(name), reason))
        else:
            lines.append(_check(_Retraining(context, context.predictions, prepared, head, load, again)))
    return lines


def _check(retraining: _Retraining) -> Line:
    stored, again = retraining.recorded_choices(), retraining.choices_again()
    differing = sorted(key for key in again.keys() | stored.keys() if again.get(key) != stored.get(key))
    if differing:
        return _other_choice(retraining, {key: (stored.get(key), again.get(key)) for key in differing})
    return _compare_rows(retraining)


def _other_choice(retraining: _Retraining, choices: Mapping[Key, tuple[Any, Any]]) -> Line:
    """Judge `choices` that differ, stored and made again: a leak, unless near ties fell otherwise elsewhere."""
    subject = str(retraining.name)
    (seed, fold), (stored, again) = next(iter(choices.items()))
    on_test = _count_chosen_on_test(retraining, choices)
    n = len(choices)
    suspicion = f"; {on_test} of {n} are what the test rows would choose: as if chosen on test" if on_test else ""
    finding = (
        f"fold {fold}, seed {seed}: the run says {stored}, the rows that may choose say {again}"
        f" ({n} choices differ){suspicion}"
    )
    evidence = {
        "differences": [
            {"seed": key[0], "fold": key[1], "stored": values[0], "again": values[1]} for key, values in choices.items()
        ],
        "on_test": on_test,
    }
    elsewhere = _elsewhere(retraining)
    if on_test or not elsewhere:
        return leak(_CHECK, subject, finding, **evidence)
    try:
        rows = _compare_rows(replace(retraining, again=_train_as_recorded(retraining)))
    except HeadError as error:
        return leak(_CHECK, subject, f"{finding}; {error}", **evidence)
    if rows.verdict not in ("pass", "warn"):
        finding = f"{finding}; what is recorded does not give the rows: {rows.finding}"
        return leak(_CHECK, subject, finding, **evidence)
    if (cost := _cost_on_val(retraining)) > _TIE:
        return leak(_CHECK, subject, f"{finding}; it costs {cost:.3f} of UAR on val rows, no near tie", **evidence)
    finding = f"{finding}; {elsewhere}, so near ties may fall otherwise; with what is recorded, {rows.finding}"
    return warn(_CHECK, subject, finding, **evidence)


def _train_as_recorded(retraining: _Retraining) -> Fitted:
    """Train one head with what the run recorded as chosen."""
    prepared, head = retraining.prepared, retraining.head
    stored = retraining.recorded_choices()
    seeds = range(prepared.plan.seeds if head.seeded else 1)
    # In the order in which `train` asks for them: AsRecorded takes the next one each time.
    choices = [stored.get((seed, fold.number)) for seed in seeds for fold in retraining.system.folds]
    return train(replace(prepared, heads=((AsRecorded(head, iter(choices)),),)), retraining.load)


def _cost_on_val(retraining: _Retraining) -> float:
    """Give the UAR on val rows that the run's choices lose against those that were made again."""
    stored, again = (
        predictions.seed_averaged(retraining.name, "val")
        for predictions in (retraining.stored, retraining.again.predictions)
    )
    uar_again = metrics.uar(again.y, metrics.decide(again.log_probs))
    return uar_again - metrics.uar(stored.y, metrics.decide(stored.log_probs))


def _count_chosen_on_test(retraining: _Retraining, choices: Mapping[Key, tuple[Any, Any]]) -> int:
    """Count the stored choices that the head would have made had it looked at its test rows."""
    prepared, head, system = retraining.prepared, retraining.head, retraining.system
    folds = {fold.number: fold for fold in system.folds}
    keys = [key for key in choices if key[1] in folds]
    if not keys:
        return 0
    jobs, rows = [], system.rows
    for seed, number in keys:
        fold = folds[number]
        # A nested choice sees all that is not tested, so that a cheat would train on these rows too.
        nested = prepared.select == "nested"
        train_rows = np.sort(np.concatenate([fold.train, fold.val])) if nested else fold.train
        jobs.append(job_of(rows, train_rows, fold.test, seed, fold))
    features, y = load_training(prepared.plan, system, head.reading, retraining.load), system.clips.y
    tests = [folds[number].test for _, number in keys]
    sweeps = averaged(head.sweep(features, rows.spread(y), len(system.clips.classes), jobs), rows, tests)
    picks = [head.choose([sweep], [y[test]]) for sweep, test in zip(sweeps, tests, strict=True)]
    on_test = [dict(sweep.candidates[pick]) for sweep, pick in zip(sweeps, picks, strict=True)]
    return sum(candidate == choices[key][0] for candidate, key in zip(on_test, keys, strict=True))


def _compare_rows(retraining: _Retraining) -> Line:
    """Compare the logits of every val and test row with those that were computed again."""
    head, subject = retraining.head, str(retraining.name)
    stored = logits_of(retraining.stored, retraining.name)
    again = logits_of(retraining.again.predictions, retraining.name)
    if stored.keys() != again.keys():
        seed, fold, split, clip_id = min(stored.keys() ^ again.keys())
        return edited(_CHECK, subject, f"clip {clip_id} ({split} of fold {fold}, seed {seed}) is on one side only")
    keys = sorted(stored)
    off = {
        split: distance(*(np.stack([rows[key] for key in keys if key[2] == split]) for rows in (stored, again)))
        for split in ("val", "test")
    }
    largest, elsewhere = max(off.values()), _elsewhere(retraining)
    # A graphics card adds in an order of its own, each time.
    drifts = elsewhere or (head.seeded and retraining.prepared.plan.device != "cpu")
    rows = f"val rows differ by {off['val']:.1e}, test rows by {off['test']:.1e} of the largest logit"
    if largest > (_DRIFT if drifts else TOLERANCE):
        return leak(_CHECK, subject, f"all is chosen as recorded, but {rows}: they were made in another way", **off)
    n = len({key[:2] for key in keys})
    if largest > TOLERANCE and elsewhere:
        return warn(_CHECK, subject, f"{n} heads chosen as recorded; {rows}; {elsewhere}", **off)
    return pass_(_CHECK, subject, f"{n} heads chosen as recorded; {rows}", **off)


def _elsewhere(retraining: _Retraining) -> str:
    """Say what is other than when the run was made, where that can move a trained network; empty for nothing."""
    recipe, head = retraining.context.recipe, retraining.head
    if isinstance(head, OwnCode):
        then, now = recorded_versions(recipe, head.name), head.brought.versions
        if changed := [name for name in now if then.get(name) != now[name]]:
            return f"it was trained with other versions ({changed[0]} {then.get(changed[0])}, now {now[changed[0]]})"
    if not head.seeded:
        return ""
    then, now = dict(recipe.versions), retraining.again.about["versions"]
    if not then:
        return "with which versions it was trained is not recorded"
    if changed := [f"{name} {then.get(name)}, now {now[name]}" for name in now if then.get(name) != now[name]]:
        return f"it was trained with other versions ({'; '.join(changed)})"
    device = (recipe.plan or {}).get("device")
    return f"it was trained on {device}" if device != retraining.prepared.plan.device else ""
