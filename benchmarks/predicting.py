"""Prediction of recordings against the bare encoder: what decoding, narrowing, scoring and the domain cost on top.

The alternative is the loop that somebody writes first, without its reading: inputs already in memory, one forward pass
for each file, hidden states thrown away.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.extraction import material, spent
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.extract import Extraction, run_extraction
from ravfeat.media.sound import read_waveform
from ravfeat.published import load_head
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run

__all__ = ["measure"]

ROUNDS = 5
N_FILES = 50


def measure(shared: Path | None) -> Iterator[str]:
    """Measure and give one line.

    Parameters
    ----------
    shared : Path, optional
        Holds ``data/ravdess`` and ``models/whisper-tiny-en-encoder``.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root, corpus, encoder = material(shared, Path(scratch))
        # One neutral and one angry clip of every actor teach the head; two more make fifty.
        taught = [clip for clip in corpus if clip.clip_id[6:] in {f"{e}-01-01-01-{n:02d}" for e in ("01", "05")
                                                                  for n in range(1, 25)}]  # fmt: skip
        files = [root / clip.path for clip in (*taught, *corpus.clips[-2:])][:N_FILES]
        cache = run_extraction(Extraction(corpus.with_clips(taught), root, encoder), Path(scratch) / "cache").path
        run, folder = Path(scratch) / "run", Path(scratch) / "head"
        write_run(run, fit_heads(FitPlan((cache,), heads=("attentive", "logreg"), settings={"epochs": 1})), {})
        export_heads(run, folder, refitted=True)
        inputs = [encoder.prepare(read_waveform(path)) for path in files]
        models = {encoder.spec.name: str(shared / "models" / "whisper-tiny-en-encoder")} if shared else {}
        bare, whole = [], []
        with load_head(folder, sources=["refit"]).predictor(device="cpu", models=models, whole=True) as predictor:
            for _ in range(ROUNDS):
                bare.append(spent(lambda: [encoder.encode([clip]) is None for clip in inputs]))
                whole.append(spent(lambda: list(predictor.predict_files(files))))
    ratios, processors = ([b[clock] / a[clock] for a, b in zip(bare, whole, strict=True)] for clock in (0, 1))
    yield (
        f"prediction of {len(files)} files, {encoder.spec.name}: {median(s[0] for s in whole) / len(files):.3f} s each"
        f" against {median(s[0] for s in bare) / len(files):.3f} s of bare forward, median ratio {median(ratios):.3f}"
        f" ({min(ratios):.3f} to {max(ratios):.3f}); processor time {median(processors):.3f} ({min(processors):.3f} to"
        f" {max(processors):.3f})"
    )
