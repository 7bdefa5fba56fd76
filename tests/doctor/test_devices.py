"""GPUs as torch and onnxruntime see them; here there is none, so torch's answers are replaced."""

import warnings
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest
import torch

from ravfeat.doctor import devices
from ravfeat.doctor.devices import check_onnxruntime, check_torch
from ravfeat.encoders import onnx_providers


@pytest.fixture
def driver(monkeypatch) -> None:
    """A driver that shows a GPU."""
    monkeypatch.setattr(devices, "has_nvidia_gpu", lambda: True)
    monkeypatch.setattr(onnx_providers, "has_nvidia_gpu", lambda: True)


def gpus(monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda n: SimpleNamespace(name=f"GPU {n}"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda n: capabilities[n])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda n: (3_000_000_000, 8_000_000_000))
    monkeypatch.setattr(torch.version, "cuda", "13.0")


def test_every_device_has_a_line(monkeypatch) -> None:
    gpus(monkeypatch, (9, 0), (7, 5))
    new, old = check_torch(torch)
    assert (new.name, new.state) == ("cuda:0", "ok")
    assert new.text == "GPU 0, capability 9.0, 3.0 of 8.0 GB free, bf16 yes; CUDA 13.0"
    assert old.text == "GPU 1, capability 7.5, 3.0 of 8.0 GB free, bf16 no; CUDA 13.0"
    assert old.values == {
        "name": "GPU 1", "capability": [7, 5], "total_bytes": 8_000_000_000, "free_bytes": 3_000_000_000, "bf16": False,
        "torch_cuda": "13.0",
    }  # fmt: skip


def test_a_device_that_fails_is_a_problem_and_the_next_one_is_shown(monkeypatch) -> None:
    gpus(monkeypatch, (9, 0), (9, 0))

    def busy(number: int) -> tuple[int, int]:
        if number == 0:
            raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nmore")
        return 1, 2

    monkeypatch.setattr(torch.cuda, "mem_get_info", busy)
    first, second = check_torch(torch)
    assert (first.state, first.text) == (
        "problem", "cannot be used (CUDA error: all CUDA-capable devices are busy or unavailable)",
    )  # fmt: skip
    assert second.state == "ok"


def test_without_a_gpu_the_cpu_computes() -> None:
    (finding,) = check_torch(torch)
    assert (finding.state, finding.breaks) == ("missing", False)
    assert finding.text == f"no NVIDIA GPU, so the CPU computes (torch {torch.__version__}, without CUDA)"
    assert check_torch(None) == []


@pytest.mark.usefixtures("driver")
def test_a_gpu_that_torch_does_not_use_is_a_problem_with_torchs_reason(monkeypatch) -> None:
    def no() -> bool:
        warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old\nplease", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", no)
    (finding,) = check_torch(torch)
    assert finding.state == "problem"
    assert "there is an NVIDIA GPU that is not used: torch" in finding.text
    assert finding.text.endswith("CUDA initialization: The NVIDIA driver on your system is too old")
    assert [finding.state for finding in check_torch(None)] == ["problem"]


def test_apples_gpus_are_said_to_be_unused(monkeypatch) -> None:
    monkeypatch.setattr(devices.platform, "system", lambda: "Darwin")
    assert [finding.name for finding in check_torch(torch)] == ["cuda", "mps"]


def test_the_runtime_of_this_machine_runs_a_net() -> None:
    (finding,) = check_onnxruntime(onnxruntime)
    assert finding.state == "ok"
    assert finding.text.startswith(f"onnxruntime {onnxruntime.__version__}, ")
    assert finding.text.endswith("; ONNX nets run on the CPU")
    assert "CPUExecutionProvider" in finding.values["providers"]
    assert check_onnxruntime(None) == []


@pytest.mark.usefixtures("driver")
def test_a_runtime_without_cuda_on_a_machine_with_a_gpu_is_a_problem(capfd) -> None:
    (finding,) = check_onnxruntime(onnxruntime)
    assert finding.state == "problem"
    assert "ONNX nets run on the CPU and not on the GPU (it was built without CUDA)" in finding.text
    assert "ravfeat[face-gpu]" in finding.remedy
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("driver")
def test_cuda_that_does_not_start_has_its_reason(monkeypatch, capfd) -> None:
    real = onnxruntime.InferenceSession

    def begin(content: bytes, providers: list[Any]) -> Any:
        if len(providers) > 1:
            print("EP Error CUDA failure 35: CUDA driver version is insufficient")
        return real(content, providers=providers[-1:])

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", begin)
    (finding,) = check_onnxruntime(onnxruntime)
    assert finding.state == "problem"
    assert "(CUDA failure 35: CUDA driver version is insufficient)" in finding.text
    assert capfd.readouterr() == ("", "")


def test_a_runtime_that_runs_nothing_is_broken(monkeypatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("illegal instruction")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    (finding,) = check_onnxruntime(onnxruntime)
    assert finding.breaks
    assert finding.text.endswith("illegal instruction")
