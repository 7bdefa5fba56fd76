"""``ravfeat extract``."""

import sys
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from ravfeat.cli.engine_options import chosen_engine, engine_options, place, run_engine
from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.show_corpus import show_classes, show_unread
from ravfeat.cli.show_extraction import show_result
from ravfeat.cli.show_plan import show_plan
from ravfeat.cli.table_options import as_written_option, columns_option, parse_columns
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ravfeat.encoders.base import Encoder
    from ravfeat.extract import Extraction
    from ravfeat.manifest import Manifest
    from ravfeat.schema import Stream

__all__ = ["command"]

_LESS = "make room, choose another --out, or store less: --layers, --store pooled, --frame-stride"


@click.command("extract")
@click.option("--corpus", default="ravdess", show_default=True, help="ravdess, folder or synth.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of clips; for --corpus folder a CSV or Parquet table of path, label, actor (or speaker)."
    " [default: data/<corpus>]",
)
@click.option("--name", help="Name of the corpus, for --corpus folder. [default: the table's name]")
@columns_option()
@as_written_option
@click.option("--encoder", "encoders", multiple=True, default=["wavlm-large"], show_default=True,
              help="A name (wavlm-large, whisper-small, logmel, facial-emotions, landmarks …), a hub id, a folder, or"
              " an ONNX net; repeat for more. Each implies its stream.")  # fmt: skip
@click.option("--device", default="auto", show_default=True,
              help="cpu, cuda (the first GPU), cuda:N, auto, or several GPUs for encoders of speech:"
              " cuda:0,cuda:1.")  # fmt: skip
@click.option("--out", type=place, default=Path("cache"), show_default=True,
              help="Folder that gets the caches, or an address such as s3://BUCKET/FOLDER.")  # fmt: skip
@click.option("--layers", help="Layers to store, such as 6-12 or 0,9,24. [default: all]")
@click.option("--store", type=click.Choice(["frames", "pooled"]), default="frames", show_default=True,
              help="Every frame, or mean and standard deviation per clip (for faces, mean absolute delta"
              " too).")  # fmt: skip
@click.option("--frame-stride", type=click.IntRange(1), default=1, show_default=True, help="Average this many frames.")
@click.option("--dtype", type=click.Choice(["float16", "float32"]), default="float16", show_default=True,
              help="How features are stored; they are always computed in float32.")  # fmt: skip
@click.option("--fps", type=click.FloatRange(0, min_open=True),
              help="Pictures per second, at most. [default: every picture]")  # fmt: skip
@click.option("--detector-model", "models", type=click.Path(path_type=Path), multiple=True,
              help="MediaPipe face model (.tflite, .task), or a folder of them. [default: fetched]")  # fmt: skip
@click.option("--crop-margin", type=click.FloatRange(0.1, 10),
              help="Side of the crop over that of the box. [default: the encoder says, mostly 1]")  # fmt: skip
@click.option("--cropped", is_flag=True, help="The pictures are cropped faces already: detect none.")
@click.option("--view", "views", multiple=True,
              help="Encode a changed waveform: gain, noise, mask, crop, published, or speed:FACTOR (0.5 to 2); clean is"
              " the clip as it is. Repeat for more: every file is read once, and each view gets a cache of its own."
              " [default: clean]")  # fmt: skip
@click.option("--view-seed", type=click.IntRange(0), help="Seed of what views draw at random. [default: 0]")
@click.option("--shard-index", type=click.IntRange(0), default=0, show_default=True, help="Of --num-shards, from 0.")
@click.option("--num-shards", type=click.IntRange(1), default=1, show_default=True,
              help="Split the work over this many processes, on any machines that share --out.")  # fmt: skip
@click.option("--batch-clips", type=click.IntRange(1), help="Clips encoded together at most. [default: 8; 32 on cuda]")
@click.option("--batch-seconds", type=click.FloatRange(0, min_open=True),
              help="Seconds encoded together at most, padding included. [default: 32; 96 on cuda]")  # fmt: skip
@click.option("--batch-pictures", type=click.IntRange(1), default=64, show_default=True,
              help="Pictures encoded together.")  # fmt: skip
