"""Run a sweep: train what is not trained yet, validate it, rank it; goes on where it was interrupted."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from ravfeat.errors import UsageError
from ravfeat.experiment.fit import train
from ravfeat.files import canonical_json
from ravfeat.progress import ProgressBar
from ravfeat.runs.recipe import recipe_of
from ravfeat.runs.result import Fitted
from ravfeat.runs.tries import enter_trial
from ravfeat.short_repr import short_repr
from ravfeat.sweep.features import SharedFeatures, reading_key
from ravfeat.sweep.folder import TrialRecord, check_sweep_out, read_trial, trial_folder, write_sweep, write_trial
from ravfeat.sweep.page import write_page
from ravfeat.sweep.plan_file import SweepPlan, read_plan
from ravfeat.sweep.prepared import ReadyTrial, prepare_trials
from ravfeat.sweep.scores import ranked, validation_of
from ravfeat.sweep.trials import make_trials

__all__ = ["ReadySweep", "SweepResult", "open_sweep", "run_sweep"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadySweep:
    """A sweep whose plans are all checked.

    Attributes
    ----------
    plan : SweepPlan
    trials : tuple of ReadyTrial
    left_out : tuple of str
        Combinations that are none.
    """

    plan: SweepPlan
    trials: tuple[ReadyTrial, ...]
    left_out: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Digest of all plans, and of how the winner is chosen."""
        facts = [self.plan.choose_by, sorted(trial.digest for trial in self.trials)]
        return hashlib.sha256(canonical_json(facts).encode()).hexdigest()


@short_repr
@dataclass(frozen=True)
class SweepResult:
    """What is known of a sweep: no test clip was scored for it.

    Attributes
    ----------
    sweep : ReadySweep
    groups : dict of str to list of TrialRecord
        By protocol, the trained plans, the best first.
    n_trained, n_kept, n_waiting : int
        Plans that were trained now, before, and not yet (other shards').
    """

    sweep: ReadySweep
    groups: dict[str, list[TrialRecord]]
    n_trained: int
    n_kept: int
    n_waiting: int


def open_sweep(path: Path, *, device: str = "cpu", own_code: bool = False) -> ReadySweep:
    """Read a plan and make all its plans ready, so that whatever can be refused is refused now.

    Raises
    ------
    RavfeatError
        See `read_plan`, `make_trials` and `prepare_trials`; for two combinations that are one plan.
    """
    plan = read_plan(path, own_code=own_code)
    trials, left_out = make_trials(plan, device=device, own_code=own_code)
    ready = prepare_trials(trials, str(path))
    for digest, same in groupby(sorted(ready, key=lambda trial: trial.digest), key=lambda trial: trial.digest):
        if len(twice := list(same)) > 1:
            raise UsageError(
                f"{path}: two combinations are the same plan ({digest[:12]}): {dict(twice[0].factors)} and"
                f" {dict(twice[1].factors)}; leave one out"
            )
    return ReadySweep(plan, tuple(ready), tuple(left_out))


def run_sweep(
    sweep: ReadySweep, out: Path, *, num_shards: int = 1, shard_index: int = 0, ledger: bool = True
) -> SweepResult:
    """Train the plans of one shard that are not trained yet, and write what is known of all.

    Parameters
    ----------
    sweep : ReadySweep
    out : Path
        Folder; gets ``sweep.json``, ``trials/``, ``sweep.md`` and ``factors.svg``.
    num_shards, shard_index : int
        Of the plans, in the order in which they share features, every `num_shards`-th from `shard_index` on.
    ledger : bool
        Whether every plan that is trained is entered into the ledger of tries, see `ravfeat.runs.tries`.

    Raises
    ------
    UsageError
        Where the folder holds something else, or there is no such shard.
    """
    if not 0 <= shard_index < num_shards:
        raise UsageError(f"shard {shard_index} of {num_shards}: expected 0 to {num_shards - 1}")
    check_sweep_out(out)
    out.mkdir(parents=True, exist_ok=True)
    write_sweep(out, _record(sweep))
    in_order = sorted(sweep.trials, key=_sharing)
    records = {trial.digest: read_trial(trial_folder(out, trial.name), trial.digest) for trial in in_order}
    waiting = [trial for trial in in_order[shard_index::num_shards] if records[trial.digest] is None]
    n_kept = sum(record is not None for record in records.values())
    load = SharedFeatures([trial.prepared for trial in waiting])
    with ProgressBar(total=len(sweep.trials), unit="plan", desc="training", initial=n_kept) as bar:
        for trial in waiting:
            bar.describe(trial.name)
            records[trial.digest] = _train(trial, trial_folder(out, trial.name), load, ledger=ledger)
            bar.update()
    done = [record for record in records.values() if record is not None]
    groups = {
        protocol: ranked([each for each in done if each.factors["protocol"] == protocol], sweep.plan.choose_by)
        for protocol in sweep.plan.protocols
    }
    result = SweepResult(sweep, groups, len(waiting), n_kept, len(records) - len(done))
    write_page(out, result.groups, sweep.plan.choose_by, n_waiting=result.n_waiting)
    return result


def _sharing(trial: ReadyTrial) -> tuple[str, ...]:
    prepared = trial.prepared
    paths, reading, joint, _, layers = reading_key(prepared.systems[0], prepared.heads[0][0].reading, prepared.plan)
    return tuple(map(str, (paths, reading, joint, layers)))


def _train(trial: ReadyTrial, folder: Path, load: SharedFeatures, *, ledger: bool) -> TrialRecord:
    fitted = train(trial.prepared, load, test=False)
    record = TrialRecord(trial.digest, trial.factors, _about(fitted.about), validation_of(fitted.predictions))
    if ledger:
        _enter(trial, fitted, record, folder)
    write_trial(folder, fitted.predictions, record)
    return record


def _enter(trial: ReadyTrial, fitted: Fitted, record: TrialRecord, folder: Path) -> None:
    """Enter a plan into the ledger of tries, under the digest that a run of the same plan has."""
    (system,) = trial.prepared.systems
    records = (system.clips.records[row] for fold in system.folds for row in fold.test.tolist())
    tested = ((record.clip_id, record.performance_id, record.label) for record in records)
    recipe = recipe_of(json.loads(json.dumps(fitted.about)), folder)
    (name,) = fitted.predictions.systems()
    if why := enter_trial(recipe, tested, name, record.validation.uar, folder.name).why:
        _log.warning("%s", why)


def _about(about: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs from machine to machine, so that the same plan gives the same file."""
    return {name: value for name, value in about.items() if name not in ("versions",)}


def _record(sweep: ReadySweep) -> dict[str, Any]:
    trials: Sequence[ReadyTrial] = sweep.trials
    return {
        "sha256": sweep.sha256,
        "choose_by": sweep.plan.choose_by,
        "trials": [{"name": trial.name, "digest": trial.digest, "factors": dict(trial.factors)} for trial in trials],
        "left_out": list(sweep.left_out),
    }
