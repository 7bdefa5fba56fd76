"""How often 95 % intervals over actors hold the true score, by simulation: ``python -m benchmarks.coverage``.

Scores are drawn from a population of actors whose true scores are known: 60 clips of 8 classes by actor as in RAVDESS,
a network's margin for the true class that differs between classes, actors, actors' classes and, if wanted, folds.
The spreads are those of real runs (Whisper tiny.en on RAVDESS: UAR 0.77, actors' accuracies with a standard deviation
of 0.12, recalls of one class with 0.2 to 0.3). Two systems share 0.7 of everything that is drawn.

Printed per method: the share of intervals that hold the truth (0.95 is asked), and their mean width; how often the
swap test and the analysis of folds find something. The truth is that of all actors pooled, so of fold means read UAR,
WA, NLL and differences only: F1 and ECE of a few actors are biased. It takes minutes.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ravfeat.numerics.softmax import log_softmax
from ravfeat.predictions import SystemProbs
from ravfeat.stats.fold_effect import STRONG, fold_effect
from ravfeat.stats.intervals import recalls, score_intervals
from ravfeat.stats.jackknife import difference_interval, score_interval, standard_error, t_quantile, without_each
from ravfeat.stats.percentile import draw_actors, percentiles
from ravfeat.stats.permutation import swap_p_values
from ravfeat.stats.sums import Averaging, Sums

__all__ = ["Population", "main"]

CLIPS = np.repeat(np.arange(8), [4, *[8] * 7])
"""Classes of an actor's clips."""

