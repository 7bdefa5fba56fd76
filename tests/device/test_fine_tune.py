"""Fine-tuning on a device: interrupted and gone on with, beside the CPU."""

import numpy as np
import pytest
import torch

from tests.device.table import difference, logits_of
from tests.finetune.conftest import encoders, plan_of, spoken
from tests.finetune.test_run import Stop, run, same, stop_after

__all__ = ["encoders", "plan_of", "spoken"]


@pytest.fixture(scope="module")
def whole(plan_of, device, tmp_path_factory):
    """Uninterrupted runs of both layouts on the device, weights kept."""
    home = tmp_path_factory.mktemp("whole")
    return {
        layout: run(plan_of(layout, keep_weights=True, device=device), home / layout) for layout in ("stable", "group")
    }


@pytest.mark.parametrize(("layout", "steps"), [("stable", 1), ("stable", 3), ("group", 5)])
def test_an_interrupted_run_gives_what_an_uninterrupted_one_gives(
    layout, steps, whole, plan_of, device, tmp_path, monkeypatch
) -> None:
    plan = plan_of(layout, keep_weights=True, device=device)
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Stop):
            run(plan, tmp_path / "work")
    torch.cuda.manual_seed(steps)  # nothing depends on where the device's own generator stands
    again = run(plan, tmp_path / "work")
    assert same(again, whole[layout])
    for model, expected in zip(again.models, whole[layout].models, strict=True):
        arrays = expected.model.arrays()
        assert all(np.array_equal(value, arrays[name]) for name, value in model.model.arrays().items())


@pytest.mark.parametrize("layout", ["stable", "group"])
def test_either_precision_is_near_float32_on_the_cpu(layout, whole, plan_of, device, table, tmp_path) -> None:
    on_cpu = run(plan_of(layout), tmp_path / "cpu")
    exact = run(plan_of(layout, device=device, precision="float32"), tmp_path / "device")
    for precision, fitted, largest in (("float32", exact, 1e-3), ("bfloat16", whole[layout], 0.05)):
        value = difference(logits_of(fitted.predictions), logits_of(on_cpu.predictions))
        table.add(f"wavlm ({layout})", "fine-tuned, attentive", f"{precision}, CPU: float32", value)
        assert value < largest


@pytest.mark.parametrize(("family", "context"), [("whisper", "clip"), ("hubert", "encoder")])
def test_other_families_are_near_float32_on_the_cpu(family, context, plan_of, encoder_of, table, tmp_path) -> None:
    options = {"encoder": encoder_of(family), "unfreeze_top": 1, "context": context, "folds": (0,)}
    on_device, on_cpu = (run(plan_of(**options, device=device), tmp_path / device) for device in ("cuda", "cpu"))
    value = difference(logits_of(on_device.predictions), logits_of(on_cpu.predictions))
    table.add(family, "fine-tuned, attentive", f"context {context}, bfloat16, CPU: float32", value)
    assert value < 0.05


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is no second CUDA device")
def test_the_second_device_gives_the_predictions_of_the_first(plan_of, tmp_path) -> None:
    first, second = (run(plan_of(folds=(0,), device=device), tmp_path / device) for device in ("cuda:0", "cuda:1"))
    assert same(first, second)
