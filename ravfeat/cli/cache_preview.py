"""``ravfeat cache preview``."""

from pathlib import Path

import click

from ravfeat.cli.terminal import echo

__all__ = ["command"]


@click.command("preview", short_help="Draw the faces of a cache as a contact sheet.")
@click.argument("path", type=click.Path(path_type=Path), default=Path("cache"))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The videos the cache was made from, as for extract. [default: data/<corpus>]",
)
@click.option(
    "--clip", "clip_ids", multiple=True, help="A clip to show; repeat for more. [default: the worst, and some]"
)
@click.option("--clips", "n_clips", type=click.IntRange(1, 200), default=12, show_default=True, help="How many clips.")
@click.option("--pictures", "n_pictures", type=click.IntRange(1, 50), default=8, show_default=True,
              help="How many pictures of each.")  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The PNG. [default: preview-<encoder>.png]"
)
def command(
    path: Path, data: Path | None, clip_ids: tuple[str, ...], n_clips: int, n_pictures: int, out: Path | None
) -> None:
    """Draw the faces that a cache was made from as one contact sheet.

    The crops are cut out at the times and boxes that the cache has stored; a red frame marks a picture in which
    no face was found, so that the box of another picture was used.

    \b
    ravfeat cache preview cache/ravdess/face-facial-emotions-5d2f6a90c1be
    ravfeat cache preview cache/ravdess/face-landmarks-0a1b2c3d4e5f --clip 02-01-08-02-02-02-01 --pictures 20
    """  # noqa: D301
    from ravfeat.cache import open_cache
    from ravfeat.errors import CacheError
    from ravfeat.faces.preview import chosen_clips, preview_rows
    from ravfeat.faces.sheet import sheet_png
    from ravfeat.files import check_name, replace_file

    if out is not None and out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out}: the sheet is a PNG; call it so")
    cache = open_cache(path)
    source = data or Path("data") / str(cache.about["corpus"])
    root = source.parent if source.is_file() else source
    target = out or Path(
        f"preview-{check_name(str(cache.about['encoder']), 'the encoder', CacheError, 'add --out')}.png"
    )
    chosen = list(clip_ids) or chosen_clips(cache, n_clips)
    rows = preview_rows(cache, root, chosen, n_pictures=n_pictures)
    replace_file(target, sheet_png(rows))
    gaps = sum(not has_face for row in rows for has_face in row.found)
    echo(
        f"{target}: {len(rows)} clips, {sum(len(row.crops) for row in rows)} pictures"
        f"{f', {gaps} without a found face' if gaps else ''}"
    )
