"""Heads trained on a device, beside the CPU: every head, both ways to choose, both precisions, in little memory."""

from typing import Any

import pytest
import torch

from ravfeat import resources
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads
from ravfeat.heads.registry import HEADS, several_streams
from ravfeat.resources import limited_memory
from tests.device.table import difference, logits_of

NETWORKS = ("attentive", "attentive-sum", "mlp", "joint")
QUICK: dict[str, Any] = {"epochs": 2, "hidden": 8}
ONE_CANDIDATE: dict[str, Any] = {"lrs": (1e-2,), "stream_dropouts": (0.0,)}
LARGEST = 1e-3


def fit(cache_of: Any, head: str, device: str, families: tuple[str, ...] = ("wavlm",), **options: Any) -> Fitted:
    """Train one head on the caches of families; those over several streams read a face beside them."""
    if several_streams(head):
        families = (*families, "vit")
    settings = (QUICK if head in NETWORKS else {}) | (ONE_CANDIDATE if head == "joint" else {})
    settings |= options.pop("settings", {})
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.max_memory_allocated()
    caches = tuple(cache_of(family) for family in families)
    fitted = fit_heads(FitPlan(caches, heads=(head,), protocol="group4", device=device, settings=settings, **options))
    if head in NETWORKS:
        assert (torch.cuda.max_memory_allocated() > before) == (device == "cuda")  # the first device, and no other
    return fitted


def compare(table: Any, family: str, head: str, option: str, device: Fitted, cpu: Fitted, largest: float) -> None:
    value = difference(logits_of(device.predictions), logits_of(cpu.predictions))
    table.add(family, head, option, value)
    assert value <= largest


@pytest.mark.parametrize("family", ["whisper", "hubert-group", "logmel"])
@pytest.mark.parametrize("head", HEADS)
def test_every_head_gives_the_logits_of_the_cpu_for_other_encoders(head, family, cache_of, table) -> None:
    runs = [fit(cache_of, head, device, (family,)) for device in ("cuda", "cpu")]
    compare(table, family, head, "val", *runs, LARGEST)


@pytest.mark.parametrize("select", ["val", "nested"])
@pytest.mark.parametrize("head", HEADS)
def test_every_head_gives_the_logits_of_the_cpu_whoever_chooses(head, select, cache_of, table) -> None:
    runs = [fit(cache_of, head, device, select=select, seeds=2) for device in ("cuda", "cpu")]
    compare(table, "wavlm", head, f"{select}, 2 seeds", *runs, LARGEST)


@pytest.mark.parametrize("head", NETWORKS)
def test_bfloat16_gives_the_logits_of_the_cpus_bfloat16(head, cache_of, table) -> None:
    runs = [fit(cache_of, head, device, settings={"precision": "bfloat16"}) for device in ("cuda", "cpu")]
    compare(table, "wavlm", head, "bfloat16", *runs, 0.02)


@pytest.mark.parametrize("frame_average", [1, 16])
@pytest.mark.parametrize("head", NETWORKS)
def test_little_memory_gives_the_logits_of_much(head, frame_average, cache_of, table, monkeypatch) -> None:
    monkeypatch.setattr(resources, "_LEAST", 0)
    settings = {"frame_average": frame_average}
    with limited_memory(400_000):
        streamed = fit(cache_of, head, "cuda", settings=settings)
    compare(table, "wavlm", head, f"400 kB, frame average {frame_average}", streamed,
            fit(cache_of, head, "cpu", settings=settings), LARGEST)  # fmt: skip


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is no second CUDA device")
@pytest.mark.parametrize("head", NETWORKS)
def test_the_second_device_gives_the_predictions_of_the_first(head, cache_of) -> None:
    first, second = (fit(cache_of, head, device) for device in ("cuda", "cuda:1"))
    assert second.predictions.table.equals(first.predictions.table)
