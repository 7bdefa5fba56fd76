"""Where to compute."""

import pytest
import torch

from ravfeat.encoders.device import resolve_device
from ravfeat.errors import EncoderError, UsageError


def see(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("device", "count", "resolved"),
    [("cpu", 0, "cpu"), ("auto", 0, "cpu"), ("auto", 2, "cuda"), ("cuda", 1, "cuda"), ("cuda:1", 2, "cuda:1")],
)
def test_a_device_that_is_there_is_taken(device, count, resolved, monkeypatch) -> None:
    see(monkeypatch, count)
    assert resolve_device(device) == resolved


@pytest.mark.parametrize(("device", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_a_device_that_is_not_there_is_refused_with_a_remedy(device, count, monkeypatch) -> None:
    see(monkeypatch, count)
    with pytest.raises(EncoderError, match=rf"device '{device}' is not there: torch .* sees {count} CUDA devices; use"):
        resolve_device(device)


@pytest.mark.parametrize(
    ("cuda", "remedy"),
    [(None, "install a CUDA build of torch; torch .* is one without"),
     ("13.0", "check the driver with nvidia-smi; torch .* needs one for CUDA 13.0")],
)  # fmt: skip
def test_a_gpu_that_torch_cannot_use_is_not_passed_over_in_silence(cuda, remedy, monkeypatch) -> None:
    see(monkeypatch, 0)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr("ravfeat.encoders.device.has_nvidia_gpu", lambda: True)
    with pytest.warns(UserWarning, match=f"torch runs on the CPU, and there is a GPU: {remedy}"):
        assert resolve_device("auto") == "cpu"
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(EncoderError, match=f"device 'cuda' is not there: .*; use --device cpu, or {remedy}"):
        resolve_device("cuda")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""])
def test_another_name_is_a_wrong_call(device) -> None:
    with pytest.raises(UsageError, match="choose from auto, cpu, cuda, cuda:N"):
        resolve_device(device)
