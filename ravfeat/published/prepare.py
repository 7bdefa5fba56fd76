"""Prepare a predictor: choose systems, windows and heads, and load the encoders that they need."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict, Unpack

from ravfeat.errors import UsageError
from ravfeat.faces.source import FaceSource
from ravfeat.media.augment import CLEAN, View
from ravfeat.predict.read import EncoderGroup
from ravfeat.predict.windows import Windowing
from ravfeat.predictions import System
from ravfeat.published.format import open_folder
from ravfeat.published.head_models import HeadModels, ModelGroup, load_head_models
from ravfeat.published.parts import Need, Source
from ravfeat.published.predictor import Predictor
from ravfeat.published.scorer import Scorer

__all__ = ["PredictorOptions", "choose_systems", "prepare_predictor", "sources_to_load"]


class PredictorOptions(TypedDict, total=False):
    """Options of a predictor.

    Attributes
    ----------
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto`` (the default), for the encoders.
    models : mapping of str to (str or Path)
        By the name of an encoder: a folder, an ONNX net, or an id on the hub with its revision, instead of what the
        head recorded.
    detector_models : sequence of (str or Path)
        MediaPipe models, or folders of them.
    window_s, hop_s : float
        Length of windows, by default the median of the training clips; from start to start, by default half of that.
    whole : bool
        Take every recording as one window.
    systems : sequence of (System or str)
        Which answers are given, see `choose_systems`; default all.
    offline : bool
        Open no connection.
    max_s : float
        Longer recordings are refused as soon as that much is decoded, whatever their headers say; default no limit.
    """

    device: str
    models: Mapping[str, str | Path]
    detector_models: Sequence[str | Path]
    window_s: float | None
    hop_s: float | None
    whole: bool
    systems: System | str | Sequence[System | str] | None
    offline: bool
    max_s: float


def prepare_predictor(head: Scorer, sources: Sequence[Source], **options: Unpack[PredictorOptions]) -> Predictor:
    """Load the encoders of a head; see `ravfeat.published.PublishedHead.predictor`.

    Parameters
    ----------
    head : Scorer
    sources : sequence of (int or "refit")
        Whose heads answer.
    **options
        See `PredictorOptions`.
    """
    if unknown := options.keys() - PredictorOptions.__annotations__.keys():
        raise UsageError(
            f"a predictor has no option '{min(unknown)}'; choose from {', '.join(PredictorOptions.__annotations__)}"
        )
    window_s, hop_s, whole = options.get("window_s"), options.get("hop_s"), options.get("whole", False)
    if whole and (window_s is not None or hop_s is not None):
        raise UsageError("a recording is taken whole or in windows: leave out whole, or window and hop")
    length_s = head.window_s if window_s is None else window_s
    windowing = Windowing(None if whole else length_s, hop_s)
    systems = choose_systems(head, options.get("systems"))
    loaded = load_head_models(
        head,
        device=options.get("device", "auto"),
        models={name: str(place) for name, place in options.get("models", {}).items()},
        detector_models=[Path(place) for place in options.get("detector_models", ())],
        offline=options.get("offline", False),
        systems=systems,
    )
    max_s = options.get("max_s", math.inf)
    groups, needs = _numbered(head, loaded, max_s)
    return Predictor(head, groups, needs, windowing=windowing, sources=sources, systems=systems, max_s=max_s)


def _numbered(head: Scorer, loaded: HeadModels, max_s: float) -> tuple[list[EncoderGroup], list[Need]]:
    """Give encoders numbers, as an extraction does, and the need that each number stands for."""
    by_fingerprint = {need.fingerprint: need for part in head.parts for need in part.reads}
    names = [name for group in loaded.groups for name in group.encoders]
    views = {name: View.parse(str(by_fingerprint[name].identity.get("view", CLEAN))) for name in names}
    groups = [
        EncoderGroup(
            _limited(group, max_s),
            {names.index(name): encoder for name, encoder in group.encoders.items()},
            {names.index(name): view for name in group.encoders if (view := views[name]) is not None},
        )
        for group in loaded.groups
    ]
    return groups, [by_fingerprint[name] for name in names]


def _limited(group: ModelGroup, max_s: float) -> Any:
    return replace(group.source, limit_s=max_s) if isinstance(group.source, FaceSource) else group.source


def choose_systems(head: Scorer, wanted: System | str | Sequence[System | str] | None) -> tuple[System, ...]:
    """Find systems of a head.

    Parameters
    ----------
    head : Scorer
    wanted : sequence of (System or str), optional
        Systems; streams, such as ``audio``, ``face`` or ``fused``; or ``stream/features/head``. Default all.

    Returns
    -------
    tuple of System
        In the order of the head.

    Raises
    ------
    UsageError
        For what is none of its systems.
    """
    if wanted is not None and not wanted:
        raise UsageError(f"no system is asked for; choose from {'; '.join(map(str, head.systems))}")
    chosen: set[System] = set()
    if isinstance(wanted, str | System):
        wanted = [wanted]
    for name in head.systems if wanted is None else wanted:
        named = [system for system in head.systems if name in (system, system.stream, "/".join(system), str(system))]
        if not named:
            raise UsageError(f"the head has no system '{name}'; choose from {'; '.join(map(str, head.systems))}")
        chosen.update(named)
    return tuple(system for system in head.systems if system in chosen)


def sources_to_load(path: Path, fold: int | str | None) -> list[Source] | None:
    """Say which heads of a folder are needed to predict with a fold; None needs all.

    Raises
    ------
    HeadError
        Where there is no published head.
    """
    if isinstance(fold, int):
        return [fold]
    refitted = "refit" in open_folder(path).document
    return ["refit"] if refitted and fold in (None, "refit") else None
