"""Make all plans of a sweep ready before any is trained: caches opened once, names and digests given, rows compared."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

from ravfeat.align import common_key
from ravfeat.cache import Cache
from ravfeat.errors import ProtocolError, RavfeatError
from ravfeat.experiment.fit import PreparedPlan, prepare
from ravfeat.experiment.plan import DataPlan, FitPlan
from ravfeat.experiment.plan_file import plan_record
from ravfeat.experiment.systems import CacheSystem, open_systems
from ravfeat.files import canonical_json
from ravfeat.heads.registry import several_streams
from ravfeat.progress import track_progress
from ravfeat.protocols.named import Protocol
from ravfeat.sweep.trials import Trial

__all__ = ["ReadyTrial", "prepare_trials"]

_PLACES = ("caches", "joins", "train_views", "labels", "clips", "device", "heads")
"""Fields of a plan that say where something lies; what lies there is in the digest instead."""

_LONGEST_NAME = 80


@dataclass(frozen=True)
class ReadyTrial:
    """A trial whose caches are open and whose folds and head are checked.

    Attributes
    ----------
    prepared : PreparedPlan
        With one system and one head.
    factors : mapping of str to str
    digest : str
        SHA-256 of the plan and of all that it reads, wherever that lies and whatever device trains it.
    """

    prepared: PreparedPlan
    factors: Mapping[str, str]
    digest: str

    @property
    def name(self) -> str:
        """Name of its folder."""
        system, (head,) = self.prepared.systems[0], self.prepared.heads[0]
        words = [self.factors["protocol"], system.features, head.name]
        words += [f"layers-{self.factors['layers']}"] if self.factors["layers"] != "all" else []
        text = re.sub(r"[^\w.+-]+", "-", "-".join(words))[:_LONGEST_NAME].strip("-.")
        return f"{text}-{self.digest[:12]}"


class _OpenedOnce:
    """Gives the systems of plans, opening caches and dealing folds once for all plans that have them alike."""

    def __init__(self) -> None:
        self._systems: dict[tuple[Any, ...], list[CacheSystem]] = {}
        self._digests: dict[int, str] = {}

    def __call__(self, plan: FitPlan, protocol: Protocol) -> list[CacheSystem]:
        heads = plan.heads if several_streams(plan.heads[0]) else ()
        data = tuple(getattr(plan, field.name) for field in fields(DataPlan))
        key = (*data, plan.protocol, plan.allow_leak, heads)
        if key not in self._systems:
            self._systems[key] = open_systems(plan, protocol)
        return self._systems[key]

    def content_of(self, cache: Cache) -> str:
        if id(cache) not in self._digests:
            self._digests[id(cache)] = f"{cache.fingerprint} {cache.content_sha256()}"
        return self._digests[id(cache)]


def prepare_trials(trials: Sequence[Trial], where: str) -> list[ReadyTrial]:
    """Make trials ready, in their order.

    Parameters
    ----------
    trials : sequence of Trial
    where : str
        The plan's file, for messages.

    Raises
    ------
    RavfeatError
        Where one of them cannot be trained, of its own type, naming the trial.
    ProtocolError
        Where trials of one protocol are validated on different clips.
    """
    opened = _OpenedOnce()
    ready = []
    for trial in track_progress(trials, desc="checking plans", unit="plan"):
        try:
            prepared = prepare(trial.plan, opened)
        except RavfeatError as error:
            # Messages name options of the command line, which are keys of a plan.
            keys = (
                "; here an option such as --allow-missing is a key: allow_missing = true" if "--" in str(error) else ""
            )
            error.args = (f"{where}, the plan with {_words(trial.factors)}: {error}{keys}",)
            raise
        features = prepared.systems[0].features
        factors = {"protocol": trial.factors["protocol"], "features": features} | dict(trial.factors)
        ready.append(ReadyTrial(prepared, factors, _digest_of(prepared, opened)))
    for _, group in groupby(ready, key=lambda trial: trial.factors["protocol"]):
        _check_rows(list(group))
    return ready


def _digest_of(prepared: PreparedPlan, opened: _OpenedOnce) -> str:
    record = plan_record(prepared.plan)
    # Of a table that a plan names, its digest stands beside its path.
    facts = {name: value for name, value in record.items() if name not in _PLACES and f"{name}_sha256" not in record}
    (system,) = prepared.systems
    read = [opened.content_of(cache) for cache in system.caches]
    views = [opened.content_of(view.cache) for view in system.views]
    head = prepared.heads[0][0].name
    facts |= {"protocol": prepared.protocol.name, "select": prepared.select, "head": head}
    return hashlib.sha256(canonical_json(facts | {"read": read, "views": views}).encode()).hexdigest()


def _check_rows(trials: Sequence[ReadyTrial]) -> None:
    """Refuse trials that are validated on different clips: their figures could not be ranked."""
    systems = list({id(trial.prepared.systems[0]): trial for trial in trials}.values())
    key = common_key([[record.clip_id for record in trial.prepared.systems[0].clips.records] for trial in systems])
    first, rows = systems[0], _validated(systems[0], key)
    for other in systems[1:]:
        if differing := rows ^ _validated(other, key):
            raise ProtocolError(
                f"'{first.factors['protocol']}' validates {_words(first.factors)} and {_words(other.factors)} on"
                f" different clips ({len(differing)} are only in one of them, such as {min(differing)[1]}), so that"
                ' their figures cannot be ranked; name the clips that all caches hold with clips = "TABLE"'
            )


def _validated(trial: ReadyTrial, key: str) -> set[tuple[int, str]]:
    system, nested = trial.prepared.systems[0], trial.prepared.select == "nested"
    records = system.clips.records
    return {
        (fold.number, getattr(records[row], key))
        for fold in system.folds
        for rows in ((fold.train, fold.val) if nested else (fold.val,))
        for row in rows.tolist()
    }


def _words(factors: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in factors.items())
