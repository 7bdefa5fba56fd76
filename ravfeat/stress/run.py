"""Stress a run: encode its test recordings under every condition, score them with its own heads, write ``stress.json``.

The heads, temperatures and fusion weights of every fold stay as they are, and score the clips which that fold tested.
Recordings that are not changed go the same way first: they must get the run's own predictions.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ravfeat.errors import HeadError, PredictionsError, UsageError
from ravfeat.files import replace_file
from ravfeat.media.conditions import CONDITIONS, Condition
from ravfeat.predictions import System
from ravfeat.published.models import ModelFinder, check_model_names
from ravfeat.runs.audit_file import audited_digests
from ravfeat.runs.format import STRESS_FILE
from ravfeat.runs.stress_file import Changeable, Stress, StressedClips, StressScore
from ravfeat.runs.trust import is_imported
from ravfeat.schema import FUSED_STREAMS
from ravfeat.stress.encode import open_recordings
from ravfeat.stress.measure import crossings, scores_of
from ravfeat.stress.open_run import OpenedRun, OpenedSystem, open_stressed
from ravfeat.stress.score import distance_to_run, probs_of
from ravfeat.stress.store import LogitStore, Stored

__all__ = ["stress_run"]

TOLERANCE = 2e-3
"""Of logits, relative to the largest; the audit tolerates as much of saved heads. Measured on RAVDESS through Whisper
and logistic regression: 1.8e-7 of recordings encoded again on one machine, and 0.05 or more of 99 % of clips of which
the other take of the same sentence is heard."""

_STREAMS: tuple[Changeable, ...] = ("audio", "face")


def stress_run(
    path: Path,
    *,
    data: Sequence[Path] = (),
    caches: Sequence[Path] = (),
    conditions: Sequence[Condition] = (),
    clips: int | None = None,
    cache_dir: Path | None = None,
    models: Mapping[str, str] = {},
    detector_models: Sequence[Path] = (),
    device: str = "cpu",
) -> Stress:
    """Score a run's heads on changed test recordings, and write ``stress.json`` into its folder.

    Parameters
    ----------
    path : Path
        A finished run with heads.
    data : sequence of Path
        Where its recordings lie: the folders that its caches' paths are relative to.
    caches : sequence of Path
        Caches of the run that were moved.
    conditions : sequence of Condition
        By default all that its streams can have.
    clips : int, optional
        Size of the sample of test clips, spread over actors and classes; all by default.
    cache_dir : Path, optional
        Where caches of changed recordings are kept; by default each is removed as soon as it is scored.
    models, detector_models
        As of `ravfeat.published.head_models.load_head_models`.
    device : str

    Returns
    -------
    Stress

    Raises
    ------
    PredictionsError
        Where recordings that are not changed do not get the run's own predictions.
    CacheError, EncoderError, HeadError, UsageError
        See `open_stressed` and `open_recordings`.
    """
    opened = open_stressed(path, caches, clips=clips, device=device)
    check_model_names(models, [need for system in opened.systems for need in system.part.needs], path)
    finder = ModelFinder(device, models, detector_models)
    asked = dict.fromkeys(conditions) or [each for name in CONDITIONS for each in Condition.written(name)]
    asked = sorted(asked, key=lambda condition: list(CONDITIONS).index(condition.recipe))  # as tables and figures go
    left_out: dict[str, str] = {}
    parts: list[_Stressed] = []
    for stream in _STREAMS:
        wanted = [condition for condition in asked if condition.about.stream == stream]
        systems = _stressable(opened, stream, left_out) if wanted else []
        if systems:
            recordings = open_recordings(opened, stream, systems, data, finder)
            parts.append(_Stressed(LogitStore(opened, recordings, cache_dir), wanted))
    if not parts:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise HeadError(
            f"{path}: none of its systems can be stressed like this"
            f" ({reasons or 'the conditions are of streams that it does not read'})"
        )
    return _written(opened, parts, left_out)


@dataclass(frozen=True)
class _Stressed:
    """A stream whose recordings are changed."""

    store: LogitStore
    conditions: Sequence[Condition]

    @property
    def stream(self) -> Changeable:
        return self.store.recordings.stream

    @property
    def changed(self) -> set[System]:
        """Systems that read the stream, and whose scores change therefore."""
        return {system.part.system for system in self.store.recordings.systems}


def _stressable(opened: OpenedRun, stream: Changeable, left_out: dict[str, str]) -> list[OpenedSystem]:
    """Give the systems that read a stream; those whose features nothing here encodes are left out, and named."""
    chosen = []
    for system in opened.systems:
        needs = [need for need, _ in system.reads(stream)]
        if imported := [need.encoder for need in needs if is_imported(need.identity)]:
            left_out[f"{system.part.system}, {stream}"] = (
                f"its features '{imported[0]}' were imported from another program, and no encoder here makes them from"
                " a changed recording"
            )
        elif needs:
            chosen.append(system)
    return chosen


def _written(opened: OpenedRun, parts: Sequence[_Stressed], left_out: Mapping[str, str]) -> Stress:
    clean = {part.stream: part.store.logits(None) for part in parts}
    check = "; ".join(_checked(opened, stored) for stored in clean.values())
    unread = {name for stored in clean.values() for name in stored.failed}
    if lost := _lost(opened, opened.performances - unread):
        raise UsageError(
            f"{opened.path}: no recording of the class {' or '.join(lost)} could be read, and UAR of the others is one"
            " of another task; --data says where they lie"
        )
    scores: list[StressScore] = []
    conditions: list[StressedClips] = []
    for part in parts:
        for condition in part.conditions:
            stored = part.store.logits(condition)
            failed = {**clean[part.stream].failed, **stored.failed}
            kept = opened.performances - failed.keys()
            conditions.append(StressedClips(part.stream, condition.recipe, condition.strength, len(kept), failed))
            if not _lost(opened, kept):
                before, changed = (probs_of(opened, each.predictions, kept) for each in (clean[part.stream], stored))
                scores += scores_of(changed, before, condition, _reported(opened, part))
    whole = probs_of(opened, None, opened.performances - unread)
    stress = Stress(
        files=audited_digests(opened.path),
        sample=opened.sample + (f"; {len(unread)} of them could not be read" if unread else ""),
        check=check,
        clean=tuple(scores_of(whole, whole, None, whole.keys())),
        scores=tuple(scores),
        conditions=tuple(conditions),
        crossings=tuple(crossings(scores)),
        left_out=dict(left_out),
    )
    text = json.dumps(asdict(stress), indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(opened.path / STRESS_FILE, f"{text}\n".encode())
    return stress


def _lost(opened: OpenedRun, kept: Collection[str]) -> list[str]:
    return sorted(set(opened.labels.values()) - {opened.labels[name] for name in kept})


def _reported(opened: OpenedRun, part: _Stressed) -> set[System]:
    """Give the systems whose scores under a condition are known: changed, or of recordings that stay as they are."""
    known = part.changed | {system.part.system for system in opened.systems if not system.reads(part.stream)}
    fusion = opened.run.fusion
    if fusion is not None and known.issuperset(fusion.systems) and part.changed.intersection(fusion.systems):
        known |= {system for system in opened.run.calibrations if system.stream in FUSED_STREAMS}
    return known


def _checked(opened: OpenedRun, clean: Stored) -> str:
    """Say how far unchanged recordings are from the run's predictions; refuse where it is more than rounding.

    Raises
    ------
    PredictionsError
    """
    apart = distance_to_run(opened, clean.predictions)
    system, (distance, clip) = max(apart.items(), key=lambda item: item[1][0])
    if distance > TOLERANCE:
        raise PredictionsError(
            f"{opened.path}: recordings that are not changed do not get the run's own predictions: {system} differs by"
            f" {distance:.2g} of the largest logit, most for '{clip}' (rounding: up to {TOLERANCE:g}). The recordings,"
            " the encoder or the heads are others than those of the run; give the recordings that it was made from"
            " with --data, or make the run again"
        )
    rows = len(clean.predictions)
    return f"unchanged recordings get the run's own predictions: {rows} rows, largest difference {distance:.1e}"
