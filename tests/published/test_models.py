"""From what a head recorded to the encoder that is loaded."""

import pytest

from ravfeat.errors import EncoderError
from ravfeat.published.models import ModelFinder
from ravfeat.published.parts import Need


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
