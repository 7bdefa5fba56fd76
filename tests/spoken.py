"""A published head of generated voices and faces, with the videos and the caches that it learned from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ravfeat.cache.format import StoreRecipe
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.encoders.registry import load_encoder
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.extract.streams import extract_stream
from ravfeat.faces.source import FaceOptions
from ravfeat.media.sound import read_waveform
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run
from tests.media.videos import write_video
from tests.tinyfaces import write_net

__all__ = ["Spoken", "publish_spoken"]

FPS = 10


@dataclass(frozen=True)
class Spoken:
    """Where everything lies."""

    data: Path
    net: Path
    voice: Path
    face: Path
    run: Path
    head: Path

    @property
    def models(self) -> dict[str, str]:
        return {"tiny": str(self.net)}

    def recording(self, clip_id: str) -> Path:
        return self.data / f"{clip_id}.mp4"


def publish_spoken(folder: Path) -> Spoken:
    """One sentence of every emotion by 24 generated actors, as videos: two voices and a face, fused, refitted."""
    data, net = folder / "videos", write_net(folder / "tiny.onnx")
    generate(folder / "synth")
    data.mkdir()
    for number, path in enumerate(sorted((folder / "synth").rglob("03-01-??-01-01-01-*.wav"))):
        sound = read_waveform(path).samples
        write_video(data / f"01{path.stem[2:]}.mp4", _pictures(path, number, len(sound)), rate=FPS, sound=sound)
    faces, recipe = FaceOptions(cropped=True), StoreRecipe()
    caches = [
        extract_stream(
            scan_ravdess(data, stream, corpus="synth", synthetic=True),
            data,
            [load_encoder(encoder, "cpu", faces=faces)],
            folder / "cache",
            faces=faces,
            recipe=recipe,
        )[0].path
        for stream, encoder in (("audio", "logmel"), ("face", str(net)))
    ]
    heads = ("audio:attentive", "audio:logreg", "face:logreg")
    plan = FitPlan(tuple(caches), heads=heads, settings={"epochs": 2, "hidden": 8})
    write_run(folder / "run", fit_heads(plan), {"command": "ravfeat fit-heads"})
    export_heads(folder / "run", folder / "head", refitted=True)
    return Spoken(data, net, *caches, folder / "run", folder / "head")


def _pictures(path: Path, number: int, n_samples: int) -> list[np.ndarray]:
    """Colours that drift; where they begin says which emotion it is."""
    rng, emotion = np.random.default_rng(number), int(path.stem.split("-")[2])
    first = np.random.default_rng(emotion).integers(0, 256, (5, 6, 3))
    last = rng.integers(0, 256, (5, 6, 3))
    n = max(3, round(FPS * n_samples / 16_000))
    return [np.kron(first + (last - first) * t / (2 * n), np.ones((8, 8, 1))).astype(np.uint8) for t in range(n)]
