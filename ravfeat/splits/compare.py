"""Compare splits: train the same heads on an actor split and on the LEAKY clip split, and probe for identity.

Only the split changes: features, head, settings, how they are chosen and how many clips are trained on are the
same. What the clip split scores more is the price of the split: above all what it is worth to know the
test actors, and a little that a head learns from every further actor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ravfeat.errors import CacheError, LeakError, ProtocolError, UsageError
from ravfeat.experiment.build import build_head
from ravfeat.experiment.fit import FitPlan, Fitted, PreparedPlan, gather, prepare, train
from ravfeat.experiment.load import FeatureLoader
from ravfeat.experiment.systems import CacheSystem
from ravfeat.identity.probe import IdentityProbe, probe_identity, why_not
from ravfeat.ledger.line import Kind
from ravfeat.progress import ProgressBar
from ravfeat.protocols.named import FIXED, get_protocol
from ravfeat.report.drawings.style import render
from ravfeat.runs.folder import check_out, whole_folder
from ravfeat.runs.format import ACTOR_RUN, CLIP_RUN, SPLITS_FILE
from ravfeat.runs.tries import Tried
from ravfeat.runs.write import write_json, write_run
from ravfeat.splits.figure import split_figure
from ravfeat.splits.rows import SplitRow, markdown, record
from ravfeat.stats import detectable_difference, paired_difference, score_intervals

__all__ = ["CLIP_SPLIT", "Comparison", "check_comparison_out", "compare_splits", "write_comparison"]

CLIP_SPLIT = "clip6"
"""Random clips in six folds; of protocols with another number of folds the counterpart is ``randomK``."""

_TOLERANCE = 0.05
"""Share by which the training sizes may differ. From 16 to 20 training actors, a quarter more, UAR rose
by about 0.03; a twentieth is worth less than the third digit can show."""


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison of splits.

    Attributes
    ----------
    rows : tuple of SplitRow
        Sorted by stream, features and head.
    actor, clip : Fitted
        Under the actor-disjoint protocol, and under the LEAKY clip split.
    """

    rows: tuple[SplitRow, ...]
    actor: Fitted
    clip: Fitted

    @property
    def about(self) -> dict[str, Any]:
        """What holds for every row."""
        return {
            "protocol": self.actor.about["protocol"],
            "clip_protocol": self.clip.about["protocol"],
            "select": self.actor.about["select"],
            "seeds": self.actor.about["seeds"],
            "classes": self.actor.about["classes"],
            "synthetic": self.actor.predictions.synthetic,
            "detectable": detectable_difference(self.actor.predictions).said,
        }


@dataclass(frozen=True)
class _Compared:
    """One system under both splits."""

    actor: Fitted
    clip: Fitted
    train_clips: tuple[float, float]
    probe: IdentityProbe | None
    no_probe: str


def compare_splits(plan: FitPlan) -> Comparison:
    """Train a plan's heads under its protocol and under the clip split, and probe the features.

    Parameters
    ----------
    plan : FitPlan
        Its protocol keeps actors apart. The clip split is the control that this is about, so no leave
        is needed for it; ``allow_leak`` is not read.

    Raises
    ------
    UsageError
        For a leaky protocol, one that trains on more or fewer clips than the clip split, or what
        `prepare` refuses.
    ProtocolError, CacheError
        As `prepare` does.
    """
    actor, clip = _prepare(plan)
    with ProgressBar(total=3 * len(actor.systems), unit="step") as bar:
        # One system after the other: features are large, and each is forgotten before the next is read.
        pairs = zip(actor.by_system(), clip.by_system(), strict=True)
        compared = [_compare_system(on_actors, on_clips, bar) for on_actors, on_clips in pairs]
    honest, leaky = gather([result.actor for result in compared]), gather([result.clip for result in compared])
    by_name = {(system.stream, system.features): result for system, result in zip(actor.systems, compared, strict=True)}
    return Comparison(_rows(honest, leaky, by_name), honest, leaky)


def _compare_system(actor: PreparedPlan, clip: PreparedPlan, bar: ProgressBar) -> _Compared:
    """Train the heads of one system under both splits, and probe its features."""
    load = FeatureLoader()
    (system,), (leaky_system,) = actor.systems, clip.systems
    bar.describe(f"{system.features}: actor split")
    honest = train(actor, load)
    bar.update()
    bar.describe(f"{system.features}: {clip.protocol.name} LEAKY")
    leaky = train(clip, load)
    bar.update()
    bar.describe(f"{system.features}: identity probe")
    probe, reason = _probe(actor.plan, system, load)
    bar.update()
    sizes = _train_clips(leaky_system, clip.select), _train_clips(system, actor.select)
    return _Compared(honest, leaky, sizes, probe, reason)


