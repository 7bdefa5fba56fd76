"""CUDA for ONNX nets: what is asked of onnxruntime, and what is said where it does without."""

import os
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from ravfeat.encoders import onnx_providers
from ravfeat.encoders.onnx_providers import CPU, CUDA, cuda_reason, providers_for, remedy
from ravfeat.encoders.onnx_session import open_session
from ravfeat.encoders.onnx_sidecar import read_sidecar
from ravfeat.errors import EncoderError, UsageError
from tests.toynets import write_net, write_settings

NOISE = (
    "\x1b[0;93m2026-11-29 07:07:36.42 [W:onnxruntime:Default, onnxruntime_pybind_state.cc:856 operator()] No registered"
    " plugin EP device found for 'CUDAExecutionProvider' with device_id=0\x1b[m\n"
    "\x1b[1;31m2026-11-29 07:07:36.43 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] /src/"
    "provider_bridge_ort.cc:2043 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 :"
    " FAIL : Failed to load library /venv/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open"
    " shared object file: No such file or directory\n\x1b[m\n"
    "\x1b[0;93m2026-11-29 07:07:36.43 [W:onnxruntime:Default, onnxruntime_pybind_state.cc:1295"
    " CreateExecutionProviderFactoryInstance] Failed to create CUDAExecutionProvider. Require cuDNN 9.* and CUDA 13.*."
    " Please install all dependencies as mentioned in the GPU requirements page.\x1b[m\n"
)
"""What onnxruntime-gpu 1.31.1 writes on a machine without CUDA."""

REASON = (
    "Failed to load library /venv/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared"
    " object file: No such file or directory; Failed to create CUDAExecutionProvider. Require cuDNN 9.* and CUDA 13.*."
)


def start(folder: Path, device: str) -> Any:
    write_net(folder / "toy.onnx")
    write_settings(folder / "toy.onnx", "embedding = 'means'")
    return open_session(read_sidecar(folder / "toy.toml"), device)


@pytest.fixture
def gpu(monkeypatch) -> None:
    monkeypatch.setattr(onnx_providers, "has_nvidia_gpu", lambda: True)


@pytest.fixture
def falls_back(monkeypatch) -> list[Any]:
    """A build that lists CUDA, and says on the error stream only that it goes on without."""
    real = onnxruntime.InferenceSession
    asked: list[Any] = []

    def begin(content: bytes, options: Any, providers: list[Any], **_: int) -> Any:
        asked.extend(providers)
        os.write(2, NOISE.encode())
        print("Failed to load libcurand.so.10")
        return real(content, options, providers=providers[-1:])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", begin)
    return asked


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_the_reason_why_cuda_did_not_come_is_in_the_message(device, falls_back, tmp_path, capfd) -> None:
    with pytest.raises(EncoderError) as caught:
        start(tmp_path, device)
    assert f"device '{device}': onnxruntime cannot use CUDA for {tmp_path / 'toy.onnx'} ({REASON}); " in str(
        caught.value
    )
    assert str(caught.value).endswith("; or use --device cpu")
    assert capfd.readouterr() == ("", "")
    (name, options), *_ = falls_back
    assert name == CUDA
    number = device.removeprefix("cuda").lstrip(":") or "0"
    assert options == {"device_id": number, "use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}


@pytest.mark.usefixtures("falls_back")
def test_auto_is_silent_where_there_is_no_gpu(tmp_path, capfd) -> None:
    assert start(tmp_path, "auto").get_providers() == [CPU]
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("falls_back", "gpu")
def test_auto_warns_with_the_reason_where_there_is_one(tmp_path) -> None:
    with pytest.warns(UserWarning, match=r"ONNX nets run on the CPU, and there is a GPU: .*libcublasLt.so.13"):
        assert start(tmp_path, "auto").get_providers() == [CPU]


@pytest.mark.usefixtures("gpu")
def test_a_runtime_without_cuda_is_named_together_with_the_package_to_install(tmp_path) -> None:
    text = (
        "onnxruntime .* was built without CUDA; for a GPU, pip uninstall onnxruntime, then pip install 'ravfeat.face-g"
    )
    with pytest.warns(UserWarning, match=f"ONNX nets run on the CPU, and there is a GPU: {text}"):
        assert start(tmp_path, "auto").get_providers() == [CPU]
    with pytest.raises(EncoderError, match=f"device 'cuda' is not there for ONNX nets: {text}.*; or use --device cpu"):
        start(tmp_path, "cuda")
    assert start(tmp_path, "cpu").get_providers() == [CPU]


def test_torch_is_asked_too_whether_there_is_a_gpu(tmp_path, monkeypatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.warns(UserWarning, match="there is a GPU"):
        start(tmp_path, "auto")


def test_a_failed_start_shows_what_was_printed(falls_back, tmp_path, monkeypatch, capfd) -> None:
    def fail(*_: Any, **__: Any) -> None:
        os.write(2, b"native words\n")
        raise RuntimeError("no such operator")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(EncoderError, match=r"cannot be opened by onnxruntime \(no such operator\)"):
        start(tmp_path, "cuda")
    assert capfd.readouterr().err == "native words\n"


def test_libraries_of_pip_are_loaded_before_the_session(falls_back, tmp_path, monkeypatch) -> None:
    order: list[str] = []
    begin = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: order.append("libraries"))
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *a, **options: (order.append("session"), begin(*a, **options))[1]
    )
    start(tmp_path, "auto")
    assert order[:2] == ["libraries", "session"]
    monkeypatch.delattr(onnxruntime, "preload_dlls")
    start(tmp_path, "auto")


def test_another_device_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match="choose from auto, cpu, cuda, cuda:N"):
        providers_for(onnxruntime, "gpu")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (NOISE, REASON),
        (NOISE + NOISE, REASON),
        ("*** EP Error ***\nEP Error CUDA failure 2: out of memory ; GPU=0 when using [('CUDA', {})]\nFalling back",
         "CUDA failure 2: out of memory ; GPU=0 when using [('CUDA', {})]"),
        ("", "it gave no reason"),
    ],
)  # fmt: skip
def test_the_reason_is_found_among_what_onnxruntime_prints(output, reason) -> None:
    assert cuda_reason(output) == reason


@pytest.mark.parametrize(
    ("installed", "text"),
    [
        ({"onnxruntime"}, "pip uninstall onnxruntime, then pip install 'ravfeat[face-gpu]'"),
        ({"onnxruntime-gpu"}, "its CUDA must be the major version of torch's"),
        ({"onnxruntime", "onnxruntime-gpu"}, "are both installed and overwrite each other"),
    ],
)
def test_what_to_do_depends_on_the_packages_installed(installed, text, monkeypatch) -> None:
    def version(package: str) -> str:
        if package not in installed:
            raise PackageNotFoundError
        return "1"

    monkeypatch.setattr(onnx_providers, "version", version)
    assert text in remedy()
