"""Extraction against the bare encoder: what decoding, storing and checksumming cost on top.

The alternative is the loop everybody writes first, without its reading and writing: inputs already
in memory, one forward pass for each batch, hidden states thrown away.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from ravfeat.corpora import load_corpus
from ravfeat.encoders.base import Encoder, Prepared, plan_batches
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract import Extraction, run_extraction
from ravfeat.extract.lane import BatchLimits
from ravfeat.manifest import Manifest
from ravfeat.media import read_waveform

__all__ = ["measure"]

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
        root, manifest, encoder = _material(shared, Path(scratch))
        clips = manifest.clips[:n_clips] if n_clips else manifest.clips
        parts = [manifest.with_clips(clips[i::ROUNDS]) for i in range(ROUNDS)]
        ratios, bare_s, whole_s = [], 0.0, 0.0
        for number, part in enumerate(parts):
            bare = _bare(encoder, part, root)
            whole = _whole(encoder, part, root, Path(scratch) / f"cache{number}")
            ratios.append(whole / bare)
            bare_s, whole_s = bare_s + bare, whole_s + whole
    yield (
        f"extraction, {encoder.spec.name}, {len(clips)} clips: {whole_s:.1f} s against {bare_s:.1f} s of bare forward,"
        f" ratio {whole_s / bare_s:.3f} (median of {ROUNDS} rounds {median(ratios):.3f},"
        f" {min(ratios):.3f} to {max(ratios):.3f})"
    )


def _material(shared: Path | None, scratch: Path) -> tuple[Path, Manifest, Encoder]:
    if shared is None:
        folder = scratch / "synth"
        return folder, load_corpus("synth", folder), load_encoder("logmel")
    root = shared / "data" / "ravdess"
    return root, load_corpus("ravdess", root), load_encoder(str(shared / "models" / "whisper-tiny-en-encoder"), "cpu")


def _bare(encoder: Encoder, manifest: Manifest, root: Path) -> float:
    inputs = [encoder.prepare(read_waveform(root / clip.path)) for clip in manifest]
    usual = BatchLimits()
    plan = plan_batches(
        [clip.duration_s for clip in manifest], encoder.batching, max_clips=usual.clips, max_seconds=usual.seconds
    )
    batches: list[list[Prepared]] = [[inputs[i] for i in batch] for batch in plan]
    start = time.perf_counter()
    for batch in batches:
        encoder.encode(batch)
    return time.perf_counter() - start


def _whole(encoder: Encoder, manifest: Manifest, root: Path, out: Path) -> float:
    start = time.perf_counter()
    run_extraction(Extraction(manifest, root, encoder), out)
    return time.perf_counter() - start
