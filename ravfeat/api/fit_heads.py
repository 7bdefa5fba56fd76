"""``ravfeat.fit_heads``: train small heads on caches, predict every test clip, score, write a run; as the command."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, get_args

from typing_extensions import TypedDict

from ravfeat.api.arguments import AnyPath, Many, as_layers, as_names, as_path, as_paths, checked, run_folder
from ravfeat.api.inputs import absent_clips, find_inputs
from ravfeat.api.observer import Observer
from ravfeat.api.run import Run
from ravfeat.cache import resolve_cache
from ravfeat.crosscorpus import CrossPlan, fit_across
from ravfeat.documents import Count
from ravfeat.encoders.device import resolve_device
from ravfeat.errors import UsageError
from ravfeat.experiment.fit import FitPlan
from ravfeat.experiment.fit import fit_heads as fit_plan
from ravfeat.experiment.own_heads import bring_heads
from ravfeat.progress import Progress, shown_progress
from ravfeat.resources import limited_memory, memory_remedy, parse_size
from ravfeat.runs.folder import check_out
from ravfeat.runs.result import Fitted
from ravfeat.runs.tries import Tried
from ravfeat.runs.write import write_run
from ravfeat.schema import Normalise, NormaliseActors, Select

__all__ = ["fit_heads"]

Pool = Literal["whole", "active", "whole+active"]
Precision = Literal["float32", "bfloat16"]
Fusion = Literal["auto", "linear", "loglinear", "none"]
Averaged = Literal["scores", "statistics"]

_REMEDY = (
    "read fewer --layers, average more frames (--frame-average), allow less --memory, so that more stays on the"
    " disk, or train caches one by one"
)
_ONE_CORPUS = {
    "caches": "--cache",
    "concat": "--concat",
    "train_views": "--train-views",
    "average_views": "--average-views",
    "protocol": "--protocol",
    "labels": "--labels",
    "clips": "--clips",
    "allow_leak": "--allow-leak",
}
"""Options that speak of one corpus, by their keyword."""

_TWO_CORPORA = {"normalise": "--normalise"}

_ACTORS: tuple[NormaliseActors, ...] = get_args(NormaliseActors)
"""Values of ``normalise`` that speak of one corpus."""


class _Options(TypedDict):
    where: str | None
    average_views: Averaged | None
    protocol: str | None
    fusion: Fusion
    select: Select
    seeds: Count
    device: str
    pool: Pool | None
    no_std: bool
    epochs: Count | None
    frame_average: Count | None
    precision: Precision | None
    memory: str | int | None
    allow_leak: bool
    allow_missing: bool
    force: bool
    no_ledger: bool
    normalise: Normalise | NormaliseActors | None


def fit_heads(
    caches: Many[AnyPath] = (),
    *,
    concat: Many[str | Sequence[AnyPath]] = (),
    train_views: Many[AnyPath] = (),
    average_views: Averaged | None = None,
    protocol: str | None = None,
    heads: Many[str] = "block-kernel",
    fusion: Fusion = "auto",
    select: Select = "val",
    seeds: int = 1,
    device: str = "auto",
    out: AnyPath | None = None,
    layers: str | int | Iterable[int] | None = None,
    pool: Pool | None = None,
    no_std: bool = False,
    epochs: int | None = None,
    frame_average: int | None = None,
    precision: Precision | None = None,
    memory: str | int | None = None,
    labels: AnyPath | None = None,
    clips: AnyPath | None = None,
    where: str | None = None,
    as_written: Many[str] = (),
    allow_leak: bool = False,
    allow_missing: bool = False,
    force: bool = False,
    no_ledger: bool = False,
    train_caches: Many[AnyPath] = (),
    test_caches: Many[AnyPath] = (),
    label_map: AnyPath | None = None,
    normalise: Normalise | NormaliseActors | None = None,
    progress: Progress = None,
    observer: Observer | None = None,
) -> Run:
    """Train small heads on cached features, predict every test clip, and score actors they never met.

    What ``ravfeat fit-heads`` does, with its options as keywords; ``ravfeat fit-heads --help`` says what each is. One
    that the command takes several times takes one value or several: ``heads="logreg"``, ``heads=["logreg", "kernel"]``.

    Parameters
    ----------
    caches : path, or several
        By default all under ``cache/``.
    concat : str, or several
        Caches of one stream for one head: ``"a,b"`` or ``[("a", "b")]``.
    heads : str, or several
        Names, or references to code of your own, which is run: ``"mine.py:SVC"``.
    layers : int, iterable of int or str, optional
        ``6``, ``[6, 7]``, ``"6-12"``, ``"last"``.
    memory : str or int, optional
        ``"4GB"``, or bytes.
    out : path, optional
        Where the run goes; by default a folder of its own under ``runs/``, as the command makes.
    progress : bool or callable, optional
        See `ravfeat.progress.shown_progress`.
    observer : Observer, optional
        Hears what happens, see `ravfeat.api.observer`.

    Returns
    -------
    Run
        The run that was written, as `ravfeat.open_run` gives it.

    Raises
    ------
    RavfeatError
        What the command ends with.

    Examples
    --------
    >>> run = ravfeat.fit_heads("cache", heads="logreg", protocol="group5")  # doctest: +SKIP
    >>> print(run.headline)  # doctest: +SKIP
    """
    observer = observer or Observer()
    options = checked(
        "fit_heads", _Options, where=where, average_views=average_views, protocol=protocol, fusion=fusion,
        select=select, seeds=seeds, device=device, pool=pool, no_std=no_std, epochs=epochs, frame_average=frame_average,
        precision=precision, memory=memory, allow_leak=allow_leak, allow_missing=allow_missing, force=force,
        no_ledger=no_ledger, normalise=normalise,
    )  # fmt: skip
    if not (asked := as_names("heads", heads)):
        raise UsageError("expected at least one --head, got none")
    names, brought = bring_heads(asked)
    data: dict[str, Any] = {
        "caches": caches, "concat": concat, "train_views": train_views, "labels": as_path("labels", labels),
        "clips": as_path("clips", clips), "label_map": as_path("label_map", label_map),
    }  # fmt: skip
    corpora: dict[str, Any] = {
        "train_caches": as_paths("train_caches", train_caches), "test_caches": as_paths("test_caches", test_caches),
    }  # fmt: skip
    shared = _shared(options, names, as_layers(layers), as_names("as_written", as_written)) | {"brought": brought}
    fit = _across(corpora, data, options, shared, observer) or _within(data, options, shared, observer)
    target = run_folder(as_path("out", out), "-".join(names))
    check_out(target, force=force)  # before anything is trained: no hour may end at a folder that is taken
    recipe = {"command": observer.command, "heads": list(asked), "settings": shared["settings"]}
    with limited_memory(_bytes(options["memory"])), shown_progress(progress):
        return _train(fit, target, recipe, observer, force=force, ledger=not no_ledger)


def _shared(
    options: _Options, heads: tuple[str, ...], layers: str | None, as_written: tuple[str, ...]
) -> dict[str, Any]:
    """Give what every plan has, for one corpus or for two."""
    pool = options["pool"]
    settings: dict[str, Any] = {
        "epochs": options["epochs"], "frame_average": options["frame_average"], "precision": options["precision"],
        "parts": None if pool is None else tuple(pool.split("+")),
    }  # fmt: skip
    return {
        "heads": heads,
        "select": options["select"],
        "seeds": options["seeds"],
        "device": resolve_device(options["device"]),
        "layers": layers,
        "std": not options["no_std"],
        "settings": {name: value for name, value in settings.items() if value is not None},
        "allow_missing": options["allow_missing"],
        "where": options["where"] or "",
        "as_written": as_written,
        "rule": None if options["fusion"] == "none" else options["fusion"],
    }


def _within(
    data: Mapping[str, Any], options: _Options, shared: Mapping[str, Any], observer: Observer
) -> Callable[[], Fitted]:
    """Plan heads on one corpus."""
    inputs = find_inputs(data["caches"], data["concat"], data["train_views"], observer)
    plan = FitPlan(
        caches=inputs.caches, joins=inputs.joins, train_views=inputs.train_views,
        average_views=options["average_views"] or "none", labels=data["labels"], clips=data["clips"],
        label_map=data["label_map"], absent=inputs.absent,
        protocol=options["protocol"] or FitPlan.protocol, allow_leak=options["allow_leak"],
        normalise="actor" if options["normalise"] == "actor" else "none", **shared,
    )  # fmt: skip
    return lambda: fit_plan(plan)


def _across(
    corpora: Mapping[str, Any],
    data: Mapping[str, Any],
    options: _Options,
    shared: Mapping[str, Any],
    observer: Observer,
) -> Callable[[], Fitted] | None:
    """Plan heads of one corpus that are tested on another; None where one corpus is named."""
    train, test = corpora["train_caches"], corpora["test_caches"]
    given = {**data, **corpora, **options}
    if not train and not test:
        if names := [option for name, option in _TWO_CORPORA.items() if given[name] not in (None, *_ACTORS)]:
            raise UsageError(f"{names[0]} speaks of two corpora: name them with --train-cache and --test-cache")
        return None
    if names := [option for name, option in _ONE_CORPUS.items() if given[name]]:
        raise UsageError(
            f"{' and '.join(names)} and --train-cache do not go together: a test on another corpus has one fold, the"
            " test corpus whole, its labels from --label-map, and learns from clean clips"
        )
    if len(train) != len(test):
        raise UsageError(
            f"expected a --test-cache for every --train-cache, got {len(train)} of --train-cache and"
            f" {len(test)} of --test-cache"
        )
    pairs = tuple(zip(map(resolve_cache, train), map(resolve_cache, test), strict=True))
    absent = absent_clips((path for pair in pairs for path in pair), observer)
    if (normalise := options["normalise"] or CrossPlan.normalise) == "actor":
        raise UsageError(
            "--normalise actor goes with one corpus; of two, each is standardised by its own clips: --normalise corpus"
        )
    plan = CrossPlan(pairs, label_map=data["label_map"], absent=absent, normalise=normalise, **shared)
    return lambda: fit_across(plan)


def _bytes(memory: str | int | None) -> int | None:
    return None if memory is None else parse_size(str(memory))


def _train(
    fit: Callable[[], Fitted], target: Path, recipe: dict[str, Any], observer: Observer, *, force: bool, ledger: bool
) -> Run:
    """Train, and write the run."""
    started = perf_counter()
    with memory_remedy(_REMEDY):
        fitted = fit()
    trained_s = perf_counter() - started
    records = write_run(target, fitted, recipe, force=force, tried=Tried("fit-heads", keep=ledger))
    observer.trained(target, fitted, records, seconds=perf_counter() - started, trained_s=trained_s)
    return Run(target)
