import tomllib

import numpy as np
import pytest

from ravfeat.errors import HeadError
from ravfeat.heads.checkpoint import FORMAT_VERSION, load_model, save_model
from ravfeat.heads.registry import HEADS, get_head
from tests.heads.conftest import OF_ONE_CACHE
from tests.toyhead import RecurrentHead

CHOICES = {
    "logreg": {"layers": [1, 2], "C": 3.0},
    "kernel": {"layers": [2, 3], "gamma": 0.5, "alpha": 0.1},
    "svm": {"layers": [2, 3], "gamma": 0.5, "C": 3.0},
    "lda": {"layers": [1, 2], "shrinkage": 0.5},
    "block-kernel": {"layers": [2, 3], "gamma": 0.5, "alpha": 0.1},
    "joint": {"epochs": 2, "lr": 1e-3, "stream_dropout": 0.0},
}
"""What is chosen for a head; of any other network, an epoch."""


@pytest.fixture(autouse=True)
def _toy_head(monkeypatch):
    monkeypatch.setitem(HEADS, RecurrentHead.name, RecurrentHead)


def trained(name, problem, **settings):
    head, choice = get_head(name, **settings), CHOICES.get(name, {"epochs": 2})
    return head.fit(problem.features, problem.y, problem.n_classes, [problem.job()], [choice])[0]


@pytest.mark.parametrize("settings", [{}, {"std": False, "layers": (2, 3, 1)}], ids=["default", "ablation"])
@pytest.mark.parametrize("name", [*OF_ONE_CACHE, RecurrentHead.name])
def test_a_reloaded_head_gives_identical_logits(name, settings, problem, tmp_path):
    model = trained(name, problem, **settings)
    save_model(tmp_path / "made" / "fold-0.seed-1", model)
    again = load_model(tmp_path / "made" / "fold-0.seed-1")
    np.testing.assert_array_equal(
        again.logits(problem.features, problem.test), model.logits(problem.features, problem.test)
    )
    assert again.recipe == model.recipe
    assert again.layer_weights == model.layer_weights
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"fold-0.seed-1.safetensors", "fold-0.seed-1.toml"}


def test_the_recipe_is_toml_with_version_choice_and_layer_weights(problem, tmp_path):
    save_model(tmp_path / "head", trained("attentive", problem))
    document = tomllib.loads((tmp_path / "head.toml").read_text())
    assert document["format_version"] == FORMAT_VERSION
    assert document["recipe"]["head"] == "attentive"
    assert document["recipe"]["chosen"] == {"epochs": 2}
    assert "device" not in document["recipe"]["settings"]
    assert sum(document["layer_weights"].values()) == pytest.approx(1)


def test_a_missing_file_is_named(problem, tmp_path):
    save_model(tmp_path / "head", trained("logreg", problem))
    (tmp_path / "head.safetensors").unlink()
    with pytest.raises(HeadError, match=r"head\.safetensors is missing"):
        load_model(tmp_path / "head")


def test_a_damaged_file_is_refused(problem, tmp_path):
    save_model(tmp_path / "head", trained("logreg", problem))
    (tmp_path / "head.safetensors").write_bytes(b"not tensors")
    with pytest.raises(HeadError, match="is damaged"):
        load_model(tmp_path / "head")


def test_a_newer_format_is_refused(problem, tmp_path):
    save_model(tmp_path / "head", trained("logreg", problem))
    recipe = tmp_path / "head.toml"
    recipe.write_text(recipe.read_text().replace("format_version = 1", "format_version = 2"))
    with pytest.raises(HeadError, match="this ravfeat reads ravfeat-head version 1"):
        load_model(tmp_path / "head")


def test_a_head_of_another_width_is_refused(problem, make_problem, tmp_path):
    save_model(tmp_path / "head", trained("attentive", problem))
    other = make_problem(dim=5)
    with pytest.raises(HeadError, match="of 12 dimensions, these features are frames of 5"):
        load_model(tmp_path / "head").logits(other.features, other.test)
