"""Format one system under an actor split and under the LEAKY clip split as a row of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ravfeat.escape import markdown_text
from ravfeat.identity.probe import IdentityProbe
from ravfeat.predictions import System
from ravfeat.runs.task import chance_said
from ravfeat.stats import Difference, Interval

__all__ = ["HEADINGS", "SplitRow", "cells", "markdown", "record", "summary"]

HEADINGS = (
    "stream",
    "features",
    "head",
    "clip split, LEAKY",
    "actor split",
    "gap",
    "identity (chance)",
    "n",
)
"""Columns of the table. Scores are pooled UAR (mean recall); brackets hold 95 % intervals over actors."""


MEANING = (
    "The gap is the price of the split: above all what it is worth to know the actors, and a little that the clip split"
    " learns from more of them. The LEAKY column says nothing about new people. Identity: how often a linear probe"
    " names the actor from the same features, tested on an emotion it saw of nobody (mean over actors)."
)


@dataclass(frozen=True)
class SplitRow:
    """One system.

    Attributes
    ----------
    system : System
    clip, actor : Interval
        Pooled UAR over emotions under the LEAKY clip split, and with no id of an actor on two sides.
    gap : Difference
        The first minus the second, paired by performance; each actor is left out on both sides at once.
    train_clips : tuple of float
        Clips that a head was trained on under the clip split and under the actor split, mean over folds.
    probe : IdentityProbe or None
        How well the features tell the actors apart.
    no_probe : str
        Why there is no probe, else empty.
    """

    system: System
    clip: Interval
    actor: Interval
    gap: Difference
    train_clips: tuple[float, float]
    probe: IdentityProbe | None
    no_probe: str = ""


def cells(row: SplitRow) -> tuple[str, ...]:
    """Write a row under `HEADINGS`."""
    gap, probe = row.gap, row.probe
    identity = f"{_interval(probe)} ({probe.chance:.3f})" if probe else "none"
    return (
        *row.system,
        f"{_interval(row.clip)} LEAKY",
        _interval(row.actor),
        f"{gap.value:+.3f} [{gap.ci_low:+.3f}, {gap.ci_high:+.3f}]",
        identity,
        str(gap.n),
    )


def summary(rows: Sequence[SplitRow], about: Mapping[str, Any]) -> str:
    """Say in one line what every row has in common.

    Parameters
    ----------
    rows : sequence of SplitRow
    about : mapping
        ``protocol``, ``clip_protocol``, ``select``, ``seeds``, ``classes``, ``synthetic``, ``detectable``.
    """
    sizes = sorted({f"{clip:.0f}" if round(clip) == round(actor) else f"{clip:.0f} and {actor:.0f}"
                    for clip, actor in (row.train_clips for row in rows)})  # fmt: skip
    seeds = f"{about['seeds']} seed{'s' if about['seeds'] > 1 else ''}"
    synthetic = ", on a synthetic corpus (says nothing about people)" if about["synthetic"] else ""
    return (
        f"{about['clip_protocol']} LEAKY (tested on actors it was trained on) against {about['protocol']} (no id of an"
        f" actor on two sides), select {about['select']}, {seeds}, trained on {' or '.join(sizes)} clips per"
        f" fold, {chance_said(len(about['classes']))}{synthetic}"
    )


def markdown(rows: Sequence[SplitRow], about: Mapping[str, Any]) -> str:
    """Write ``splits.md``: the table, what its columns mean, the drawing."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(map(markdown_text, cells(row)) for row in rows)]
    reasons = [
        f"- No identity probe of {markdown_text(f'{row.system}: {row.no_probe}')}." for row in rows if row.no_probe
    ]
    parts = [
        "# The same heads on two splits",
        f"{markdown_text(summary(rows, about))}.",
        "\n".join(f"| {' | '.join(line)} |" for line in lines),
        "Scores are pooled UAR (mean recall over emotions); brackets hold 95 % intervals over actors, those of the gap"
        f" paired. Under the actor split: {markdown_text(about['detectable'])}. {MEANING}",
        *(["\n".join(reasons)] if reasons else []),
        "![Both splits and the identity probe](splits.png)",
    ]
    return "\n\n".join(parts) + "\n"


def record(row: SplitRow) -> dict[str, Any]:
    """Give a row of ``splits.json``: plain values, LEAKY where it is."""
    return {
        **row.system._asdict(),
        "metric": "uar",
        "averaging": "pooled",
        "n": row.gap.n,
        "clip_split": _plain(row.clip) | {"leaky": True},
        "actor_split": _plain(row.actor) | {"leaky": False},
        "gap": _plain(row.gap),
        "train_clips": {"clip_split": row.train_clips[0], "actor_split": row.train_clips[1]},
        "identity": None if row.probe is None else asdict(row.probe),
        "no_identity": row.no_probe,
    }


def _plain(score: Interval | Difference) -> dict[str, Any]:
    return {"value": score.value, "ci_low": score.ci_low, "ci_high": score.ci_high}


def _interval(score: Interval | IdentityProbe) -> str:
    return f"{score.value:.3f} [{score.ci_low:.3f}, {score.ci_high:.3f}]"
