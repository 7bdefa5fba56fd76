"""Heads trained and published on a device give the run's probabilities back there, and on the CPU."""

import numpy as np
import pytest
import torch

from ravfeat import load_head
from ravfeat.cache import open_cache
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run
from tests.device.table import difference

pytestmark = pytest.mark.filterwarnings("ignore:.*are of those that these heads learned from:UserWarning")

FOLDS = (0, 1, 2, 3, "refit", "mean")


@pytest.fixture(scope="module")
def caches(cache_of):
    return [cache_of("wavlm"), cache_of("vit")]


@pytest.fixture(scope="module")
def published(caches, device, tmp_path_factory):
    """A run of two streams on the device, fused, and what was published of it there. Read only."""
    home = tmp_path_factory.mktemp("published")
    heads = ("audio:attentive", "audio:logreg", "face:attentive-sum")
    plan = FitPlan(
        tuple(caches), heads=heads, protocol="group4", settings={"epochs": 2, "hidden": 8}, device=device, seeds=2
    )
    write_run(home / "run", fit_heads(plan), {"command": "ravfeat fit-heads"})
    exported = export_heads(home / "run", home / "heads", refitted=True, device=device)
    return home / "heads", exported


def test_published_heads_are_checked_bit_for_bit_on_the_device(published) -> None:
    assert "identical, bit for bit" in published[1].check


@pytest.mark.parametrize("fold", FOLDS)
def test_probabilities_on_the_device_are_those_of_the_cpu(fold, published, caches, table) -> None:
    clips = open_cache(caches[0]).clip_ids
    on_device, on_cpu = (
        load_head(published[0], device=device).probabilities(caches, clips, fold=fold) for device in ("cuda", "cpu")
    )
    assert on_device.keys() == on_cpu.keys()
    for system, probs in on_device.items():
        value = difference(probs, on_cpu[system])
        table.add("wavlm + vit", f"published {system.head}", "probabilities", value)
        assert value < 1e-5


def test_a_head_on_the_second_device_predicts_the_same(published, caches) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("there is no second CUDA device")
    clips = open_cache(caches[0]).clip_ids[:3]
    first, second = (
        load_head(published[0], device=device).predict(caches, clips, fold="mean") for device in ("cuda:0", "cuda:1")
    )
    np.testing.assert_array_equal(first, second)
