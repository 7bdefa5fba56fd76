"""The audit of a run: every check in one table, tried one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from ravfeat.audit.actor_identity import check_clip_split, check_identity
from ravfeat.audit.baseline import Baseline, DisjointScores, load_baseline, score_disjoint
from ravfeat.audit.context import RunContext, check_plan, open_run
from ravfeat.audit.encoders import check_encoders
from ravfeat.audit.files import check_files
from ravfeat.audit.fold_effect import check_fold_effect
from ravfeat.audit.folds import check_folds, check_protocol, system_name
from ravfeat.audit.groups import check_groups
from ravfeat.audit.labels import check_labels, check_left_out
from ravfeat.audit.near_copies import check_near_copies
from ravfeat.audit.near_sound import check_near_sound, find_all_recordings
from ravfeat.audit.per_actor import check_per_actor, check_transductive
from ravfeat.audit.permuted import check_permuted
from ravfeat.audit.prepared_features import check_prepared
from ravfeat.audit.record import Audit
from ravfeat.audit.recordings import check_recordings
from ravfeat.audit.refit_calibration import check_temperatures, check_weights
from ravfeat.audit.retraining import check_retrained
from ravfeat.audit.rows import check_against_folds, check_rows
from ravfeat.audit.same_person import check_same_person
from ravfeat.audit.saved_heads import check_saved_heads
from ravfeat.audit.score_files import check_scores
from ravfeat.audit.sentences import check_sentences
from ravfeat.audit.tries import check_tries
from ravfeat.audit.trust import check_trust
from ravfeat.audit.verdicts import Line, left_out, not_possible
from ravfeat.errors import RavfeatError
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.load import FeatureLoader
from ravfeat.progress import ProgressBar
from ravfeat.runs.audit_file import audited_digests
from ravfeat.runs.outcome import MADE_BY
from ravfeat.runs.task import chance_said, changes
from ravfeat.runs.trust import trust_of

__all__ = ["audit_run"]


@dataclass(frozen=True)
class _SystemContext:
    """What the checks of one system share.

    Attributes
    ----------
    run : RunContext
    prepared : PreparedPlan
        With that system only.
    quick : bool
        Do not train the run's heads again.
    load : FeatureLoader
    """

    run: RunContext
    prepared: PreparedPlan
    quick: bool
    load: FeatureLoader

    @property
    def subject(self) -> str:
        return system_name(self.prepared.systems[0])

    @cached_property
    def baseline(self) -> Baseline:
        # From here on nobody reads frames: what the run's own heads needed of them may be gigabytes.
        self.load.keep_statistics()
        return load_baseline(self.prepared, self.prepared.systems[0], self.load)

    @cached_property
    def disjoint(self) -> DisjointScores:
        return score_disjoint(self.baseline, self.prepared)


def _check_retrained(system: _SystemContext) -> list[Line]:
    if not system.quick:
        return check_retrained(system.run, system.prepared, system.load)
    # The heads that predicted nested val rows are not kept.
    nested = " and nested val rows" if system.prepared.select == "nested" else ""
    return [left_out("trained again", system.subject, f"the training of the heads, what it chose{nested}")]


_RUN_CHECKS: tuple[tuple[str, Callable[[RunContext], list[Line]]], ...] = (
    (MADE_BY, check_trust),
    ("plan as recorded", check_plan),
    ("protocol keeps actors apart", check_protocol),
    ("folds from the shards", check_folds),
    ("predictions keep sides apart", check_rows),
    ("predictions follow the folds", check_against_folds),
    ("labels are those of the corpus", check_labels),
    ("no clip left out", check_left_out),
    ("recordings are those of their names", check_recordings),
    ("scores as they came", check_scores),
    ("files belong together", check_files),
    ("temperatures from val rows", check_temperatures),
    ("fusion weights from val rows", check_weights),
    ("encoder has met the actors", check_encoders),
    ("nothing transductive", check_transductive),
    ("tries on these clips", check_tries),
    ("by group", check_groups),
    ("folds share an effect", check_fold_effect),
)
"""Tried once per run."""

_SYSTEM_CHECKS: tuple[tuple[str, Callable[[_SystemContext], list[Line]]], ...] = (
    ("saved heads give the test rows", lambda system: check_saved_heads(system.run, system.prepared, system.load)),
    ("trained again", _check_retrained),
    ("labels permuted", lambda system: check_permuted(system.baseline, system.subject)),
    ("features prepared per actor", lambda system: check_prepared(system.baseline, system.subject)),
    ("near copies by features", lambda system: check_near_copies(system.baseline, system.subject)),
    ("one person under two ids", lambda system: check_same_person(system.baseline, system.subject)),
    ("identity probe", lambda system: check_identity(system.baseline, lambda: system.disjoint, system.subject)),
    ("gain of a clip split", lambda system: check_clip_split(system.baseline, system.disjoint, system.subject)),
    ("per-actor normalisation", lambda system: check_per_actor(system.baseline, system.disjoint, system.subject)),
    ("held-out sentence", lambda system: check_sentences(system.baseline, system.disjoint, system.subject)),
)
"""Tried for every system, with its features. Those of the run's own heads come first: the others free their frames."""


