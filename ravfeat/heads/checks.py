"""Class weights, checks of jobs and model selection scores that every head shares."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.heads.base import Job, Sweep
from ravfeat.numerics.parts import WHOLE
from ravfeat.numerics.softmax import log_softmax

__all__ = [
    "balanced_weights", "candidate_scores", "check_jobs", "likeliest", "likeliest_at_best_scale", "plain_settings",
]  # fmt: skip


_LATER: dict[str, Any] = {"parts": WHOLE}
"""Settings that came after others were written to files, and what was done before: left out where nothing else is
asked for, so that such a file stays what it was."""


def check_jobs(jobs: Sequence[Job], y: NDArray[np.int64], n_classes: int) -> None:
    """Refuse work that cannot be trained.

    Raises
    ------
    HeadError
        If a job has no training rows, fewer than two classes among them, or labels outside
        ``range(n_classes)``.
    """
    for number, job in enumerate(jobs):
        labels = np.unique(y[job.train])
        if len(labels) < 2:
            raise HeadError(
                f"training {number + 1} of {len(jobs)} has {len(job.train)} clips of {len(labels)} class(es); "
                "a head needs clips of at least two classes"
            )
        if labels[0] < 0 or labels[-1] >= n_classes:
            raise HeadError(f"labels must lie in 0 to {n_classes - 1}, got {labels[0]} to {labels[-1]}")


def balanced_weights(y: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Weight of every class, so that all classes present weigh the same; 0 for an absent class.

    Returns
    -------
    ndarray of shape (K,), float32
        ``len(y) / (classes present * clips of the class)``, as scikit-learn's "balanced", which refuses absent classes.
    """
    counts = np.bincount(y, minlength=n_classes)
    present = max(1, int((counts > 0).sum()))
    # `np.where` computes both sides: the 1 keeps an absent class from dividing by 0.
    weights = np.where(counts > 0, len(y) / (present * np.maximum(counts, 1)), 0.0)
    return weights.astype(np.float32)


def candidate_scores(
    sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score every candidate on the validation rows of all sweeps together.

    Returns
    -------
    uar, nll : ndarray of shape (C,)
        Mean recall over the classes that occur; mean negative log-likelihood.

    Raises
    ------
    HeadError
        If the sweeps have no validation rows, or not the same candidates.
    """
    labels = np.concatenate(list(y_val)) if len(y_val) else np.zeros(0, np.int64)
    if not len(labels):
        raise HeadError("choosing needs validation rows, got none")
    if len({len(sweep.candidates) for sweep in sweeps}) != 1:
        raise HeadError(f"sweeps must share their candidates, got {[len(sweep.candidates) for sweep in sweeps]}")
    logits = np.concatenate([sweep.logits for sweep in sweeps], axis=1)  # (C, n, K)
    hits = logits.argmax(-1) == labels  # (C, n, K) -> (C, n)
    # All candidates at once; scikit-learn's balanced_accuracy_score would be called once for each.
    uar = np.mean([hits[:, labels == k].mean(1) for k in np.unique(labels)], axis=0)
    nll = -log_softmax(logits)[:, np.arange(len(labels)), labels].mean(1)
    return uar, nll


def plain_settings(head: Any) -> dict[str, Any]:
    """Give a head's settings as TOML can hold them: no None, lists for tuples, no device."""
    settings = {field.name: getattr(head, field.name) for field in dataclasses.fields(head) if field.name != "device"}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if value is not None and (name not in _LATER or value != _LATER[name])
    }


def likeliest(sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
    """Index of the candidate with the lowest NLL on all validation rows together, ties by UAR.

    UAR on a few validation actors moves in steps and is partly luck; among many candidates the
    luckiest wins. Scored on actors that neither trained nor chose, logistic regression picked by
    NLL scored 0.729, picked by UAR 0.712.
    """
    uar, nll = candidate_scores(sweeps, y_val)
    # `lexsort` sorts by its last key first.
    return int(np.lexsort((-uar, nll))[0])


def likeliest_at_best_scale(sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
    """Pick as `likeliest` does, each candidate's logits multiplied by the factor that makes them likeliest.

    Distances from a margin, and the posteriors of wide discriminants, rank classes on scales of their own that differ
    from candidate to candidate. A run fits such a factor to every system anyway: its temperature (Guo et al. 2017, "On
    calibration of modern neural networks").
    """
    scores = [candidate_scores(scaled, y_val) for scaled in _scaled(sweeps)]
    uar, nll = scores[0][0], np.min([nll for _, nll in scores], axis=0)
    return int(np.lexsort((-uar, nll))[0])


def _scaled(sweeps: Sequence[Sweep]) -> list[list[Sweep]]:
    """Give sweeps at every factor: each a quarter above the one before."""
    factors = 1.25 ** np.arange(-24, 25)  # 0.005 to 210
    return [[Sweep(sweep.candidates, sweep.logits * np.float32(factor)) for sweep in sweeps] for factor in factors]
