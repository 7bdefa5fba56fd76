"""Fine-tuning on a device with little memory, and on one without bfloat16."""

import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from ravfeat.finetune import fine_tune, prepare
from ravfeat.finetune.network import FineTuneNetwork
from tests.finetune.conftest import encoders, plan_of, spoken

__all__ = ["encoders", "plan_of", "spoken"]


@pytest.fixture
def limit() -> Iterator[Callable[[float], None]]:
    """Leaves so many megabytes of the device free."""
    if "fakecuda" not in sys.modules:
        pytest.skip("the memory of a real device is not limited")
    ext = sys.modules["fakecuda"].ext
    before = ext.memory(0)[2]

    def leave(megabytes: float) -> None:
        ext.set_limit(0, int(ext.memory(0)[0] + megabytes * 1e6))

    yield leave
    ext.set_limit(0, before)


@pytest.fixture(scope="module")
def plan(plan_of) -> Callable[..., object]:
    return lambda **changes: plan_of(**{"folds": (0,), "augment": "clean", "precision": "float32"} | changes)


@pytest.fixture(scope="module")
def whole(plan, tmp_path_factory) -> np.ndarray:
    """Logits of a fold where there is memory enough."""
    return fine_tune(prepare(plan(device="cuda")), tmp_path_factory.mktemp("whole") / "work").predictions.logits()


def test_a_device_learns_what_the_processor_learns(plan, whole, tmp_path) -> None:
    on_cpu = fine_tune(prepare(plan()), tmp_path / "work").predictions.logits()
    np.testing.assert_allclose(whole, on_cpu, atol=1e-4)


def test_where_memory_runs_out_layers_are_computed_again_to_the_same_numbers(
    plan, whole, tmp_path, limit, caplog
) -> None:
    caplog.set_level("INFO", "ravfeat")
    prepared = prepare(plan(device="cuda"))
    limit(3.1)  # 3.5 MB with everything kept, 2.7 MB without
    np.testing.assert_array_equal(fine_tune(prepared, tmp_path / "work").predictions.logits(), whole)
    assert caplog.text.count("layers keep only their input") == 1


def test_what_was_trained_before_memory_ran_out_is_kept(plan, whole, tmp_path, limit, monkeypatch) -> None:
    prepared, backward, steps = prepare(plan(device="cuda")), FineTuneNetwork.backward, []

    def short(self, *arguments):
        steps.append(1)
        if len(steps) == 3:  # the second epoch
            limit(0.001)
        backward(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(FineTuneNetwork, "backward", short)
        with pytest.raises(MemoryError, match="CUDA out of memory"):
            fine_tune(prepared, tmp_path / "work")
    limit(1000)
    again = prepare(plan(device="cuda"))
    np.testing.assert_array_equal(fine_tune(again, tmp_path / "work").predictions.logits(), whole)


@pytest.mark.parametrize(("capability", "half"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bfloat16_is_for_devices_that_compute_in_it(capability, half, plan, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    prepared = prepare(plan(device="cuda", precision="auto"))
    assert prepared.half == half
    assert prepared.recipe()["precision"].startswith("bfloat16" if half else "float32")


@pytest.mark.parametrize(("precision", "half"), [("float32", False), ("bfloat16", True)])
def test_a_precision_that_is_named_is_taken(precision, half, plan) -> None:
    assert prepare(plan(device="cuda", precision=precision)).half == half
