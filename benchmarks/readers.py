"""Reading threads: speed-up against their number, with work that sleeps and with real videos.

The sleeping work stands for work in libraries, which release the interpreter's lock, so that any number of processors
can be pretended. Real work holds the lock for a part of its time: one side of the real videos is read by two threads,
the other by two processes, which have a lock each.
"""

import multiprocessing
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract.decode import ClipEnd, Event, PreparedPiece, read_ahead, read_clip
from ravfeat.faces.source import FaceOptions
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["measure"]

READERS = (2, 4, 8, 16, 32)
PICTURE_S = 0.004
HELD_S = 0.0005
"""Seconds of the lock that a picture takes, in the second row."""

PIECE = 16
ROUNDS = 3
ENCODERS = ("faceapi_expression.onnx", "landmarks")


def measure(shared: Path | None) -> Iterator[str]:
    """Measure and give one line for each figure.

    Parameters
    ----------
    shared : Path, optional
        Holds ``data/ravdess_video`` and ``models/face``; only the sleeping work is measured without.
    """
    for held_s in (0.0, HELD_S):
        speedups = ", ".join(f"{readers}: {_speedup(readers, held_s):.1f}" for readers in READERS)
        yield f"reading threads, {1000 * PICTURE_S:g} ms a picture of which {1000 * held_s:g} hold the lock: {speedups}"
    if shared is not None:
        for name in ENCODERS:
            yield _real(shared, name)


def _speedup(readers: int, held_s: float) -> float:
    # Clips of 60 to 140 pictures, as videos have; eight for each thread, so that the last clips count for little.
    lengths = {f"{number:04d}": 60 + number * 37 % 81 for number in range(8 * readers)}
    clips = [Clip(clip_id, clip_id, "c:1", "", "sad", f"{clip_id}.mp4") for clip_id in lengths]

    def read(clip: Clip) -> Generator[Event, None, None]:
        left = lengths[clip.clip_id]
        while left > 0:
            for _ in range(min(PIECE, left)):
                time.sleep(PICTURE_S - held_s)
                end = time.thread_time() + held_s
                while time.thread_time() < end:
                    pass
            left -= PIECE
            yield PreparedPiece(clip, {})
        yield ClipEnd(clip, Recording(1, 1.0, ""))

    start = time.perf_counter()
    for _ in read_ahead(clips, read, 2 * readers, readers=readers):
        pass
    return PICTURE_S * sum(lengths.values()) / (time.perf_counter() - start)


def read_videos(shared: Path, name: str, paths: Sequence[str], readers: int) -> int:
    """Read and prepare videos for an encoder; return the number of pictures."""
    root, models = shared / "data" / "ravdess_video", shared / "models" / "face"
    options = FaceOptions(models=(models,))
    encoder = load_encoder(str(models / name) if name.endswith(".onnx") else name, "cpu", faces=options)
    source = options.source(boxes=name.endswith(".onnx"), meshes=name == "landmarks")
    clips = [clip for path in paths if (clip := parse_stem(Path(path).stem, path=path))]
    events = read_ahead(clips, lambda clip: read_clip(clip, root, source, {0: encoder}), 2 * readers, readers=readers)
    return sum(event.prepared[0].n_frames for event in events if isinstance(event, PreparedPiece))


def _real(shared: Path, name: str) -> str:
    root = shared / "data" / "ravdess_video"
    paths = [str(path.relative_to(root)) for path in sorted(root.rglob("*.mp4"))]
    rates: dict[str, list[float]] = {"1 thread": [], "2 threads": [], "2 processes": []}
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:

        def in_processes() -> int:
            return sum(pool.map(read_videos, [shared] * 2, [name] * 2, [paths[::2], paths[1::2]], [1] * 2))

        sides: list[Callable[[], int]] = [
            lambda: read_videos(shared, name, paths, 1),
            lambda: read_videos(shared, name, paths, 2),
            in_processes,
        ]
        in_processes()  # both have imported everything now
        for _ in range(ROUNDS):
            for rate, side in zip(rates.values(), sides, strict=True):
                start = time.perf_counter()
                rate.append(side() / (time.perf_counter() - start))
    one, two, processes = rates.values()
    ratios = [
        f"{label} {median(a / b for a, b in zip(over, under, strict=True)):.2f}"
        for label, over, under in (("2 threads over 1", two, one), ("2 threads over 2 processes", two, processes))
    ]
    medians = ", ".join(f"{label} {median(values):.0f}" for label, values in rates.items())
    return f"reading videos for {name}, pictures per second: {medians}; {', '.join(ratios)} (medians of {ROUNDS})"
