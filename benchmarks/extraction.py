"""Extraction against the bare encoder: what decoding, storing and checksumming cost on top.

The alternative is the loop everybody writes first, without its reading and writing: inputs already
in memory, one forward pass for each batch, hidden states thrown away.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from ravfeat.corpora import load_corpus
from ravfeat.encoders.base import Encoder, EncoderInput, plan_batches
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract import Extraction, run_extraction
from ravfeat.extract.batch_plan import BatchLimits
from ravfeat.manifest import Manifest
from ravfeat.media.sound import read_waveform

__all__ = ["material", "measure", "spent"]

ROUNDS = 5


def measure(shared: Path | None, *, n_clips: int) -> Iterator[str]:
    """Measure and give one line for each figure.

    Parameters
    ----------
    shared : Path, optional
        Holds ``data/ravdess`` and ``models/whisper-tiny-en-encoder``.
    n_clips : int
        How many clips to take; 0 takes all.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root, manifest, encoder = material(shared, Path(scratch))
        clips = manifest.clips[:n_clips] if n_clips else manifest.clips
        parts = [manifest.with_clips(clips[i::ROUNDS]) for i in range(ROUNDS)]
        bare, whole = [], []
        for number, part in enumerate(parts):
            bare.append(_bare(encoder, part, root))
            whole.append(_whole(encoder, part, root, Path(scratch) / f"cache{number}"))
    ratios, processors = ([b[clock] / a[clock] for a, b in zip(bare, whole, strict=True)] for clock in (0, 1))
    yield (
        f"extraction, {encoder.spec.name}, {len(clips)} clips: {sum(s[0] for s in whole):.1f} s against"
        f" {sum(s[0] for s in bare):.1f} s of bare forward, ratio of medians"
        f" {median(s[0] for s in whole) / median(s[0] for s in bare):.3f} (median of {ROUNDS} rounds"
        f" {median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}); processor time {median(processors):.3f}"
        f" ({min(processors):.3f} to {max(processors):.3f})"
    )


def material(shared: Path | None, scratch: Path) -> tuple[Path, Manifest, Encoder]:
    """Give a folder, its clips and an encoder: real ones, else generated ones and log-mel."""
    if shared is None:
        folder = scratch / "synth"
        return folder, load_corpus("synth", folder), load_encoder("logmel")
    root = shared / "data" / "ravdess"
    return root, load_corpus("ravdess", root), load_encoder(str(shared / "models" / "whisper-tiny-en-encoder"), "cpu")


_Spent = tuple[float, float]
"""Seconds on the wall, and of all processors: the second hardly depends on what else the machine does."""


def spent(work: Callable[[], object]) -> _Spent:
    """Say how long a piece of work takes."""
    wall, processors = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processors


def _bare(encoder: Encoder, manifest: Manifest, root: Path) -> _Spent:
    inputs = [encoder.prepare(read_waveform(root / clip.path)) for clip in manifest]
    usual = BatchLimits()
    plan = plan_batches(
        [clip.duration_s for clip in manifest], encoder.batching, max_clips=usual.clips, max_seconds=usual.seconds
    )
    batches: list[list[EncoderInput]] = [[inputs[i] for i in batch] for batch in plan]
    return spent(lambda: [encoder.encode(batch) is None for batch in batches])


def _whole(encoder: Encoder, manifest: Manifest, root: Path, out: Path) -> _Spent:
    return spent(lambda: run_extraction(Extraction(manifest, root, encoder), out))
