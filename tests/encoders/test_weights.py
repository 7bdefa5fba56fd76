"""Digests of weights, and weights from a hub that is a server on this machine."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from ravfeat.encoders.registry import load_encoder
from ravfeat.encoders.weights import fetch_weights, open_weights
from ravfeat.errors import EncoderError
from tests.toyhub import REPOSITORY, REVISION, Hub, serve_model, use_hub

STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


# --- the digest


def test_the_digest_survives_loading_and_saving_under_another_name(save_tiny, tmp_path) -> None:
    folder = save_tiny("WavLM", **STABLE)
    transformers.AutoModel.from_pretrained(folder).save_pretrained(tmp_path / "elsewhere")
    assert open_weights(tmp_path / "elsewhere").digest == open_weights(folder).digest


def test_the_digest_changes_with_one_weight(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    before = open_weights(folder).digest
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer_norm.weight"][3] += 1e-6
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert open_weights(folder).digest != before


def test_the_digest_changes_with_a_setting_that_changes_the_features(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    before = open_weights(folder).digest
    edit_config(folder, layer_norm_eps=1e-3)
    assert open_weights(folder).digest != before


def test_the_digest_ignores_versions_names_and_how_weights_were_stored(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    before = open_weights(folder).digest
    edit_config(
        folder, transformers_version="4.40.0", _name_or_path="somewhere/wavlm", torch_dtype="float32",
        architectures=["WavLMForCTC"],
    )  # fmt: skip
    assert open_weights(folder).digest == before


def test_safetensors_are_taken_where_both_kinds_of_weights_are_there(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.fp32-index.h5").write_bytes(b"")
    assert [path.name for path in open_weights(folder).files] == ["model.safetensors"]


def test_weights_in_several_files_load_and_are_all_part_of_the_digest(make_tiny, save_model, tmp_path) -> None:
    save_model(make_tiny("WavLM", **STABLE), tmp_path / "split", max_shard_size="100KB")
    folder = open_weights(tmp_path / "split")
    assert len(folder.files) > 1
    assert load_encoder(str(tmp_path / "split"), "cpu").spec.n_layers == 3
    before = folder.digest
    changed = load_file(folder.files[-1])
    next(iter(changed.values())).add_(1e-6)
    save_file(changed, folder.files[-1], metadata={"format": "pt"})
    assert open_weights(tmp_path / "split").digest != before


# --- the hub


@pytest.fixture
def hub(save_tiny) -> Iterator[Hub]:
    folder = save_tiny("WavLM", name="on-the-hub", **STABLE)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    with serve_model(folder, {"flax_model.msgpack": b"large", "model.fp16.safetensors": b"half"}) as hub:
        yield hub


def fetch(home: Path, url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the hub's client reads its settings when it is imported."""
    script = (
        "import sys\n"
        "from ravfeat.encoders.weights import fetch_weights\n"
        "from ravfeat.errors import EncoderError\n"
        "try:\n"
        f"    print(fetch_weights({REPOSITORY!r}, {REVISION!r}).path)\n"
        "except EncoderError as error:\n"
        "    sys.exit(str(error))\n"
    )
    own = {"HF_HOME": str(home), "HF_ENDPOINT": url, "no_proxy": "*", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-c", script], env=kept | own | environment, capture_output=True, text=True, check=False
    )


def test_an_encoder_is_fetched_once_at_its_revision_and_only_what_is_needed(hub, tmp_path) -> None:
    first = fetch(tmp_path / "home", hub.url)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert folder.name == REVISION
    wanted = {"config.json", "preprocessor_config.json", "model.safetensors", "README.md"}
    assert {path.name for path in folder.iterdir()} == hub.fetched == wanted
    encoder = load_encoder(str(folder), "cpu")
    assert "samples as they are/1" in encoder.spec.preprocessing
    # Again, with nobody listening at another address, and then without any network.
    nobody = "http://127.0.0.1:9"
    again = fetch(tmp_path / "home", nobody)
    assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    offline = fetch(tmp_path / "home", nobody, HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stdout) == (0, first.stdout), offline.stderr


def test_the_settings_of_a_processor_are_fetched_too(hub, tmp_path) -> None:
    settings = json.loads(hub.repository(REPOSITORY).files.pop("preprocessor_config.json"))
    hub.repository(REPOSITORY).files["processor_config.json"] = json.dumps(
        {"feature_extractor": settings | {"sampling_rate": 8_000}}
    ).encode()
    done = fetch(tmp_path / "home", hub.url)
    assert done.returncode == 0, done.stderr
    assert hub.fetched == {"config.json", "processor_config.json", "model.safetensors", "README.md"}
    steps = load_encoder(done.stdout.strip(), "cpu").spec.preprocessing
    assert steps[-2:] == ("8000 Hz", "samples as they are/1")


def test_pytorch_weights_are_fetched_where_there_are_no_others(hub, tmp_path) -> None:
    hub.repository(REPOSITORY).files["pytorch_model.bin"] = b"any bytes"
    del hub.repository(REPOSITORY).files["model.safetensors"]
    done = fetch(tmp_path / "home", hub.url)
    assert done.returncode == 0, done.stderr
    assert hub.fetched == {"config.json", "preprocessor_config.json", "pytorch_model.bin", "README.md"}
    assert [path.name for path in open_weights(Path(done.stdout.strip())).files] == ["pytorch_model.bin"]


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"HF_HUB_OFFLINE": "1"}, id="offline"),
        pytest.param({}, id="unreachable", marks=pytest.mark.slow),  # the client tries again for half a minute
    ],
)
def test_without_a_hub_and_a_copy_the_user_is_told_how_to_bring_one(tmp_path, environment) -> None:
    done = fetch(tmp_path / "home", "http://127.0.0.1:9", **environment)
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert "neither on this machine nor reachable on the Hugging Face hub" in line
    assert f"hf download {REPOSITORY} --revision {REVISION} --local-dir FOLDER" in line


@pytest.fixture
def snapshot(hub, monkeypatch, tmp_path) -> Path:
    """What this process fetched from the hub."""
    use_hub(monkeypatch, hub.url, tmp_path / "home")
    folder = fetch_weights(REPOSITORY, REVISION).path
    hub.requests.clear()
    return folder


def test_of_a_commit_that_is_here_whole_nothing_is_asked(hub, snapshot) -> None:
    (trees,) = snapshot.parents[1].glob("trees")
    for spoil in (lambda: None, lambda: (snapshot / "README.md").unlink(), lambda: shutil.rmtree(trees)):
        spoil()  # the card is not needed; older clients of the hub kept no list of a commit's files
        assert fetch_weights(REPOSITORY, REVISION).source == {"repository": REPOSITORY, "revision": REVISION}
    assert not hub.requests


@pytest.mark.parametrize("name", ["preprocessor_config.json", "model.safetensors", "config.json"])
def test_what_is_missing_of_a_commit_is_fetched(hub, snapshot, name) -> None:
    (snapshot / name).unlink()
    with pytest.raises(EncoderError, match=r"neither on this machine .*: --model mine=FOLDER"):
        fetch_weights(REPOSITORY, REVISION, offline=True, option="--model mine=FOLDER")
    assert not hub.requests
    assert (fetch_weights(REPOSITORY, REVISION).path / name).is_file()
    assert hub.requests


def test_a_repository_that_is_not_there_is_refused(hub, tmp_path) -> None:
    hub.repository(REPOSITORY).files.clear()
    done = fetch(tmp_path / "home", hub.url)
    assert done.returncode == 1
    assert "has no config.json" in done.stderr
