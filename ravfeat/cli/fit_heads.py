"""``ravfeat fit-heads``."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from ravfeat.cli import command_line
from ravfeat.cli.cross_corpus import across_options, check_across, cross_plan, show_across
from ravfeat.cli.errors import memory_remedy
from ravfeat.cli.renamed import RenamedOption
from ravfeat.cli.show_corpus import show_absent
from ravfeat.cli.show_scores import show_run
from ravfeat.cli.table_options import as_written_option
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.runs.result import Fitted

__all__ = ["command", "resolve_inputs"]


@click.command("fit-heads")
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache, or a folder that holds one; repeat for more. [default: all under cache/]")  # fmt: skip
@click.option("--concat", "concat", cls=RenamedOption, formerly="--join", multiple=True, metavar="A,B",
              help="Caches of one stream whose pooled features are concatenated for one head (logreg, kernel,"
              " block-kernel); repeat for more. Without --cache, only these are trained.")  # fmt: skip
@click.option("--train-views", "views", type=click.Path(path_type=Path), multiple=True, metavar="CACHE",
              help="A cache of augmented views (extract --view) of a --cache's clips: they train beside these and "
              "are tested on only as part of a mean; repeat for more.")  # fmt: skip
@click.option("--average-views", type=click.Choice(["scores", "statistics"]), is_flag=False, flag_value="scores",
              help="Take every clip, of validation and test too, as the mean over itself and its own views: of the "
              "scores of heads that trained on all of them (the value if none is given), or of the pooled statistics "
              "(logreg and the kernels). Never of another clip.")  # fmt: skip
@click.option("--protocol", default="ravdess6", show_default=True,
              help="ravdess6, emobox6, luna5, hicmae6, loso24, groupK for any corpus, or clip6 (LEAKY).")  # fmt: skip
@click.option("--head", "heads", multiple=True, default=["block-kernel"], show_default=True,
              help="attentive, attentive-sum, logreg, kernel or block-kernel, audio:NAME and face:NAME for caches of"
              " one stream; joint-kernel (over one voice and all caches of its face) or joint (one network over one"
              " cache of each stream, a control); repeat for more.")  # fmt: skip
@click.option("--fusion", cls=RenamedOption, formerly="--rule",
              type=click.Choice(["auto", "linear", "loglinear", "none"]), default="auto", show_default=True,
              help="How systems (caches x heads) are fused; auto takes what is best on validation rows.")  # fmt: skip
@click.option("--select", type=click.Choice(["val", "nested"]), default="val", show_default=True,
              help="Choose layers and settings on the validation actors, or on inner folds over all non-test"
              " actors.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Train with this many seeds.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the run goes. [default: runs/<date>-<heads>]")
@click.option("--layers", help="Layers that heads may use: last, 3, 6-12 or 1,5,9. [default: all]")
@click.option("--pool", type=click.Choice(["whole", "active", "whole+active"]),
              help="Frames that logreg and the kernels pool of a voice: all, those of its speech, or each apart."
              " [default: whole]")  # fmt: skip
@click.option("--no-std", is_flag=True, help="Pool the mean only, without the standard deviation.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs of networks (attentive, attentive-sum, joint).")
@click.option("--frame-average", type=click.IntRange(1, 10_000), metavar="K",
              help="Frames that networks average to one before anything else. [default: 16]")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]),
              help="Precision of large matrix products in the training of networks. [default: float32]")  # fmt: skip
@click.option("--memory", metavar="SIZE",
              help="Train in at most this much memory, such as 4GB; what does not fit is streamed from the disk, to "
              "the same numbers. [default: half of what is free]")  # fmt: skip
@click.option(
    "--labels", type=click.Path(path_type=Path), help="Table of clip_id and label that replaces the corpus's labels."
)
@click.option("--clips", type=click.Path(path_type=Path), metavar="TABLE",
              help="Table with a column clip_id: only these clips are used, and only their shards read. [default:"
              " all]")  # fmt: skip
@as_written_option
@click.option("--allow-leak", is_flag=True, help="Run a LEAKY protocol as a control.")
@click.option("--allow-missing", is_flag=True, help="Go on without clips that are not in the cache.")
@click.option("--force", is_flag=True, help="Replace a run that is already at --out.")
@across_options
def command(
    caches: tuple[Path, ...],
    concat: tuple[str, ...],
    views: tuple[Path, ...],
    average_views: str | None,
    pool: str | None,
    protocol: str,
    heads: tuple[str, ...],
    fusion: str,
    select: str,
    seeds: int,
    device: str,
    out: Path | None,
    layers: str | None,
    labels: Path | None,
    clips: Path | None,
    epochs: int | None,
    frame_average: int | None,
    precision: str | None,
    memory: str | None,
    as_written: tuple[str, ...],
    train_caches: tuple[Path, ...],
    test_caches: tuple[Path, ...],
    label_map: Path | None,
    normalise: str,
    *,
    no_std: bool,
    allow_leak: bool,
    allow_missing: bool,
    force: bool,
) -> None:
    """Train small heads on cached features, predict every test clip, and score actors they never met.

    Folds that train on an actor (speaker), performance or recording that they test are refused, by the
    records in the cache itself. Every system (a cache and a head) gets a temperature, and two or more are
    fused; both are learned from validation rows only.

    \b
    ravfeat fit-heads
    ravfeat fit-heads --cache cache --head attentive --head logreg --select nested --seeds 3 --out runs/a
    ravfeat fit-heads --cache cache/voice --cache cache/face --head audio:attentive --head face:kernel
    ravfeat fit-heads --protocol group5 --cache cache/crema-d
    ravfeat fit-heads --protocol clip6 --allow-leak --out runs/a-leaky
    ravfeat fit-heads --cache cache/wavlm-large --frame-average 1 --memory 4GB --precision bfloat16
    ravfeat fit-heads --protocol group5 --cache cache/large --clips some.csv --head logreg
    ravfeat fit-heads --cache cache/clean --train-views cache/augmented
    ravfeat fit-heads --cache cache/clean --train-views cache/slow --average-views --head kernel --pool whole+active
    ravfeat fit-heads --head logreg --concat cache/landmarks,cache/expression --out runs/face
    ravfeat fit-heads --cache cache/voice --concat cache/geometry,cache/fer --head block-kernel --head joint-kernel
    ravfeat fit-heads --train-cache cache/crema-d --test-cache cache/ravdess --label-map labels.csv --select nested
    """  # noqa: D301
    from ravfeat.cache import resolve_cache
    from ravfeat.crosscorpus import fit_across
    from ravfeat.encoders.device import resolve_device
    from ravfeat.experiment.fit import FitPlan, fit_heads
    from ravfeat.resources import limited_memory, parse_size
    from ravfeat.runs.folder import check_out

    across = check_across(train_caches, test_caches)
    view_paths = tuple(resolve_cache(path) for path in views)
    cache_paths, concatenated = ((), ()) if across else resolve_inputs(caches, concat, view_paths)
    target = out or Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{'-'.join(heads)}"
    check_out(target, force=force)  # before anything is trained: no hour may end at a folder that is taken
    parts = None if pool is None else tuple(pool.split("+"))
    settings: dict[str, Any] = {
        "epochs": epochs, "frame_average": frame_average, "precision": precision, "parts": parts,
    }  # fmt: skip
    settings = {name: value for name, value in settings.items() if value is not None}
    budget = None if memory is None else parse_size(memory)
    options: dict[str, Any] = {
        "heads": heads,
        "select": select,
        "seeds": seeds,
        "device": resolve_device(device),
        "layers": layers,
        "std": not no_std,
        "settings": settings,
        "allow_missing": allow_missing,
        "as_written": as_written,
        "rule": None if fusion == "none" else fusion,
    }
    recipe = {"command": command_line(), "heads": list(heads), "settings": settings}
    with limited_memory(budget):
        if across:
            crossed = cross_plan(train_caches, test_caches, label_map, normalise, options)
            _train(lambda: fit_across(crossed), target, recipe, force=force)
        else:
            data: dict[str, Any] = {
                "caches": cache_paths,
                "joins": concatenated,
                "train_views": view_paths,
                "average_views": average_views or "none",
                "labels": labels,
                "clips": clips,
            }
            plan = FitPlan(**data, protocol=protocol, allow_leak=allow_leak, **options)
            _train(lambda: fit_heads(plan), target, recipe, force=force)


def _train(fit: Callable[[], "Fitted"], target: Path, recipe: dict[str, Any], *, force: bool) -> None:
    """Train, write the run and print its scores."""
    from ravfeat.runs.write import write_run

    started = perf_counter()
    remedy = (
        "read fewer --layers, average more frames (--frame-average), allow less --memory, so that more stays on the"
        " disk, or train caches one by one"
    )
    with memory_remedy(remedy):
        fitted = fit()
    trained_s = perf_counter() - started
    records = write_run(target, fitted, recipe, force=force)
    show_across(fitted.about)
    show_run(target, records, fitted)
    echo(
        f"{target}: predictions, scores, metrics and {len(fitted.models)} heads, in {perf_counter() - started:.1f} s"
        f" ({trained_s:.1f} s training); 'ravfeat report {target}' makes the report"
    )


def resolve_inputs(
    caches: Sequence[Path], concat: Sequence[str], views: Sequence[Path] = ()
) -> tuple[tuple[Path, ...], tuple[tuple[Path, ...], ...]]:
    """Find the caches that --cache and --concat name; without either, all under cache/ but those of views.

    Those passed over are named, but for the `views` that train.

    Raises
    ------
    UsageError
        Where a --concat does not name two or more.
    CacheError
        Where there is no cache at one of them, or more than one.
    """
    from ravfeat.cache import find_caches, resolve_cache
    from ravfeat.errors import CacheError, UsageError
    from ravfeat.experiment.training_views import pass_over_views

    concatenated = []
    for listing in concat:
        parts = [part.strip() for part in listing.split(",")]
        if len(parts) < 2 or not all(parts):
            raise UsageError(
                f"--concat '{listing}': expected two or more caches with commas between them: --concat DIR,DIR"
            )
        concatenated.append(tuple(resolve_cache(Path(part)) for part in parts))
    cache_paths = [resolve_cache(path) for path in caches]
    passed: dict[Path, str] = {}
    if not cache_paths and not concatenated:
        cache_paths, passed = pass_over_views(find_caches(Path("cache")))
        used = {path.resolve() for path in views}
        for path, view in passed.items():
            if path.resolve() not in used:
                echo(f"passed over {path}: the view '{view}' is for 'ravfeat fit-heads --train-views'", err=True)
    if not cache_paths and not concatenated:
        but = " but views" if passed else ""
        raise CacheError(f"no cache under cache/{but}; make one with 'ravfeat extract', or name it with --cache DIR")
    show_absent([*cache_paths, *(path for paths in concatenated for path in paths), *views])
    return tuple(cache_paths), tuple(concatenated)
