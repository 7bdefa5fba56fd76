"""Train heads on one corpus and test them on another: pairs of caches → predictions → fusion."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ravfeat.crosscorpus.folds import PROTOCOL
from ravfeat.crosscorpus.pairs import CorpusPair, open_pairs
from ravfeat.errors import UsageError
from ravfeat.experiment.build import build_heads, check_parts, check_plan, heads_of_several_streams
from ravfeat.experiment.fit import PreparedPlan, fused, train
from ravfeat.experiment.plan import FitPlan, GradingPlan, HeadPlan, shared_options
from ravfeat.protocols.folds import inner_folds
from ravfeat.runs.result import Fitted
from ravfeat.schema import Normalise
from ravfeat.short_repr import short_repr

__all__ = ["CrossPlan", "fit_across", "prepare_across"]


@short_repr
@dataclass(frozen=True)
class CrossPlan(GradingPlan, HeadPlan):
    """What is to be trained on one corpus and tested on another: heads and grading of a `FitPlan`, and other data.

    Attributes
    ----------
    pairs : tuple of (Path, Path)
        Cache that is trained on and cache that is tested on, both of one encoder.
    label_map : Path or None
        See `ravfeat.crosscorpus.label_map`.
    normalise : {"none", "corpus", "both"}
        Whether each corpus is standardised by its own unlabelled clips; ``both`` grades every head twice.
    where : str
        Only clips of which this condition holds are trained on and tested; see `ravfeat.corpora.where`.
    absent : tuple of str
        Clips that are left out because the table that was extracted last does not have them.
    allow_missing : bool
        Go on without clips that are not stored.
    as_written : tuple of str
        As in `ravfeat.experiment.plan.DataPlan`.
    protocol, allow_leak
        Not to be chosen: the other corpus is tested whole, and nobody may be in both.
    """

    pairs: tuple[tuple[Path, Path], ...]
    label_map: Path | None = None
    normalise: Normalise = "both"
    where: str = ""
    absent: tuple[str, ...] = ()
    allow_missing: bool = False
    as_written: tuple[str, ...] = ()
    protocol: str = field(default=PROTOCOL.name, init=False)
    allow_leak: bool = field(default=False, init=False)

    @property
    def fuses(self) -> bool:
        """Whether all systems are fused; what is normalised is never fused with what is not."""
        return self.rule is not None and self.normalise != "both"

    def as_fit(self) -> FitPlan:
        """Give the plan that is recorded: the caches that are trained on, with the same heads and grading."""
        caches = tuple(train for train, _ in self.pairs)
        # The table speaks of two corpora, and so does `normalise`; both are recorded with these.
        return FitPlan(caches, **shared_options(self, FitPlan) | {"label_map": None, "normalise": "none"})


def fit_across(plan: CrossPlan) -> Fitted:
    """Train on the actors of one corpus, predict every clip of the other, and fuse.

    What is normalised is never fused with what is not: under ``both``, nothing is fused.

    Raises
    ------
    CacheError, CorpusError, LeakError, ProtocolError, UsageError
        See `ravfeat.crosscorpus.pairs.open_pairs`; everything is refused before the first head is trained.
    """
    prepared = prepare_across(plan)
    fitted = train(prepared)
    pairs = [cast("CorpusPair", system) for system in prepared.systems]
    fitted = replace(fitted, about=fitted.about | {"cross_corpus": _about(plan, pairs, fitted)})
    return fused(fitted, plan.rule if plan.fuses else None)


def prepare_across(plan: CrossPlan) -> PreparedPlan:
    """Open what a plan names and check that it can be done; `fit_across` says what is refused."""
    if several := heads_of_several_streams(plan):
        raise UsageError(
            f"the head '{several[0]}' reads several streams of one corpus and is no head of a test on another corpus;"
            " leave it out, or train it on one corpus with --cache"
        )
    fit = plan.as_fit()  # what a recipe records; runs of two corpora have always had these fields
    check_plan(fit)
    if plan.normalise == "both" and plan.rule not in (None, "auto"):
        raise UsageError(
            f"rule '{plan.rule}' has nothing to fuse: normalised features are not mixed with others, so with"
            " --normalise both every system stands alone; choose --normalise none or corpus"
        )
    pairs = open_pairs(
        plan.pairs,
        label_map=plan.label_map,
        where=plan.where,
        absent=plan.absent,
        allow_missing=plan.allow_missing,
        as_written=plan.as_written,
        together=plan.fuses,
    )
    systems = tuple(
        system
        for pair in pairs
        # Both ways of one pair, side by side: the comparison is on the same folds.
        for system, normalise in ((pair, "none"), (pair.normalise(), "corpus"))
        if plan.normalise in (normalise, "both")
    )
    heads = tuple(build_heads(plan, system) for system in systems)
    check_parts(plan, (head for of_system in heads for head in of_system))
    inner = tuple(
        {fold.number: inner_folds(PROTOCOL, fold, system.clips.records) for fold in system.folds}
        if plan.select == "nested"
        else None
        for system in systems
    )
    return PreparedPlan(fit, PROTOCOL, plan.select, systems, heads, inner)


def _about(plan: CrossPlan, pairs: list[CorpusPair], fitted: Fitted) -> dict[str, Any]:
    train, test = pairs[0].corpora
    return {
        "train": train,
        "test": test,
        "label_map": None if plan.label_map is None else str(plan.label_map),
        "labels": {"train": dict(pairs[0].label_map.train), "test": dict(pairs[0].label_map.test)},
        "normalise": plan.normalise,
        "transductive": [pair.features for pair in pairs if pair.normalised],
        "kept_apart": plan.normalise == "both" and plan.rule is not None and len(fitted.predictions.systems()) > 2,
    }
