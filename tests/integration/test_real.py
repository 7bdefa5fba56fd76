"""Real recordings through a real pretrained encoder; needs the folder that RAVFEAT_SHARED names."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers

import ravfeat as package
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract import Extraction, run_extraction
from ravfeat.manifest import Manifest

pytestmark = pytest.mark.shared

ACTORS = ("01", "02", "07", "08")


@pytest.fixture(scope="module")
def whisper(shared) -> Path:
    return shared / "models" / "whisper-tiny-en-encoder"


@pytest.fixture(scope="module")
def manifest(shared, tmp_path_factory) -> Manifest:
    """Six clips of each of four actors, two of every emotion but three; the byte-identical pair is among them."""
    folder = tmp_path_factory.mktemp("names")
    for actor in ACTORS:
        for path in (shared / "data" / "ravdess" / f"Actor_{actor}").glob("03-01-0[358]-01-0[12]-01-*.flac"):
            (folder / path.name).symlink_to(path)
    (folder / "03-01-03-01-02-02-07.flac").symlink_to(shared / "data/ravdess/Actor_07/03-01-03-01-02-02-07.flac")
    manifest = scan_ravdess(folder)
    assert (len(manifest), len(manifest.actors)) == (25, 4)
    return manifest


@pytest.fixture(scope="module")
def cache(shared, whisper, manifest, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("real")
    for clip in manifest:
        found = next((shared / "data" / "ravdess").glob(f"*/{clip.clip_id}.flac"))
        (root / clip.path).symlink_to(found)
    return run_extraction(Extraction(manifest, root, load_encoder(str(whisper), "cpu")), root / "cache").path


def test_stored_features_equal_transformers_run_clip_by_clip(shared, whisper, cache) -> None:
    opened = package.open_cache(cache)
    model = transformers.AutoModel.from_pretrained(whisper, dtype=torch.float32).eval().encoder
    extractor = transformers.AutoFeatureExtractor.from_pretrained(whisper)
    for clip_id in opened.clip_ids[::4]:
        samples, rate = soundfile.read(next((shared / "data" / "ravdess").glob(f"*/{clip_id}.flac")), dtype="float32")
        mel = extractor(samples, sampling_rate=rate, return_tensors="pt").input_features
        with torch.inference_mode():
            output = model(mel, output_hidden_states=True)
        n_frames = -(-len(samples) * 50 // rate)
        stack = torch.cat([*output.hidden_states[:-1], output.last_hidden_state])[:, :n_frames].numpy()
        stored = opened[clip_id].astype(np.float32)
        assert stored.shape == (n_frames, 5, 384)
        for layer in range(5):  # what storing as float16 costs, and no more
            difference = np.linalg.norm(stored[:, layer] - stack[layer]) / np.linalg.norm(stack[layer])
            assert difference < 5e-4, (clip_id, layer)


def test_the_byte_identical_pair_has_one_digest_and_sits_on_one_side(cache, ravfeat, tmp_path) -> None:
    records = package.open_cache(cache).records()
    pair = [records[f"03-01-03-01-02-0{take}-07"] for take in (1, 2)]
    assert pair[0].input_sha256 == pair[1].input_sha256
    assert len({record.input_sha256 for record in records.values()}) == len(records) - 1
    done = ravfeat(
        "fit-heads", "--cache", cache, "--protocol", "group4", "--head", "logreg", "--layers", "2-3",
        "--device", "cpu", "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text(encoding="utf-8"))
    tested = [fold["actors"] for fold in recipe["caches"][0]["folds"] if fold["split"] == "test"]
    assert sorted(actor for actors in tested for actor in actors) == [f"ravdess:{actor}" for actor in ACTORS]
    assert re.search(r"group4, select val, n=25", done.stdout)


def test_protocols_for_all_of_ravdess_send_a_part_of_it_to_a_group_protocol(cache, ravfeat, tmp_path) -> None:
    done = ravfeat("fit-heads", "--cache", cache, "--head", "logreg", "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "lacks 3-6,9-24" in done.stderr
    assert "use --protocol group4" in done.stderr


def test_the_weights_are_named_by_their_digest_and_computed_in_single_precision(whisper) -> None:
    encoder = load_encoder(str(whisper), "cpu")
    config = json.loads((whisper / "config.json").read_text(encoding="utf-8"))
    assert config["dtype"] == "float16"
    assert {values.dtype for values in encoder._model.parameters()} == {torch.float32}
    assert encoder.spec.n_layers == 5
    assert encoder.spec.weights == load_encoder(str(whisper.resolve()), "cpu").spec.weights
    assert len(bytes.fromhex(encoder.spec.weights)) == hashlib.sha256().digest_size