def _prepare(plan: FitPlan) -> tuple[PreparedPlan, PreparedPlan]:
    if get_protocol(plan.protocol).leaky:
        raise UsageError(
            f"protocol '{plan.protocol}' is what is compared with: give one that keeps actors apart, such as ravdess6"
        )
    try:
        actor = prepare(replace(plan, allow_leak=False, rule=None))
    except LeakError:
        raise
    except ProtocolError as error:
        if plan.protocol not in FIXED:
            raise
        raise ProtocolError(
            f"{error}. To compare it with '{CLIP_SPLIT}' take group6, whose folds are as large as those"
        ) from error
    split = _clip_split(plan.protocol, len(actor.systems[0].folds))
    # Selection as the actor split has it: a protocol may force nested selection, and only the split shall differ.
    clip = prepare(replace(plan, protocol=split, select=actor.select, allow_leak=True, rule=None))
    for system, leaky_system in zip(actor.systems, clip.systems, strict=True):
        n_actor, n_clip = _train_clips(system, actor.select), _train_clips(leaky_system, clip.select)
        if abs(n_actor - n_clip) > _TOLERANCE * n_clip:
            raise UsageError(
                f"'{plan.protocol}' trains on {n_actor:.0f} clips of {system.features} per fold, '{split}' on"
                f" {n_clip:.0f}: the gap would be one of size, too. Choose a protocol of even folds: ravdess6, emobox6,"
                " hicmae6, or group6 for any corpus"
            )
    return actor, clip


def _clip_split(protocol: str, n_folds: int) -> str:
    """Name the split of random clips that has as many folds.

    Raises
    ------
    UsageError
        For fewer than three: random clips train, validate and test by turns.
    """
    if n_folds < 3:
        raise UsageError(
            f"'{protocol}' has {n_folds} fold{'s' * (n_folds != 1)}, and random clips are compared over three or more:"
            " choose a protocol of several folds, such as group6"
        )
    return CLIP_SPLIT if n_folds == 6 else f"random{n_folds}"


def _train_clips(system: CacheSystem, select: str) -> float:
    """Mean over folds of the clips that a final head is trained on."""
    clips = [len(fold.train) + (len(fold.val) if select == "nested" else 0) for fold in system.folds]
    return sum(clips) / len(clips)


def _probe(plan: FitPlan, system: CacheSystem, load: FeatureLoader) -> tuple[IdentityProbe | None, str]:
    """Probe a system with the statistics that `logreg` reads, whatever heads the plan has."""
    actors, emotions = zip(*((record.actor, record.label) for record in system.clips.records), strict=True)
    if reason := why_not(actors, emotions):
        return None, reason
    try:
        reading = build_head("logreg", plan, system).reading
    except CacheError as error:  # a pooled cache may serve the plan's heads and not the probe
        return None, str(error)
    return probe_identity(load(plan, system, reading), actors, emotions, reading.statistics), ""


def _rows(actor: Fitted, clip: Fitted, compared: Mapping[tuple[str, str], _Compared]) -> tuple[SplitRow, ...]:
    rows = []
    for system in actor.predictions.systems():
        honest, leaky = (fitted.predictions.seed_averaged(system) for fitted in (actor, clip))
        result = compared[system.stream, system.features]
        rows.append(
            SplitRow(
                system=system,
                clip=score_intervals(leaky)["uar", "pooled"],
                actor=score_intervals(honest)["uar", "pooled"],
                gap=paired_difference(leaky, honest, "uar", "pooled"),
                train_clips=result.train_clips,
                probe=result.probe,
                no_probe=result.no_probe,
            )
        )
    return tuple(rows)


def check_comparison_out(out: Path, *, force: bool = False) -> None:
    """Refuse a folder that holds something else than a comparison, before anything is trained; see `check_out`."""
    check_out(out, force=force, kind="comparison of splits", known_by=SPLITS_FILE)


def write_comparison(
    out: Path,
    comparison: Comparison,
    recipe: Mapping[str, Any],
    *,
    force: bool = False,
    kind: Kind = "compare-splits",
) -> None:
    """Write ``actor/`` and ``clip/`` as runs, ``splits.json``, ``splits.md``, ``splits.png`` and ``splits.svg``.

    Parameters
    ----------
    out : Path
        Appears whole or not at all.
    comparison : Comparison
    recipe : mapping
        The command and its settings, for both runs.
    force : bool
        Replace a comparison that is there already.
    kind : str
        What tried, for the ledger.
    """
    check_comparison_out(out, force=force)
    about = comparison.about
    figure = split_figure(
        comparison.rows,
        protocol=about["protocol"],
        clip_protocol=about["clip_protocol"],
        synthetic=about["synthetic"],
        n_classes=len(about["classes"]),
    )
    drawing = render(figure)
    with whole_folder(out, force=force, kind="comparison of splits", known_by=SPLITS_FILE) as folder:
        for name, fitted in ((ACTOR_RUN, comparison.actor), (CLIP_RUN, comparison.clip)):
            write_run(folder / name, fitted, recipe, tried=Tried(kind, f"{out.resolve().name}/{name}"))
        (folder / "splits.png").write_bytes(drawing.png)
        (folder / "splits.svg").write_text(drawing.file(), encoding="utf-8")
        (folder / "splits.md").write_text(markdown(comparison.rows, about), encoding="utf-8")
        write_json(folder / SPLITS_FILE, {**about, "systems": [record(row) for row in comparison.rows]})
