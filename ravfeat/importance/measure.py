"""Measure what shuffling a group of inputs costs: the fall of UAR and the rise of NLL on held-out actors.

Permutation importance: Breiman (2001), "Random Forests", Machine Learning 45:5-32; model-agnostic and with whole groups
as in Fisher, Rudin and Dominici (2019), "All Models are Wrong, but Many are Useful", JMLR 20:177. The heads stay as
they were trained; inputs are shuffled within a test fold: they come from other clips of actors the head never met.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.audit.saved_heads import TOLERANCE, Logits, distance, logits_of
from ravfeat.calibrate import Calibration, calibrate
from ravfeat.errors import PredictionsError, UsageError
from ravfeat.experiment.fit import PreparedPlan
from ravfeat.experiment.systems import CacheSystem
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Head, Model
from ravfeat.importance.groups import Group
from ravfeat.importance.shuffle import ShuffledClips
from ravfeat.predictions import Predictions, System, SystemProbs, mean_of_seeds
from ravfeat.progress import ProgressBar
from ravfeat.protocols.folds import Fold
from ravfeat.runs.format import AGAIN, head_stem
from ravfeat.runs.importance_file import Fall, GroupImportance, SystemImportance
from ravfeat.stats.jackknife import difference_interval, score_interval, standard_error, without_each
from ravfeat.stats.sums import Sums

__all__ = ["measure_head"]

_SEED = 20010145

Shuffled = NDArray[np.float64]
"""Log probabilities of the test clips with each group shuffled and, if wanted, all others: (G, W, R, N, K)."""


def measure_head(
    run: Path,
    predictions: Predictions,
    prepared: PreparedPlan,
    head: Head,
    features: ClipFeatures,
    groups: Sequence[Group],
    *,
    repeats: int,
    alone: bool = False,
) -> SystemImportance:
    """Measure the importance of groups of inputs for one head of a run.

    Parameters
    ----------
    run : Path
    predictions : Predictions
    prepared : PreparedPlan
        With the head's system only.
    head : Head
    features : ClipFeatures
        What it reads of that system's clips (and views).
    groups : sequence of Group
    repeats : int
        How often each is shuffled.
    alone : bool
        Also score with everything but the group shuffled.

    Raises
    ------
    HeadError
        Where a saved head is missing or damaged.
    PredictionsError
        Where the saved heads do not give the stored predictions.
    """
    system = prepared.systems[0]
    name = System(system.stream, system.features, head.name)
    calibration = calibrate(predictions, name)
    stored = logits_of(predictions, name)
    seeds = range(prepared.plan.seeds if head.seeded else 1)
    places = {clip_id: place for place, clip_id in enumerate(calibration.test.clip_ids.tolist())}
    ways = [False, True] if alone else [False]
    shuffled = np.zeros((len(groups), len(ways), repeats, *calibration.test.log_probs.shape))
    with ProgressBar(total=len(system.folds) * len(groups), desc=f"shuffling for {name}", unit="group") as bar:
        for fold in system.folds:
            models = [_load(head_stem(run, name, fold.number, seed), prepared.plan.device) for seed in seeds]
            clips = _FoldClips(system, fold, features)
            _check_stored(clips, models, stored, run)
            at = [places[clip_id] for clip_id in clips.clip_ids]
            for number, group in enumerate(groups):
                for way, repeat in product(range(len(ways)), range(repeats)):
                    logits = clips.logits(models, group, repeat, others=ways[way])  # (n, S, K)
                    shuffled[number, way, repeat, at] = _calibrated(logits, calibration, fold)
                bar.update()
    return _summary(name, calibration.test, groups, shuffled)


class _FoldClips:
    """The test clips of one fold, with their inputs as they are or shuffled."""

    def __init__(self, system: CacheSystem, fold: Fold, features: ClipFeatures) -> None:
        self.fold, self._rows = fold, system.rows
        self.clip_ids = [system.clips.records[row].clip_id for row in fold.test.tolist()]
        scored = self._rows.scored(fold.test)
        self._n_views = len(scored) // len(fold.test)
        if len(scored) != self._n_views * len(fold.test) or (
            self._rows.averages and len(set(np.bincount(self._rows.origin)[fold.test])) > 1
        ):
            raise UsageError(
                "some clips lack views that others are averaged over, so that their inputs cannot be exchanged; train"
                " the run without --allow-missing"
            )
        self._clips = ShuffledClips(features, scored)

    def logits(
        self, models: Sequence[Model], group: Group | None = None, repeat: int = 0, *, others: bool = False
    ) -> NDArray[np.float32]:
        """Score the clips with every model: (n, S, K); a group, or all others, shuffled alike for all of them."""
        rng = np.random.default_rng([_SEED, self.fold.number, repeat])
        clips = rng.permutation(len(self.fold.test))
        # A view gets the inputs of the same view of the other clip.
        sources = (clips[:, None] * self._n_views + np.arange(self._n_views)).ravel()
        every_row = np.arange(len(sources))

        def score(features: ClipFeatures) -> NDArray[np.float32]:
            scores = [self._rows.mean_scores(model.logits(features, every_row), self.fold.test) for model in models]
            return np.stack(scores, axis=1)

        cells = () if group is None else group.cells
        return self._clips.score(cells, sources, score, others=others)


def _load(stem: Path, device: str) -> Model:
    from ravfeat.heads.checkpoint import load_model  # brings torch

    return load_model(stem, device=device)


def _check_stored(clips: _FoldClips, models: Sequence[Model], stored: Logits, run: Path) -> None:
    """Refuse heads that are not those of the predictions: their importance would be that of something else."""
    for seed, logits in enumerate(clips.logits(models).transpose(1, 0, 2)):
        keys = [(seed, clips.fold.number, "test", clip_id) for clip_id in clips.clip_ids]
        whole = all(key in stored for key in keys)
        if not whole or distance(logits, np.stack([stored[key] for key in keys])) > TOLERANCE:
            raise PredictionsError(
                f"{run}: the saved head of fold {clips.fold.number}, seed {seed} does not give the predictions beside"
                f" it; {AGAIN}"
            )


def _calibrated(logits: NDArray[np.float32], calibration: Calibration, fold: Fold) -> NDArray[np.float64]:
    """Average seeds, and apply the temperature that the run learned for the fold."""
    temperature = next(each.temperature for each in calibration.folds if each.fold == fold.number)
    return temperature.transform(mean_of_seeds(logits))


def _summary(name: System, test: SystemProbs, groups: Sequence[Group], shuffled: Shuffled) -> SystemImportance:
    actors = np.unique(test.actors)
    weights = without_each(len(actors))
    whole = Sums.of(test, actors).scores(weights, "pooled")
    found = []
    for group, log_probs in zip(groups, shuffled, strict=True):
        scores, *others = (
            [Sums.of(replace(test, log_probs=each), actors).scores(weights, "pooled") for each in way]
            for way in log_probs
        )
        fall = _fall("uar", [whole["uar"] - score["uar"] for score in scores])
        rise = _fall("nll", [score["nll"] - whole["nll"] for score in scores])
        kept = _fall("uar", [score["uar"] for score in others[0]], of=len(test)) if others else None
        found.append(GroupImportance(group.kind, group.name, fall, rise, kept))
    values: Mapping[str, float] = {metric: float(whole[metric][0]) for metric in ("uar", "nll")}
    return SystemImportance(*name, values["uar"], values["nll"], len(test), tuple(found))


def _fall(metric: str, by_repeat: Sequence[NDArray[np.float64]], of: int = 0) -> Fall:
    """Sum up what shuffling gave: mean over repeats, their spread, and the interval over actors.

    What is summed up is a difference, or the score itself `of` so many clips.
    """
    costs = np.stack(by_repeat)  # (R, 1 + A)
    spread = float(costs[:, 0].std(ddof=1)) if len(costs) > 1 else None
    value, *left_out = costs.mean(0).tolist()
    error, n_actors = standard_error(np.array(left_out)), max(len(left_out), 1)
    if of:
        low, high = score_interval(metric, value, error, n_actors, of)
    else:
        low, high = difference_interval(metric, value, error, n_actors)
    return Fall(value, low, high, spread)
