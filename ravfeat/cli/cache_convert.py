"""``ravfeat cache convert``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.cache import Cache

__all__ = ["command"]


@click.command("convert", short_help="Make a smaller cache, without the encoder.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="Folder that gets the smaller cache, as for extract.")  # fmt: skip
@click.option("--frame-stride", type=click.IntRange(1), help="Average this many frames.")
@click.option("--store", type=click.Choice(["frames", "pooled"]), help="Keep frames, or statistics over all of them.")
@click.option("--layers", help="Layers to keep: last, 3, 6-12 or 1,5,9.")
@click.option("--dtype", type=click.Choice(["float16", "float32"]), help="How features are stored.")
def command(
    source: Path, out: Path, frame_stride: int | None, store: str | None, layers: str | None, dtype: str | None
) -> None:
    """Make a smaller cache from the cache SRC, without the encoder. What is not named stays as it is.

    Run the same command again to go on after an interruption. Exit code 3 means finished, but some clips are
    not stored, most likely because SRC has not stored them either.

    \b
    ravfeat cache convert cache/ravdess/audio-wavlm-large-91c2d0aa17fe --out small --frame-stride 4
    ravfeat cache convert cache --out small --store pooled --dtype float32
    ravfeat cache convert cache --out small --layers 6-12
    """  # noqa: D301
    from ravfeat.cache import Conversion, convert_cache, open_cache
    from ravfeat.features.layers import parse_layers

    if store == "pooled" and (frame_stride or 1) > 1:
        raise click.UsageError("--frame-stride goes with --store frames: pooled statistics are over all frames")
    cache = open_cache(source)
    change = Conversion(parse_layers(layers, cache.layers), store, frame_stride, dtype)  # type: ignore[arg-type]  # click.Choice
    done = convert_cache(cache, out, change)
    derived = open_cache(done.path)
    echo(
        f"{done.path}: {len(derived)} clips, {_megabytes(derived):.1f} MB of {_megabytes(cache):.1f};"
        f" {done.written} shards written, {done.present} kept"
    )
    for clip_id, reason in sorted(done.failed.items()):
        echo(f"{clip_id}: {reason}", err=True)
    if done.failed:
        sys.exit(NOT_WHOLE)


def _megabytes(cache: "Cache") -> float:
    from ravfeat.cache.index import present_shards

    return sum(path.stat().st_size for path in present_shards(cache.path).values()) / 1e6
