"""``ravfeat cache pull``."""

import sys
from pathlib import Path

import click

from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.terminal import echo

__all__ = ["command"]


@click.command("pull", short_help="Fetch a published cache, or some layers and actors of it.")
@click.argument("source", metavar="SRC")
@click.option("--layers", help="Layers to fetch: last, 3, 6-12 or 1,5,9; default all.")
@click.option("--actors", help="Actors (speakers) to fetch, such as 01,02; default all.")
@click.option("--revision", help="Branch, tag or commit on the hub; also after @ in SRC.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("cache"), show_default=True,
              help="Folder of caches, as for extract.")  # fmt: skip
def command(source: str, layers: str | None, actors: str | None, revision: str | None, out: Path) -> None:
    """Fetch the cache at the address SRC into a folder of caches, and verify every piece of it.

    Without --layers and --actors the folder is equal to the published one. With them it is the cache that an
    extraction of these layers and actors gives, and only their bytes are fetched; until it is written, what came
    lies in RAVFEAT_CACHE_HOME (by default ~/.cache/ravfeat) as well. Run the same command again to go on after an
    interruption. Exit code 3 means finished, but some clips could not be extracted where the cache was made.

    \b
    ravfeat cache pull hf://datasets/me/ravdess-wavlm
    ravfeat cache pull hf://datasets/me/ravdess-wavlm --layers 6-12 --revision v1
    ravfeat cache pull s3://shelf/ravdess-wavlm --actors 01,02
    ravfeat cache pull https://zenodo.org/records/1234567
    """  # noqa: D301
    from ravfeat.features.layers import parse_layers
    from ravfeat.remote.pull import choose_clips, features_bytes, pull_part, pull_whole
    from ravfeat.remote.reading import open_mirror
    from ravfeat.remote.store import open_store

    cache, mirror = open_mirror(open_store(source, revision=revision))
    numbers = parse_layers(layers, cache.layers)
    numbers = None if numbers == cache.layers else numbers
    clips = choose_clips(cache, [name.strip() for name in actors.split(",")]) if actors is not None else None
    if numbers is None and clips is None:
        done = pull_whole(cache, mirror, out)
    else:
        size = features_bytes(cache, numbers, clips) / 1e6
        echo(f"{size:.1f} MB of features; until the cache is written they lie in {mirror.folder} too", err=True)
        done = pull_part(cache, mirror, out, numbers, clips)
    echo(f"{done.path}: {'pulled' if done.fetched else 'was there already'}, {done.fetched} shards read now")
    for clip_id, reason in sorted(done.failed.items()):
        echo(f"{clip_id}: {reason}", err=True)
    if done.failed:
        sys.exit(NOT_WHOLE)
