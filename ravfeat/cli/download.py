"""``ravfeat download``."""

from pathlib import Path

import click

from ravfeat.cli.terminal import echo

__all__ = ["command"]


@click.group("download")
def command() -> None:
    """Fetch a corpus, checked against the checksums its publisher gives.

    \b
    ravfeat download ravdess
    """  # noqa: D301


@command.command("ravdess")
@click.option("--audio", is_flag=True, help="Speech: 0.2 GB for all actors. [default without --video]")
@click.option("--video", is_flag=True, help="Face and speech: about 0.5 GB for each actor.")
@click.option("--actors", default="1-24", show_default=True, help="Actors (speakers): 3, 1-4, or 1,5,9.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("data/ravdess"), show_default=True,
              help="Gets audio/Actor_01 …, video/Actor_01 …")  # fmt: skip
def ravdess(actors: str, out: Path, *, audio: bool, video: bool) -> None:
    """Fetch RAVDESS speech from Zenodo (record 1188976, CC BY-NC-SA 4.0) and unpack it.

    Run the same command again to go on after an interruption; what is there is not fetched twice.

    \b
    ravfeat download ravdess
    ravfeat download ravdess --audio --video --actors 1-4
    ravfeat download ravdess --video --out /data/ravdess
    """  # noqa: D301
    from ravfeat.download.ravdess import download_ravdess
    from ravfeat.features.layers import parse_numbers

    wanted = parse_numbers(actors, range(1, 25), noun="actors")
    done = download_ravdess(out, audio=audio or not video, video=video, actors=wanted)
    skipped = f"; {done.skipped} files that are no speech clips were left out" if done.skipped else ""
    echo(
        f"{done.folder}: {len(done.unpacked)} actor folders unpacked, {len(done.present)} were there{skipped};"
        f" 'ravfeat extract --data {done.folder}' encodes them"
    )