METRICS = ("uar", "wa", "macro_f1", "nll", "ece")
_EASE = np.array([0, 0, -0.4, -0.8, 0.7, 0.2, 0.8, 0.3])
_SHARED = 0.7
_MANY = 20_000
_RESAMPLED = 400  # draws within which bootstrap-t needs a standard error each
_FLOATS = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Whose clips are scored.

    Attributes
    ----------
    margin : float
        Mean margin of the true class, in standard deviations of the noise: 2.35 gives UAR 0.77, 3.2 gives 0.9.
    actors, cells, folds : float
        Standard deviation of the margin over actors, over an actor's classes, and over folds.
    """

    margin: float = 2.35
    actors: float = 0.4
    cells: float = 0.8
    folds: float = 0.0

    def pair(self, rng: np.random.Generator, n_actors: int, n_folds: int) -> tuple[SystemProbs, SystemProbs]:
        """Draw actors, and what two equally good systems say of them."""
        y = np.tile(CLIPS, n_actors)
        clip_actor, fold = np.repeat(np.arange(n_actors), len(CLIPS)), np.arange(n_actors) % n_folds
        shapes = (n_actors, 1), (n_actors, 8), (n_folds, 1), (len(y), 8)
        shared = [rng.normal(size=shape) for shape in shapes]
        systems = []
        for _ in range(2):
            own = [rng.normal(size=shape) for shape in shapes]
            both = zip(shared, own, strict=True)
            actor, cell, folds, logits = (np.sqrt(_SHARED) * a + np.sqrt(1 - _SHARED) * b for a, b in both)
            margin = self.margin + _EASE + self.actors * actor + self.cells * cell + self.folds * folds[fold]
            logits[np.arange(len(y)), y] += margin[clip_actor, y]
            systems.append(_probs(y, clip_actor, fold[clip_actor], log_softmax(0.8 * self.margin * logits)))
        return systems[0], systems[1]

    def truth(self, rng: np.random.Generator) -> tuple[dict[str, float], _FLOATS]:
        """Scores over very many actors, each of a fold of its own kind, and the recall of every class."""
        probs, _ = self.pair(rng, _MANY, _MANY)
        sums = Sums.of(_probs(probs.y, probs.actors, np.zeros_like(probs.folds), probs.log_probs), np.arange(_MANY))
        hits = np.diagonal(sums.counts.sum((0, 1))) / sums.counts.sum((0, 1, 3))
        return {name: float(value[0]) for name, value in sums.scores(np.ones((1, _MANY)), "pooled").items()}, hits


def _probs(y: NDArray[Any], actors: NDArray[Any], folds: NDArray[Any], log_probs: _FLOATS) -> SystemProbs:
    ids = np.arange(len(y))
    return SystemProbs(ids, ids, actors, folds, y, log_probs, tuple("abcdefgh"), (0,))


def intervals_of_score(name: str, scores: _FLOATS, resampled: _FLOATS, n: int) -> Iterator[tuple[str, float, float]]:
    """Give the interval of each method, from the scores of `_weights`."""
    n_actors = resampled.shape[1]
    value, left_out, drawn = float(scores[0]), scores[1 : 1 + n_actors], scores[1 + n_actors :]
    error = standard_error(left_out)
    yield "percentile", *percentiles(drawn)
    yield "BCa", *_bca(value, left_out, drawn)
    yield "bootstrap-t", *_bootstrap_t(value, error, drawn, resampled)
    yield "jackknife, t", value - t_quantile(n_actors) * error, value + t_quantile(n_actors) * error
    yield (
        "ours",
        *(score_interval(name, value, error, n_actors, n) if n else difference_interval(name, value, error, n_actors)),
    )


def _bca(value: float, left_out: _FLOATS, drawn: _FLOATS) -> tuple[float, float]:
    """Bias-corrected and accelerated percentiles (Efron 1987, "Better bootstrap confidence intervals")."""
    below = np.clip((drawn < value).mean() + (drawn == value).mean() / 2, 1e-4, 1 - 1e-4)
    pull = left_out.mean() - left_out
    acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5 + 1e-300)
    z = norm.ppf(below) + np.array([-1, 1]) * norm.ppf(0.975)
    low, high = np.percentile(drawn, 100 * norm.cdf(norm.ppf(below) + z / (1 - acceleration * z)))
    return float(low), float(high)


def _bootstrap_t(value: float, error: float, drawn: _FLOATS, resampled: _FLOATS) -> tuple[float, float]:
    """Quantiles of the studentised draws, each with its own jackknife error (Efron & Tibshirani 1993, chapter 12)."""
    n_actors = resampled.shape[1]
    weights = draw_actors(n_actors)[: len(resampled)]
    mean = (weights * resampled).sum(1, keepdims=True) / n_actors
    errors = np.sqrt((n_actors - 1) / n_actors * (weights * (resampled - mean) ** 2).sum(1))
    known = errors > 1e-9
    low, high = np.percentile((drawn[: len(errors)][known] - value) / errors[known], (2.5, 97.5))
    return float(value - high * error), float(value - low * error)


def measure(
    population: Population, n_actors: int, n_folds: int, averaging: Averaging, trials: int, seed: int = 0
) -> dict[tuple[str, str], list[tuple[bool, float]]]:
    """Draw `trials` samples: for every (what, method), whether each interval held the truth, and its width."""
    rng = np.random.default_rng(seed)
    truth, true_recalls = population.truth(rng)
    draws = draw_actors(n_actors)
    weights = np.concatenate([without_each(n_actors), draws])
    # In a draw, leaving out one of its actors takes it away once.
    inner = draws[:_RESAMPLED, None, :] - np.eye(n_actors) * (draws[:_RESAMPLED, :, None] > 0)
    found: dict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)
    for _ in range(trials):
        pair = population.pair(rng, n_actors, n_folds)
        sums = [Sums.of(probs, np.arange(n_actors)) for probs in pair]
        scores = [each.scores(weights, averaging) for each in sums]
        resampled = [each.scores(inner.reshape(-1, n_actors), averaging) for each in sums]
        for name in METRICS:
            one, two = (each[name] for each in scores)
            nested = [each[name].reshape(-1, n_actors) for each in resampled]
            n = len(pair[0])
            for what, values, within, true, n_clips in (
                (name, one, nested[0], truth[name], n),
                (f"{name}, difference", one - two, nested[0] - nested[1], 0.0, 0),
            ):
                for method, low, high in intervals_of_score(name, values, within, n_clips):
                    if (what, method) == ("ece", "ours"):  # reaches down from the debiased estimate
                        ece = score_intervals(pair[0])["ece", averaging]
                        low, high = ece.ci_low, ece.ci_high
                    found[what, method].append((low <= true <= high, high - low))
        for recall, true in zip(recalls(pair[0]), true_recalls, strict=True):
            found["recall of a class", "ours"].append((recall.ci_low <= true <= recall.ci_high, 0.0))
        p = swap_p_values(*sums)["uar"]
        found["swap test of equal systems, p < 0.05", "rejects"].append((p < 0.05, 0.0))
        if effect := fold_effect(pair[0]):
            for level in (0.05, STRONG):
                found[f"folds share an effect, p <= {level}", "says"].append((effect.p <= level, 0.0))
    return found


def main() -> None:
    """Print a table for what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks.coverage", description=__doc__)
    parser.add_argument("--actors", type=int, default=24)
    parser.add_argument("--folds", type=int, default=6, help="as many as actors: each alone")
    parser.add_argument("--margin", type=float, default=2.35)
    parser.add_argument("--fold-effect", type=float, default=0.0, help="0.5 is as much as between actors")
    parser.add_argument("--averaging", choices=("pooled", "fold_mean"), default="pooled")
    parser.add_argument("--trials", type=int, default=1000)
    asked = parser.parse_args()
    population = Population(asked.margin, folds=asked.fold_effect)
    found = measure(population, asked.actors, asked.folds, asked.averaging, asked.trials)
    print(vars(asked))
    for (what, method), trials in found.items():
        held, width = np.mean(trials, axis=0)
        print(f"{what:40s} {method:14s} {held:.3f}  {width:.3f}")


if __name__ == "__main__":
    main()
