"""``ravfeat extract``."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ravfeat.cli import command_line
from ravfeat.cli.engine_options import engine_options, parse_slurm, place
from ravfeat.cli.errors import NOT_WHOLE
from ravfeat.cli.observer import TerminalObserver
from ravfeat.cli.show_corpus import show_classes, show_columns
from ravfeat.cli.show_extraction import show_result
from ravfeat.cli.show_plan import show_plan
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
    from collections.abc import Sequence

    from ravfeat.extract import ExtractResult
    from ravfeat.extract.plan import ExtractionPlan
    from ravfeat.manifest import Manifest

__all__ = ["command"]


@click.command("extract")
@corpus_option
@data_option
@click.option("--audio", type=click.Path(path_type=Path),
              help="Where the recordings lie that EmoBox lists, for --corpus emobox.")  # fmt: skip
@click.option("--speaker-pattern", metavar="REGEX",
              help="Whose first group is the speaker in a key or a path, for --corpus emobox. [default: known for"
              " emodb, cremad, savee, tess, iemocap, esd and ravdess; else speakers are unknown]")  # fmt: skip
@click.option("--name", help="Name of the corpus, for --corpus folder. [default: the table's name]")
@columns_option()
@as_written_option
@click.option("--encoder", "encoders", multiple=True, default=["wavlm-large"], show_default=True,
              help="A name (wavlm-large, whisper-small, logmel, egemaps, facial-emotions, landmarks …), a hub id, a"
              " folder, an ONNX net, or code of your own (path.py:NAME); repeat for more. Each implies its"
              " stream.")  # fmt: skip
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
@click.option("--dtype", type=click.Choice(["float16", "float32"]),
              help="How features are stored; they are always computed in float32. [default: float16; of openSMILE"
              " and code of your own float32]")  # fmt: skip
@click.option("--fps", type=click.FloatRange(0, min_open=True),
              help="Pictures per second, at most. [default: every picture]")  # fmt: skip
@click.option("--detector-model", "detector_models", type=click.Path(path_type=Path), multiple=True,
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
def command(**options: Any) -> None:
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
    ravfeat extract --encoder egemaps --encoder mine.py:Prosody
    ravfeat extract --corpus crema-d --data CREMA-D --encoder hubert-base
    ravfeat extract --corpus emobox --data EmoBox/data/emodb --audio downloads --encoder logmel
    ravfeat extract --corpus folder --data clips.csv --columns actor=person,label=mood
    ravfeat extract --encoder ~/models/my-wavlm --layers 6-12 --out /scratch/cache
    ravfeat extract --encoder wavlm-large --view published --view-seed 1
    ravfeat extract --encoder whisper-tiny.en --view clean --view speed:0.9 --view speed:1.1
    ravfeat extract --num-shards 8 --shard-index $SLURM_ARRAY_TASK_ID
    ravfeat extract --device cuda --engine local
    ravfeat extract --device cuda --engine ray --address auto --workers 16
    ravfeat extract --device cuda --engine slurm --workers 8 --slurm partition=gpu --slurm time=04:00:00
    """  # noqa: D301
    from ravfeat.api.extract import extract
    from ravfeat.encoders.known import licence_of

    for name in options["encoders"]:
        if licence := licence_of(name):
            echo(f"{name}: computed by {licence}")
    options["columns"] = parse_columns(options["columns"])
    options["slurm"] = parse_slurm(options["slurm"])
    done = extract(**options, observer=_Terminal(command_line()))
    for shard, reason in done.given_up.items():
        echo(f"given up: {shard}: every worker died with it, the last as {reason}", err=True)
    if not done.whole:
        echo("repair what the reasons name and run the same command again: only these are tried", err=True)
        sys.exit(NOT_WHOLE)


class _Terminal(TerminalObserver):
    def corpus(self, manifest: "Manifest") -> None:
        """Print whose clips they are, of which classes, and what was not taken."""
        _show_manifest(manifest)

    def planned(self, plan: "ExtractionPlan") -> None:
        """Print the plan of a dry run."""
        show_plan(plan)

    def columns(self, cache: Path, names: "Sequence[str]", n_clips: int) -> None:
        """Print what is known of stored clips now."""
        echo(f"{cache}: stored for {n_clips} clips that were there: {listed(names)}")

    def extracted(self, result: "ExtractResult", name: str, seconds: float) -> None:
        """Print what was stored, and what could not be."""
        show_result(result, seconds, name=name)


def _show_manifest(manifest: "Manifest") -> None:
    skipped = ", ".join(f"{count} {kind}" for kind, count in manifest.skipped.items())
    echo(
        f"{manifest.corpus}{' (synthetic)' if manifest.synthetic else ''}: {len(manifest)} clips of"
        f" {len(manifest.actors)} actors{f'; not taken: {skipped}' if skipped else ''}"
    )
    show_classes(Counter(clip.label for clip in manifest), manifest.classes)
    show_columns(manifest)