def audit_run(
    path: Path,
    *,
    caches: Sequence[Path] = (),
    device: str = "cpu",
    quick: bool = False,
    without_caches: bool = False,
    heads: Sequence[str] = (),
    data: Sequence[Path] = (),
) -> Audit:
    """Try to break the number of a run.

    Parameters
    ----------
    path : Path
        A run's folder.
    caches : sequence of Path
        Where its caches lie now, or folders that hold them.
    device : str
        Where heads are trained and read.
    quick : bool
        Do not train the run's heads again.
    without_caches : bool
        Go on where a cache is gone: what needs it is not possible.
    heads : sequence of str
        References to the code of the run's own heads, such as ``mine.py:SVC``, which is run; without it, what needs it
        is not possible.
    data : sequence of Path
        Where the recordings lie, to compare their sound; by default it is looked whether they are at hand.

    Raises
    ------
    PredictionsError
        Where there is no run.
    CacheError
        Where a cache is gone, or one that is given is none of the run's.
    UsageError, PluginError
        Where code is none of the run's, has changed since, or fails; where the recordings are not under `data`.
    """
    context = open_run(path, caches, device=device, without_caches=without_caches, heads=heads)
    named = find_all_recordings(context, data) if data else None  # at once: that a folder is wrong is no finding

    def check_sound(context: RunContext) -> list[Line]:
        return check_near_sound(find_all_recordings(context) if named is None else named)

    checks = (*_RUN_CHECKS, ("near copies by sound", check_sound))
    lines = [location.line for location in context.locations]
    systems = () if context.prepared is None else context.prepared.by_system()
    with ProgressBar(total=len(checks) + len(_SYSTEM_CHECKS) * len(systems), unit="check") as bar:
        for name, check in checks:
            lines += _tried(name, "", partial(check, context), bar)
        for prepared in systems:
            system = _SystemContext(context, prepared, quick, FeatureLoader())
            for name, system_check in _SYSTEM_CHECKS:
                lines += _tried(name, system.subject, partial(system_check, system), bar)
    if context.prepared is None:
        lines += [not_possible(name, "", context.reason) for name, _ in _SYSTEM_CHECKS]
    classes = () if context.predictions is None else context.predictions.classes
    task = (chance_said(len(classes)), *changes(context.recipe)) if classes else ()
    return Audit(path, tuple(lines), quick, audited_digests(path), trust_of(context.recipe), task=task)


def _tried(name: str, subject: str, check: Callable[[], list[Line]], bar: ProgressBar) -> list[Line]:
    bar.describe(f"{subject}: {name}" if subject else name)
    try:
        return check()
    except RavfeatError as error:
        return [not_possible(name, subject, error)]
    finally:
        bar.update()
