"""Batches under way on a device."""

import numpy as np
import torch

from ravfeat.encoders.async_batch import send
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
