"""From what a cache says of its encoder to the head, and from what a head recorded to the encoder that is loaded."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ravfeat import load_head
from ravfeat.cache import open_cache
from ravfeat.encoders.base import EncoderSpec
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import EncoderError, UsageError
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.faces.source import FaceOptions
from ravfeat.files import sha256_of
from ravfeat.model_origin import ModelOrigin
from ravfeat.published.export import export_heads
from ravfeat.published.head_models import load_head_models
from ravfeat.published.models import ModelFinder
from ravfeat.published.parts import Need
from ravfeat.runs.write import write_run
from tests.tinyfaces import write_net
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


def need(stream="audio", model=None, **identity):
    facts = {"stream": stream, "weights": "ab" * 32, "layer_convention": "x/1", "preprocessing": ["x/1"]}
    return Need("mine", "0123456789ab", facts | identity, "0" * 64, None, model)


def test_imported_features_have_no_encoder() -> None:
    with pytest.raises(EncoderError, match=r"'mine' .* were imported from files of another program, and no encoder"):
        ModelFinder().load(need(layer_convention="as imported/1"))


def test_a_branch_is_not_fetched_for_a_head() -> None:
    model = {"kind": "transformers", "repository": "somebody/model", "revision": "main"}
    with pytest.raises(EncoderError, match=r"somebody/model at main.*does not say where that model is to be had; name"):
        ModelFinder().load(need(model=model))


def test_steps_of_another_version_are_named() -> None:
    with pytest.raises(EncoderError, match=r"read by steps that this ravfeat does not know \(\['x/1'\]\); use the"):
        ModelFinder(models={"mine": "net.onnx"}).load(need("face"))


# --- from cache to head


def run_of(folder: Path, spec: EncoderSpec) -> Path:
    """A run on a cache that passes for one of an encoder."""
    cache = write_cache(folder, actors_and_emotions(actors=6), spec=spec)
    write_run(folder / "run", fit_heads(FitPlan((cache,), heads=("logreg",), protocol="group3", layers="1")), {})
    return folder / "run"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX net. Read only."""
    return write_net(tmp_path_factory.mktemp("net") / "toy.onnx")


@pytest.fixture(scope="module")
def spec(net) -> EncoderSpec:
    """Of that net, on pictures that are crops already."""
    spec = load_encoder(str(net), "cpu", faces=FaceOptions(cropped=True, fps=5, margin=1.25)).spec
    place = ModelOrigin(repository="somebody/net", revision="c0ffee" * 6 + "c0de", licence="mine | yours")
    return replace(spec, source={**spec.source, **place})


@pytest.fixture(scope="module")
def told(spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose cache says where its encoder comes from. Read only."""
    return run_of(tmp_path_factory.mktemp("told"), spec)


@pytest.fixture(scope="module")
def silent(spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of before caches said it. Read only."""
    return run_of(tmp_path_factory.mktemp("silent"), replace(spec, source={}))


def model_of(head: Path) -> Any:
    (system,) = tomllib.loads((head / "head.toml").read_text(encoding="utf-8"))["systems"]
    return system["caches"][0].get("model")


def test_what_a_cache_says_of_its_encoder_goes_to_the_recipe_and_the_head(told, spec, net, tmp_path) -> None:
    (entry,) = json.loads((told / "recipe.json").read_text(encoding="utf-8"))["caches"]
    assert spec.source["files"] == {"toy.onnx": sha256_of(net)}
    assert entry["source"] == spec.source == open_cache(Path(entry["path"])).source
    export_heads(told, tmp_path / "head")
    assert model_of(tmp_path / "head") == spec.source
    card = (tmp_path / "head" / "card.md").read_text(encoding="utf-8")
    assert f"| `tiny` | `somebody/net` at `{'c0ffee' * 6}c0de` | mine \\| yours | `{spec.weights}` |" in card
    assert load_head(tmp_path / "head").parts[0].needs[0].model == spec.source


def test_what_the_head_says_makes_its_encoder_again_without_the_settings_beside_the_net(
    told, spec, net, tmp_path, monkeypatch
) -> None:
    export_heads(told, tmp_path / "head", unchecked=True)
    head = load_head(tmp_path / "head")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        EncoderError, match=rf"no net in {tmp_path}/ravfeat/models has that digest; put toy\.onnx there"
    ):
        load_head_models(head, device="cpu", offline=True)
    (tmp_path / "ravfeat" / "models").mkdir(parents=True)
    (tmp_path / "ravfeat" / "models" / "any-name.onnx").write_bytes(net.read_bytes())
    (group,) = load_head_models(head, device="cpu", offline=True).groups
    (encoder,) = group.encoders.values()
    assert encoder.spec.identity() == spec.identity()
    assert (group.source.fps, group.source.cropped) == (5.0, True)


def test_the_model_of_a_silent_cache_is_named_at_export_and_held_against_the_features(
    silent, spec, net, tmp_path
) -> None:
    assert "source" not in json.loads((silent / "recipe.json").read_text(encoding="utf-8"))["caches"][0]
    export_heads(silent, tmp_path / "head", unchecked=True)
    assert model_of(tmp_path / "head") is None
    export_heads(silent, tmp_path / "named", models={spec.name: str(net)})
    assert (
        model_of(tmp_path / "named")
        == load_encoder(str(net), "cpu", faces=FaceOptions(cropped=True, fps=5, margin=1.25)).spec.source
    )


def test_a_model_of_other_features_is_not_recorded(silent, spec, net, tmp_path) -> None:
    other = write_net(tmp_path / "toy.onnx")
    other.with_suffix(".toml").write_text('colour = "bgr"\ndivide_by = 255\nembedding = "features"')
    with pytest.raises(EncoderError, match=r"makes others: step 4 is bgr, .*, expected rgb, .*: --model tiny=FOLDER"):
        export_heads(silent, tmp_path / "head", models={spec.name: str(other)})
    other.write_bytes(other.read_bytes() + b"\x42\x00")  # an empty set of operators
    with pytest.raises(EncoderError, match=rf"model with the digest {sha256_of(other)}, expected {spec.weights}"):
        export_heads(silent, tmp_path / "head", models={spec.name: str(other)})
    with pytest.raises(UsageError, match="run reads no features of 'wavlm'; name one of tiny"):
        export_heads(silent, tmp_path / "head", models={"wavlm": "logmel"})
    assert not (tmp_path / "head").exists()


def test_a_place_that_the_hub_cannot_have_is_not_published(spec, tmp_path) -> None:
    run = run_of(tmp_path, replace(spec, source={**spec.source, "repository": "none", "revision": "0"}))
    export_heads(run, tmp_path / "head", unchecked=True)
    assert model_of(tmp_path / "head") == {
        name: value for name, value in spec.source.items() if name not in ("repository", "revision")
    }
