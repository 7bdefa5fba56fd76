"""A published head of generated voices, with the recordings and the cache that it learned from."""

from dataclasses import dataclass
from pathlib import Path

from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.encoders.registry import load_encoder
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.extract import Extraction, run_extraction
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run

__all__ = ["Spoken", "publish_voice"]


@dataclass(frozen=True)
class Spoken:
    """Where everything lies."""

    data: Path
    cache: Path
    run: Path
    head: Path

    def recording(self, clip_id: str) -> Path:
        return next(self.data.rglob(f"{clip_id}.wav"))


def publish_voice(folder: Path) -> Spoken:
    """One statement of every emotion by 24 generated actors: log-mel, two heads, fused, refitted; about ten seconds."""
    generate(folder / "synth")
    corpus = scan_ravdess(folder / "synth", corpus="synth", synthetic=True)
    some = corpus.with_clips(clip for clip in corpus if clip.clip_id[9:14] == "01-01")
    cache = run_extraction(Extraction(some, folder / "synth", load_encoder("logmel", "cpu")), folder / "cache").path
    plan = FitPlan((cache,), heads=("attentive", "logreg"), settings={"epochs": 2, "hidden": 8}, layers="0,2")
    write_run(folder / "run", fit_heads(plan), {"command": "ravfeat fit-heads"})
    export_heads(folder / "run", folder / "head", refitted=True)
    return Spoken(folder / "synth", cache, folder / "run", folder / "head")
