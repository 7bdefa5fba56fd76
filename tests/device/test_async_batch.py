"""Batches under way on a device."""

import numpy as np
import pytest
import torch

from ravfeat.encoders import async_batch
from ravfeat.encoders.async_batch import DeviceBatch, send
from ravfeat.encoders.base import start_encoding
from ravfeat.encoders.registry import load_encoder

STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


def test_batches_queue_on_the_device_and_the_numbers_are_those_of_the_cpu(save_tiny, noise) -> None:
    folder = str(save_tiny("WavLM", **STABLE))
    on_cpu, on_gpu = load_encoder(folder, "cpu"), load_encoder(folder, "cuda")
    batch = [on_cpu.prepare(noise(n)) for n in (9_000, 4_000)]
    queued = [start_encoding(on_gpu, batch) for _ in range(3)]
    for encoding in queued:
        for states, expected in zip(encoding.states(), on_cpu.encode(batch), strict=True):
            np.testing.assert_allclose(states, expected, rtol=1e-3, atol=1e-4)
        assert encoding.busy_s > 0
    assert send(torch.ones(3), torch.device("cuda")).is_cuda


@pytest.mark.parametrize("floats", [1 << 26, 100, 3], ids=["one block", "some blocks", "a block for each"])
def test_clips_share_pinned_blocks(floats, monkeypatch) -> None:
    monkeypatch.setattr(async_batch, "BLOCK_FLOATS", floats)
    stacks = [torch.arange(float(2 * n * 3), device="cuda").view(2, n, 3) for n in (5, 7, 0, 4, 9)]
    with DeviceBatch(torch.device("cuda")) as batch:
        batch.fetch(stacks)
    blocks = {stack.untyped_storage().data_ptr(): stack.untyped_storage().nbytes() for stack in batch._stacks}
    assert all(stack.is_pinned() for stack in batch._stacks if stack.numel())
    assert len(blocks) == {1 << 26: 1, 100: 2, 3: 4}[floats]
    assert sum(blocks.values()) <= 4 * (sum(stack.numel() for stack in stacks) + 30)
    for given, stack in zip(batch.states(), stacks, strict=True):
        np.testing.assert_array_equal(given, stack.cpu().numpy().transpose(1, 0, 2))
