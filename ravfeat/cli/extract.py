"""``ravfeat extract``."""

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from ravfeat.cli.errors import NOT_WHOLE

if TYPE_CHECKING:
    from ravfeat.manifest import Manifest

__all__ = ["command"]


@click.command("extract")
@click.option("--corpus", default="ravdess", show_default=True, help="ravdess, folder or synth.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of clips; for --corpus folder a CSV or Parquet table. [default: data/<corpus>]",
)
@click.option("--name", help="What to call a --corpus folder. [default: the table's name]")
@click.option(
    "--encoder",
    default="wavlm-large",
    show_default=True,
    help="A name (wavlm-large, hubert-base, whisper-small, logmel …), a hub id, or a folder.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("cache"), show_default=True, help="The cache's home."
)
@click.option("--layers", help="Layers to store, such as 6-12 or 0,9,24. [default: all]")
@click.option("--store", type=click.Choice(["frames", "pooled"]), default="frames", show_default=True,
              help="Every frame, or mean and standard deviation per clip.")  # fmt: skip
@click.option("--frame-stride", type=click.IntRange(1), default=1, show_default=True, help="Average this many frames.")
@click.option("--dtype", type=click.Choice(["float16", "float32"]), default="float16", show_default=True,
              help="How features are stored; they are always computed in float32.")  # fmt: skip
@click.option("--shard-index", type=click.IntRange(0), default=0, show_default=True, help="Of --num-shards, from 0.")
@click.option("--num-shards", type=click.IntRange(1), default=1, show_default=True,
              help="Split the work over this many processes, on any machines that share --out.")  # fmt: skip
@click.option("--batch-clips", type=click.IntRange(1), default=8, show_default=True, help="Clips encoded together.")
def command(
    corpus: str,
    data: Path | None,
    name: str | None,
    encoder: str,
    device: str,
    out: Path,
    layers: str | None,
    store: str,
    frame_stride: int,
    dtype: str,
    shard_index: int,
    num_shards: int,
    batch_clips: int,
) -> None:
    """Run a frozen encoder once over a corpus and keep all its layers, frame by frame.

    Run the same command again to go on after an interruption: finished shards are kept, failed clips
    are tried again. Exit code 3 means finished, but some clips could not be stored.

    \b
    ravfeat extract --device cuda
    ravfeat extract --corpus folder --data crema-d/clips.csv --encoder hubert-base
    ravfeat extract --encoder ~/models/my-wavlm --layers 6-12 --out /scratch/cache
    ravfeat extract --num-shards 8 --shard-index $SLURM_ARRAY_TASK_ID
    """  # noqa: D301
    from ravfeat.cache.format import StoreRecipe
    from ravfeat.corpora import data_root, load_corpus
    from ravfeat.encoders.registry import load_encoder
    from ravfeat.extract import Extraction, run_extraction
    from ravfeat.layers import parse_layers

    if store == "pooled" and frame_stride > 1:
        raise click.UsageError("--frame-stride goes with --store frames: pooled statistics are over all frames")
    # The corpus first: whoever forgot it should not wait for an encoder of a gigabyte.
    manifest = load_corpus(corpus, data, stream="audio", name=name)
    _say(manifest)
    loaded = load_encoder(encoder, device)
    recipe = StoreRecipe(
        layers=parse_layers(layers, range(loaded.spec.n_layers)),
        store=store,  # type: ignore[arg-type]  # click.Choice keeps it to the two
        frame_stride=frame_stride,
        dtype=dtype,  # type: ignore[arg-type]  # the same
    )
    work = Extraction(
        manifest, data_root(corpus, data), loaded, recipe, shard_index=shard_index, num_shards=num_shards,
        batch_clips=batch_clips,
    )  # fmt: skip
    started = perf_counter()
    result = run_extraction(work, out)
    click.echo(
        f"{result.path}: {result.written} shards written ({result.encoded} clips), {result.kept} were there,"
        f" in {perf_counter() - started:.1f} s"
    )
    if result.absent:
        click.echo(f"{result.absent} clips of this cache are not among the data given now; they stay in it")
    if result.failed:
        click.echo(f"{len(result.failed)} clips could not be stored:", err=True)
        for clip_id, reason in result.failed.items():
            click.echo(f"  {clip_id}: {reason}", err=True)
        click.echo("mend what the reasons name and run the same command again: only these are tried", err=True)
        sys.exit(NOT_WHOLE)


def _say(manifest: "Manifest") -> None:
    skipped = ", ".join(f"{count} {what}" for what, count in manifest.skipped.items())
    click.echo(
        f"{manifest.corpus}{' (synthetic)' if manifest.synthetic else ''}: {len(manifest)} clips of"
        f" {len(manifest.actors)} actors{f'; not taken: {skipped}' if skipped else ''}"
    )