@click.option("--tf32", is_flag=True,
              help="Let a GPU round products to TF32: faster, about 1e-3 off; recorded in every shard.")  # fmt: skip
@engine_options
@click.option("--dry-run", is_flag=True,
              help="Print clips, bytes, free disk, memory of a batch and an estimate of the time, from a few clips;"
              " write nothing.")  # fmt: skip
def command(
    corpus: str,
    data: Path | None,
    name: str | None,
    columns: tuple[str, ...],
    as_written: tuple[str, ...],
    encoders: tuple[str, ...],
    device: str,
    out: Path | str,
    layers: str | None,
    store: str,
    frame_stride: int,
    dtype: str,
    fps: float | None,
    models: tuple[Path, ...],
    crop_margin: float | None,
    views: tuple[str, ...],
    view_seed: int | None,
    shard_index: int,
    num_shards: int,
    batch_clips: int | None,
    batch_seconds: float | None,
    batch_pictures: int,
    *,
    cropped: bool,
    tf32: bool,
    dry_run: bool,
    **engine_choice: Any,
) -> None:
    """Run frozen encoders once over a corpus and store all hidden layers, frame by frame, in a cache.

    Run the same command again to go on after an interruption: finished shards are kept, failed clips
    are tried again. Exit code 3 means finished, but some clips could not be stored.

    \b
    ravfeat extract --corpus synth --encoder logmel
    ravfeat extract --device cuda --dry-run
    ravfeat extract --device cuda
    ravfeat extract --device cuda:0,cuda:1
    ravfeat extract --encoder wavlm-large --encoder facial-emotions --encoder landmarks --device cuda
    ravfeat extract --encoder nets/expression.onnx --fps 10
    ravfeat extract --corpus folder --data crema-d/clips.csv --encoder hubert-base
    ravfeat extract --corpus folder --data clips.csv --columns actor=person,label=mood
    ravfeat extract --encoder ~/models/my-wavlm --layers 6-12 --out /scratch/cache
    ravfeat extract --encoder wavlm-large --view published --view-seed 1
    ravfeat extract --encoder whisper-tiny.en --view clean --view speed:0.9 --view speed:1.1
    ravfeat extract --num-shards 8 --shard-index $SLURM_ARRAY_TASK_ID
    ravfeat extract --device cuda --engine local
    ravfeat extract --device cuda --engine ray --address auto --workers 16
    ravfeat extract --device cuda --engine slurm --workers 8 --slurm partition=gpu --slurm time=04:00:00
    """  # noqa: D301
    from ravfeat.cache.format import StoreRecipe
    from ravfeat.corpora import data_root, load_corpus
    from ravfeat.corpora.last_table import record_absent
    from ravfeat.encoders.registry import load_encoder, stream_of
    from ravfeat.extract import extract_together
    from ravfeat.extract.named_work import NamedWork
    from ravfeat.extract.open_caches import check_space
    from ravfeat.extract.plan import plan_extraction
    from ravfeat.extract.streams import stream_requests
    from ravfeat.faces.source import FaceOptions

    if store == "pooled" and frame_stride > 1:
        raise click.UsageError("--frame-stride goes with --store frames: pooled statistics are over all frames")
    if dry_run and not isinstance(out, Path):
        raise click.UsageError(f"--dry-run goes with a folder, not with --out {out}")
    by_stream: dict[Stream, list[str]] = {}
    for encoder_name in encoders:
        by_stream.setdefault(stream_of(encoder_name), []).append(encoder_name)
    faces = FaceOptions(fps=fps, models=models, cropped=cropped, margin=crop_margin)
    if "face" not in by_stream and faces != FaceOptions():
        raise click.UsageError("--fps, --detector-model, --crop-margin and --cropped go with an encoder of faces")
    view_names = _view_names(views, view_seed, by_stream)
    recipe = StoreRecipe(store=store, frame_stride=frame_stride, dtype=dtype)  # type: ignore[arg-type]  # click.Choice
    engine = chosen_engine(engine_choice, dry_run=dry_run, divided=num_shards > 1)
    work: list[list[Extraction]] = []
    named: list[NamedWork] = []
    for stream, names in by_stream.items():
        # The corpus first: whoever forgot it should not wait for an encoder of a gigabyte.
        manifest = load_corpus(
            corpus, data, stream=stream, name=name, columns=parse_columns(columns), as_written=as_written
        )
        _show_manifest(manifest)
        if engine is not None:
            named.append(NamedWork(
                data_root(corpus, data), tuple(names), manifest, device=device, faces=faces, tf32=tf32, recipe=recipe,
                layers=layers, views=view_names, batch_clips=batch_clips, batch_s=batch_seconds,
                batch_frames=batch_pictures,
            ))  # fmt: skip
            continue
        loaded = [load_encoder(encoder_name, device, faces=faces, tf32=tf32) for encoder_name in names]
        _check_tf32(loaded, asked=tf32)
        requests = stream_requests(
            manifest, data_root(corpus, data), loaded, faces=faces, recipe=recipe, layers=layers, views=view_names,
            shard_index=shard_index, num_shards=num_shards, batch_clips=batch_clips, batch_s=batch_seconds,
            batch_frames=batch_pictures,
        )  # fmt: skip
        work.append(requests)
    if engine is not None:
        run_engine(engine, named, out)
        return
    if isinstance(out, Path):
        if dry_run:
            show_plan(plan_extraction(work, out))
        # The disk for all streams, before hours of the first.
        check_space([request for requests in work for request in requests], out, advice=_LESS)
        if dry_run:
            return
    failed = False
    for requests in work:
        started = perf_counter()
        results = extract_together(requests, out)
        seconds = perf_counter() - started
        for result, request in zip(results, requests, strict=True):
            if not result.address:
                record_absent(result.path, request.manifest.by_id())
            failed |= show_result(result, seconds, name=request.encoder.spec.name)
    if failed:
        echo("repair what the reasons name and run the same command again: only these are tried", err=True)
        sys.exit(NOT_WHOLE)


