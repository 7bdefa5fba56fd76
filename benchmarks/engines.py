"""Engines against one process: what dividing the work among workers costs, and what it brings.

Both sides extract the same clips into new folders, in turn. The time of a process alone with ``--num-shards`` has no
driver; that of an engine has starting its workers, which load the libraries and the encoder once each, and is therefore
also given without it: from the first finished shard on.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import ravfeat.cache.writer
from ravfeat.cache import open_cache
from ravfeat.corpora import load_corpus
from ravfeat.encoders.registry import load_encoder
from ravfeat.engines.base import EngineOptions
from ravfeat.engines.run import Engine, extract_with
from ravfeat.extract import Extraction, run_extraction
from ravfeat.extract.named_work import NamedWork

__all__ = ["measure"]

T = TypeVar("T")

SHARD_CLIPS = 8
ENGINES: tuple[Engine, ...] = ("local", "slurm", "ray")


def measure(shared: Path | None, *, n_clips: int) -> Iterator[str]:
    """Measure and give one line for each engine.

    Parameters
    ----------
    shared : Path, optional
        Holds ``data/ravdess`` and ``models/whisper-tiny-en-encoder``; else generated clips and log-mel.
    n_clips : int
        How many clips to take; 0 takes all.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        kind, root = ("ravdess", shared / "data/ravdess") if shared else ("synth", scratch / "synth")
        encoder = str(shared / "models/whisper-tiny-en-encoder") if shared else "logmel"
        whole = load_corpus(kind, root)
        manifest = whole.with_clips(whole.clips[:n_clips]) if n_clips else whole
        ravfeat.cache.writer.MAX_SHARD_CLIPS = SHARD_CLIPS  # many shards of few clips
        request = Extraction(manifest, root, load_encoder(encoder, "cpu"))
        alone_s, alone = _timed(lambda: run_extraction(request, scratch / "alone").path)
        content = open_cache(alone).content_sha256()
        work = NamedWork(root, (encoder,), manifest, device="cpu")
        for engine in ENGINES:
            for workers in (1, 2):
                yield _line(engine, workers, work, scratch / f"{engine}-{workers}", alone_s, content)


def _line(engine: Engine, workers: int, work: NamedWork, out: Path, alone_s: float, content: str) -> str:
    import ravfeat.engines.slurm

    ravfeat.engines.slurm.CLUSTER = "local"  # processes of this machine stand in for jobs
    seconds, done = _timed(lambda: extract_with(engine, work, out, EngineOptions(workers=workers)))
    path = done.results[0].path
    written = sorted(path.stat().st_mtime for path in path.glob("shard-?????.h5"))
    rate = (len(written) - 1) / (written[-1] - written[0])
    same = "the same content" if open_cache(path).content_sha256() == content else "ANOTHER CONTENT"
    return (
        f"engine {engine}, {workers} workers, {len(work.manifest or ())} clips: {seconds:.1f} s against {alone_s:.1f} s"
        f" of one process, ratio {seconds / alone_s:.2f}; from the first shard on"
        f" {len(written) / rate / alone_s:.2f}; {same}"
    )


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result
