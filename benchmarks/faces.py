"""Faces: what a picture costs at every step, and what is saved by reading every file once for all encoders.

The alternative is one run per encoder, each of which decodes the video and looks for the face again.
Needs real videos and nets; there is no stand-in for a face.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.corpora.ravdess import parse_stem
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract.streams import extract_stream
from ravfeat.faces.base import Faces
from ravfeat.faces.detect import FaceDetector, FaceLandmarker
from ravfeat.faces.source import FaceOptions
from ravfeat.manifest import Clip, Manifest
from ravfeat.media.pictures import read_pictures
from ravfeat.schema import RAVDESS_LABELS

__all__ = ["measure"]

NETS = ("fer_mini_xception.onnx", "faceapi_expression.onnx", "efficientnet_lite0_in1k.onnx")
ROUNDS = 3


def measure(shared: Path | None) -> Iterator[str]:
    """Measure and give one line for each figure.

    Parameters
    ----------
    shared : Path, optional
        Holds ``data/ravdess_video`` and ``models/face``; nothing is measured without.
    """
    if shared is None:
        yield "faces: not measured; RAVFEAT_SHARED names no folder with real videos and nets"
        return
    root, models = shared / "data" / "ravdess_video", shared / "models" / "face"
    clips = [parse_stem(path.stem, path=str(path.relative_to(root))) for path in sorted(root.rglob("*.mp4"))]
    manifest = Manifest("ravdess", RAVDESS_LABELS, tuple(clip for clip in clips if clip))
    options = FaceOptions(models=(models,))
    encoders = [
        load_encoder(name, "cpu", faces=options) for name in (*(str(models / net) for net in NETS), "landmarks")
    ]
    yield f"faces, ms per picture of {len(manifest)} videos: {', '.join(_steps(manifest, root, options, encoders))}"
    yield _together(manifest, root, options, encoders)


def _steps(manifest: Manifest, root: Path, options: FaceOptions, encoders: list[Encoder[Any]]) -> Iterator[str]:
    source = options.source(boxes=True, meshes=True)
    pictures, times = [], []
    decode_s = 0.0
    for clip in manifest:
        start = time.perf_counter()
        own = [(picture.rgb, picture.time_s) for picture in read_pictures(root / clip.path)]
        decode_s += time.perf_counter() - start
        pictures.append([rgb for rgb, _ in own])
        times.append([time_s for _, time_s in own])
    n = sum(map(len, pictures))
    yield f"decode {1000 * decode_s / n:.1f}"
    for name, task, model in (
        ("detect", FaceDetector, source.detector),
        ("landmarks", FaceLandmarker, source.landmarker),
    ):
        start, found = time.perf_counter(), 0
        for own_pictures, own_times in zip(pictures, times, strict=True):
            with task(model) as finder:  # type: ignore[operator]
                found += sum(
                    bool(finder.detect(rgb, time_s)) for rgb, time_s in zip(own_pictures, own_times, strict=True)
                )
        yield f"{name} {1000 * (time.perf_counter() - start) / n:.1f} (found in {found / n:.1%} of {n})"
    pieces = [piece for clip in manifest for piece in _pieces(source, clip, root)]
    for encoder in encoders:
        prepare_s, batch = _timed(lambda encoder=encoder: [encoder.prepare(piece) for piece in pieces])
        encode_s, _ = _timed(
            lambda encoder=encoder, batch=batch: [encoder.encode(batch[i : i + 4]) for i in range(0, len(batch), 4)]
        )
        yield f"{encoder.spec.name} {1000 * prepare_s / n:.1f} + {1000 * encode_s / n:.1f}"


def _pieces(source: Any, clip: Clip, root: Path) -> Iterator[Faces]:
    yield from source.read(clip, root)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def _together(manifest: Manifest, root: Path, options: FaceOptions, encoders: list[Encoder[Any]]) -> str:
    def run(some: list[Encoder[Any]], out: Path) -> float:
        return _timed(lambda: extract_stream(manifest, root, some, out, faces=options, recipe=StoreRecipe()))[0]

    ratios, together_s, apart_s = [], 0.0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(ROUNDS):
            out = Path(scratch) / str(number)
            together = run(encoders, out / "together")
            apart = sum(run([encoder], out / "apart") for encoder in encoders)
            shutil.rmtree(out)
            ratios.append(together / apart)
            together_s, apart_s = together_s + together, apart_s + apart
    return (
        f"faces, {len(encoders)} encoders in one run {together_s / ROUNDS:.1f} s, one by one {apart_s / ROUNDS:.1f} s,"
        f" ratio {together_s / apart_s:.2f} (median of {ROUNDS} rounds {median(ratios):.2f})"
    )
