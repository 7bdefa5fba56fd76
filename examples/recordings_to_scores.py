"""From a folder of recordings to a score on speakers the head never met, from Python.

    python examples/recordings_to_scores.py WORK

generates four speakers in WORK/data, encodes them into WORK/cache, and trains a head in two folds.
"""

import sys
from pathlib import Path

from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.encoders.registry import load_encoder
from ravfeat.experiment import FitPlan, fit_heads
from ravfeat.extract import Extraction, run_extraction
from ravfeat.metrics import evaluate

work = Path(sys.argv[1])
generate(work / "data", actors=4)  # your recordings would be here already

# Encode once. For a corpus of your own: ravfeat.corpora.folder.read_folder_corpus(Path("clips.csv")).
manifest = scan_ravdess(work / "data", "audio", corpus="synth", synthetic=True)
encoder = load_encoder("logmel", "cpu")
cache = run_extraction(Extraction(manifest, work / "data", encoder), work / "cache").path

# Train as often as you like: no encoder, no recordings.
fitted = fit_heads(FitPlan(caches=(cache,), protocol="group2", heads=("logreg",)))
for system in fitted.predictions.systems():
    scored = fitted.predictions.seed_averaged(system)  # test rows only
    scores = evaluate(scored.y, scored.probs)
    print(f"{system.features} {system.head}: UAR {scores['uar']:.3f}, WA {scores['wa']:.3f}, n={len(scored.y)}")
