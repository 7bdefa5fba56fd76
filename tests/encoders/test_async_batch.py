"""Batches that are under way."""

from typing import Any

import numpy as np
import pytest
import torch

from ravfeat.encoders.async_batch import DeviceBatch
from ravfeat.encoders.base import EncoderInput, start_encoding
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.encoders.registry import load_encoder

STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


@pytest.mark.parametrize("settings", [STABLE, {}], ids=["padded", "equal"])
def test_what_is_begun_gives_what_encode_gives(settings, save_tiny, noise) -> None:
    encoder = load_encoder(str(save_tiny("WavLM", **settings)), "cpu")
    batch = [encoder.prepare(noise(n)) for n in (9_000, 4_000, 9_000)]
    encoding = start_encoding(encoder, batch)
    given = encoding.states()
    for one, two in zip(given, encoder.encode(batch), strict=True):
        np.testing.assert_array_equal(one, two)
    assert [states.shape for states in given] == [(clip.n_frames, 3, 32) for clip in batch]
    assert encoding.busy_s > 0


def test_an_encoder_without_a_device_is_through_when_it_has_begun(noise) -> None:
    encoder = LogMelEncoder()
    batch = [encoder.prepare(noise(4_000))]
    encoding = start_encoding(encoder, batch)
    np.testing.assert_array_equal(encoding.states()[0], encoder.encode(batch)[0])
    assert encoding.busy_s > 0


def test_memory_that_runs_out_is_noticed_when_a_batch_begins(save_tiny) -> None:
    encoder = load_encoder(str(save_tiny("WavLM")), "cpu")
    vast = EncoderInput(np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (1 << 45,), (0,)), np.zeros(1))
    with pytest.raises(MemoryError):
        start_encoding(encoder, [vast])


def test_a_failure_in_between_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), DeviceBatch(torch.device("cpu")):
        _ = 1 / 0


def test_tf32_is_recorded_and_left_as_it_was(save_tiny, noise) -> None:
    conv: Any = torch.backends.cudnn.conv
    before = conv.fp32_precision
    exact, rounded = (load_encoder(str(save_tiny("WavLM", **STABLE)), "cpu", tf32=tf32) for tf32 in (False, True))
    assert (exact.provenance()["tf32"], rounded.provenance()["tf32"]) == (False, True)
    assert exact.spec.identity() == rounded.spec.identity()
    rounded.encode([rounded.prepare(noise(4_000))])
    assert conv.fp32_precision == before
