"""A published head of a generated voice and a toy face, and recordings for it."""

import gc
import warnings
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.extract import Extraction, run_extraction
from ravfeat.faces.source import FaceOptions
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run
from tests.media.videos import write_video
from tests.tinyfaces import write_net, write_videos


class Demo:
    """Where a head, its face net and recordings lie."""

    def __init__(self, folder: Path) -> None:
        self.head, self.net = folder / "head", folder / "tiny.onnx"
        self.voice, self.silent = folder / "voice.wav", folder / "silent.wav"
        self.video = folder / "video.mp4"
        self.models = {"tiny": str(self.net)}


@pytest.fixture(scope="module")
def tidy_gradio() -> Iterator[None]:
    """Collect what gradio leaves open (loops, sockets) while that is no error."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Logmel and attention on three generated actors, a net of a few numbers on videos of noise; fused, refitted."""
    folder = tmp_path_factory.mktemp("demo")
    demo = Demo(folder)
    generate(folder / "synth", actors=3)
    manifest = scan_ravdess(folder / "synth", corpus="synth", synthetic=True)
    voice = run_extraction(Extraction(manifest, folder / "synth", LogMelEncoder()), folder / "cache").path
    write_videos(folder / "videos", [f"02{clip.clip_id[2:]}" for clip in manifest.clips])
    options = FaceOptions(cropped=True)
    encoder = load_encoder(str(write_net(demo.net)), "cpu", faces=options)
    videos = scan_ravdess(folder / "videos", "face", corpus="synth", synthetic=True)
    source = options.source(boxes=True, meshes=False)
    face = run_extraction(Extraction(videos, folder / "videos", encoder, source=source), folder / "cache").path
    heads = ("audio:attentive", "face:logreg")
    plan = FitPlan((voice, face), heads=heads, protocol="group3", settings={"epochs": 2, "hidden": 8})
    write_run(folder / "run", fit_heads(plan), {"command": "ravfeat fit-heads"})
    export_heads(folder / "run", demo.head, refitted=True)
    write_recordings(demo, manifest.clips[5].path, folder / "synth")
    return demo


def write_recordings(demo: Demo, path: str, root: Path) -> None:
    """A voice of two seconds, silence, and a video with sound."""
    with wave.open(str(root / path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    for place, sound in ((demo.voice, np.tile(samples, 3)), (demo.silent, np.zeros(32_000, "<i2"))):
        with wave.open(str(place), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(sound.tobytes())
    rng = np.random.default_rng(3)
    pictures = [np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(30)]
    write_video(demo.video, pictures, rate=15, sound_s=2.0)
