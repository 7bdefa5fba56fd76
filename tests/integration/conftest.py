"""Caches of all real performances: a plain spectrogram, and features made elsewhere from the faces."""

from pathlib import Path

import pytest

from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.extract import Extraction, run_extraction
from ravfeat.importers import ImportOptions, plan_import


@pytest.fixture(scope="session")
def voice_cache(shared, tmp_path_factory) -> Path:
    """A spectrogram, which needs no weights, not to be changed."""
    root = shared / "data/ravdess"
    return run_extraction(Extraction(scan_ravdess(root), root, LogMelEncoder()), tmp_path_factory.mktemp("voice")).path


@pytest.fixture(scope="session")
def face_caches(shared, tmp_path_factory) -> dict[str, Path]:
    """Landmarks and expressions of all 1440 performances, not to be changed."""
    out = tmp_path_factory.mktemp("faces")
    brought = shared / "data/ravdess_face"
    paths = {}
    for name, path in {"landmarks": "landmarks68", "expressions": "xception_fer2013_framewise.npz"}.items():
        plan = plan_import(ImportOptions(brought / path, "ravdess", shared / "data/ravdess", name, stream="face"))
        result = run_extraction(Extraction(plan.manifest, plan.root, plan.encoder, source=plan.source), out)
        assert (result.encoded, result.failed) == (1440, {})
        paths[name] = result.path
    return paths
