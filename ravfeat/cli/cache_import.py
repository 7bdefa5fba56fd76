"""``ravfeat cache import``."""

import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.show_corpus import show_columns
from ravfeat.cli.show_extraction import show_result
from ravfeat.cli.table_options import (
    as_written_option,
    columns_option,
    corpus_option,
    data_option,
    parse_columns,
)
from ravfeat.cli.terminal import echo
from ravfeat.errors import listed

if TYPE_CHECKING:
    from ravfeat.importers import ImportPlan

__all__ = ["command"]


@click.command("import", short_help="Import features that another program made.")
@click.argument("path", type=click.Path(path_type=Path))
@corpus_option
@data_option
@click.option("--corpus-name", help="Name of the corpus, for --corpus folder. [default: the table's name]")
@columns_option("--corpus-columns")
@as_written_option
@click.option("--stream", type=click.Choice(["audio", "face"]), default="face", show_default=True,
              help="What the features were computed from.")  # fmt: skip
@click.option("--name", required=True, help="Name of the features, such as openface.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("cache"),
    show_default=True,
    help="Folder that gets the cache.",
)
@click.option("--array", help="The feature array; for tables the beginnings of its columns, such as AU or x_,y_.")
@click.option("--columns", "names", multiple=True, metavar="A,B",
              help="Columns of a table that are features whatever they are called and hold; only these, unless --array"
              " names more. [default: all but indices, times, targets and identities]")  # fmt: skip
@click.option("--fps", type=float, help="Rows per second. [default: times in the files; faces of RAVDESS: 29.97]")
@click.option("--modality", help="Only these copies: 01, 02 or 03. [default: face 02, then 01; audio 03, then 01]")
@click.option("--transform", type=click.Choice(["auto", "similarity", "geometry", "log-softmax", "none"]),
              default="auto", show_default=True,
              help="auto: similarity for landmarks, log-softmax for probabilities. geometry: distances of"
              " landmarks.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["float16", "float32"]), default="float16", show_default=True,
              help="How features are stored.")  # fmt: skip
@click.option("--allow-missing", is_flag=True, help="Import what matches, list what does not.")
def command(
    path: Path,
    corpus: str,
    data: Path | None,
    corpus_name: str | None,
    columns: tuple[str, ...],
    as_written: tuple[str, ...],
    stream: str,
    name: str,
    out: Path,
    array: str | None,
    names: tuple[str, ...],
    fps: float | None,
    modality: str | None,
    transform: str,
    dtype: str,
    allow_missing: bool,  # noqa: FBT001 (click's way)
) -> None:
    """Import features that another program made into a cache, matched to the corpus by performance.

    PATH is a file, or a folder of files of one kind: npz with names (N,), offsets (N + 1,) and a
    feature array, one row per frame; CSV or Parquet with a column clip_id, name, clip, file or
    filename, one row per clip or per frame; or one file per clip, as OpenFace writes them. Exit
    code 1 means the names did not match and nothing was written; 3 means finished, but some clips
    could not be stored.

    \b
    ravfeat cache import landmarks68/ --name landmarks68
    ravfeat cache import expressions.npz --name fer2013 --array probs --modality 01
    ravfeat cache import openface/ --name openface-aus --array AU
    ravfeat cache import egemaps.csv --stream audio --name egemaps --corpus folder --data clips.csv
    """  # noqa: D301
    from ravfeat.cache.format import StoreRecipe
    from ravfeat.corpora.last_table import record_absent
    from ravfeat.extract import Extraction, run_extraction
    from ravfeat.importers import ImportOptions, plan_import

    options = ImportOptions(
        path, corpus, data, name, stream=stream,  # type: ignore[arg-type]  # click.Choice keeps it to the two
        array=array, fps=fps, modality=modality, transform=transform, allow_missing=allow_missing,
        corpus_name=corpus_name, columns=tuple(part.strip() for text in names for part in text.split(",")),
        dtype=dtype,  # type: ignore[arg-type]  # the same
        corpus_columns=parse_columns(columns, "--corpus-columns"), as_written=as_written,
    )  # fmt: skip
    plan = plan_import(options)
    _show_plan(plan)
    recipe = StoreRecipe(dtype=dtype)  # type: ignore[arg-type]  # the same
    work = Extraction(plan.manifest, plan.root, plan.encoder, recipe, plan.source)
    started = perf_counter()
    result = run_extraction(work, out)
    record_absent(result.path, plan.manifest.by_id())
    # Those without features are listed above and were allowed; the cache records them as failed.
    failed = {clip_id: reason for clip_id, reason in result.failed.items() if clip_id not in plan.absent}
    if show_result(replace(result, failed=failed), perf_counter() - started, name=name, brought=True):
        echo("features that were repaired are other features: importing them makes a cache of its own", err=True)
        sys.exit(NOT_WHOLE)


def _show_plan(plan: "ImportPlan") -> None:
    corpus, files, joined = plan.corpus, plan.files, plan.match
    echo(
        f"{corpus.corpus}{' (synthetic)' if corpus.synthetic else ''}: {len(corpus)} performances of"
        f" {len(corpus.actors)} actors"
    )
    show_columns(corpus)
    shape = " x ".join(map(str, files.shape)) or "1"
    echo(f"{plan.n_files} {files.kind} files: {len(files.clips)} names, {files.array}, {shape} numbers a row")
    if plan.taken:
        echo(f"columns taken: {listed(plan.taken)}")
    if plan.left_out:
        echo(
            f"columns not taken: {listed(name or '(without a name)' for name in plan.left_out)}; --columns takes those"
            " that it names"
        )
    left = {
        "other copies, not used": joined.unused,
        "there twice": joined.duplicates,
        "names of no performance, left out": len(joined.unmatched),
        "performances without features": len(joined.missing),
    }
    listing = ", ".join(f"{count} {kind}" for kind, count in left.items() if count)
    echo(f"matched: {len(joined.clips)} clips{f'; {listing}' if listing else ''}")
    if joined.unmatched:
        more = " …" if len(joined.unmatched) > 10 else ""
        echo(f"left out: {', '.join(joined.unmatched[:10])}{more}", err=True)
    if joined.missing:
        more = " …" if len(joined.missing) > 10 else ""
        echo(f"without features, in the cache as failed: {', '.join(joined.missing[:10])}{more}", err=True)
    echo(f"transform: {plan.transform.name} ({plan.transform_reason}); {plan.clock.step.rpartition('/')[0]}")
