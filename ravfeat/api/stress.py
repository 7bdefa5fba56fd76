"""``ravfeat.stress``: a finished run's heads on changed test recordings; as the command."""

from collections.abc import Mapping

from typing_extensions import TypedDict

from ravfeat.api.arguments import AnyPath, Many, as_names, as_pairs, as_path, as_paths, checked
from ravfeat.documents import Count
from ravfeat.encoders.device import resolve_device
from ravfeat.errors import UsageError
from ravfeat.media.conditions import Condition
from ravfeat.progress import Progress, shown_progress
from ravfeat.stress import Stress, stress_run

__all__ = ["stress"]


class _Options(TypedDict):
    clips: Count | None
    device: str


def stress(
    run: AnyPath,
    *,
    data: Many[AnyPath] = (),
    caches: Many[AnyPath] = (),
    conditions: Many[str] = (),
    clips: int | None = None,
    cache_dir: AnyPath | None = None,
    models: Mapping[str, str] | None = None,
    detector_models: Many[AnyPath] = (),
    device: str = "cpu",
    progress: Progress = None,
) -> Stress:
    """Score a run's heads on changed test recordings, and write what came of it into its folder.

    What ``ravfeat stress`` does, with its options as keywords; ``ravfeat stress --help`` says what each is. Call it
    again with the same values to go on after an interruption.

    Parameters
    ----------
    run : path
        Folder of a run, or what `ravfeat.open_run` gave.
    data, caches, detector_models : path, or several
    conditions : str, or several
        ``"snr:10"``, or ``"snr"`` for all its strengths; see `ravfeat.media.conditions`.
    clips : int, optional
        Size of the sample of test clips; all by default.
    models : mapping of str to str, optional
        ``{"whisper-tiny-en-encoder": "models/whisper"}``.
    progress : bool or callable, optional
        See `ravfeat.progress.shown_progress`.

    Returns
    -------
    Stress
        ``scores`` of every system, condition and strength, ``crossings`` in words.

    Raises
    ------
    RavfeatError
        What the command ends with.

    Examples
    --------
    >>> done = ravfeat.stress("runs/a", data="data/ravdess", conditions="snr")  # doctest: +SKIP
    >>> [(score.strength, score.uar.value) for score in done.scores]  # doctest: +SKIP
    """
    options = checked("stress", _Options, clips=clips, device=device)
    folder = as_path("run", run)
    if folder is None:
        raise UsageError("stress(None): expected the folder of a run")
    wanted = [each for text in as_names("conditions", conditions) for each in Condition.written(text)]
    with shown_progress(progress):
        return stress_run(
            folder, data=as_paths("data", data), caches=as_paths("caches", caches), conditions=wanted,
            clips=options["clips"], cache_dir=as_path("cache_dir", cache_dir), models=as_pairs("models", models),
            detector_models=as_paths("detector_models", detector_models), device=resolve_device(options["device"]),
        )  # fmt: skip