def _check_tf32(encoders: "Sequence[Encoder[Any]]", *, asked: bool) -> None:
    if asked and not any(encoder.provenance().get("tf32") and _on_gpu(encoder) for encoder in encoders):
        where = ", ".join(f"'{encoder.spec.name}' on {encoder.provenance()['device']}" for encoder in encoders)
        raise click.UsageError(f"--tf32 goes with --device cuda and an encoder that torch computes, not with {where}")


def _on_gpu(encoder: "Encoder[Any]") -> bool:
    return str(encoder.provenance()["device"]).startswith("cuda")


def _view_names(
    views: "Sequence[str]", seed: int | None, by_stream: "Mapping[Stream, Sequence[str]]"
) -> tuple[str, ...]:
    """Give the names of the views that are to be encoded; without --view that of the clean clip."""
    from ravfeat.media.augment import CLEAN, SPEED, View

    drawn = [view for view in views if view != CLEAN and view.partition(":")[0] != SPEED]
    if seed is not None and not drawn:
        raise click.UsageError("--view-seed goes with a --view that draws: gain, noise, mask, crop or published")
    if changed := [view for view in views if view != CLEAN and "face" in by_stream]:
        raise click.UsageError(
            f"--view {changed[0]} is a view of sound and {', '.join(by_stream['face'])} looks at faces: give it a"
            " command of its own, without --view"
        )
    names = (CLEAN if view == CLEAN else View.written(view, (seed or 0) * (view in drawn)).name for view in views)
    return tuple(names) or (CLEAN,)


def _show_manifest(manifest: "Manifest") -> None:
    skipped = ", ".join(f"{count} {kind}" for kind, count in manifest.skipped.items())
    echo(
        f"{manifest.corpus}{' (synthetic)' if manifest.synthetic else ''}: {len(manifest)} clips of"
        f" {len(manifest.actors)} actors{f'; not taken: {skipped}' if skipped else ''}"
    )
    show_classes(Counter(clip.label for clip in manifest), manifest.classes)
    show_unread(manifest)
