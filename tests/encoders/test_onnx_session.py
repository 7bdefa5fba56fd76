"""Starting onnxruntime, and what its errors mean."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ravfeat.encoders.onnx_session import failure, open_session
from ravfeat.encoders.onnx_sidecar import read_sidecar
from ravfeat.errors import EncoderError
from ravfeat.resources import processors
from tests.toynets import WEIGHTS, write_net, write_settings


def started(folder: Path, settings: str = "embedding = 'features'", *, device: str = "cpu", **net: Any) -> Any:
    write_net(folder / "toy.onnx", **net)
    write_settings(folder / "toy.onnx", settings)
    return open_session(read_sidecar(folder / "toy.toml"), device)


@pytest.mark.parametrize("tensor", ["features", "means", "raw"])
@pytest.mark.parametrize("inside", [True, False])
def test_weights_in_other_files_are_refused_wherever_the_command_runs(tensor, inside, tmp_path, monkeypatch) -> None:
    if inside:
        monkeypatch.chdir(tmp_path)
    with pytest.raises(
        EncoderError, match=r"toy.onnx keeps weights in other files; save it as one file \(onnx.save\(model, path\)\)"
    ):
        started(tmp_path, f"embedding = '{tensor}'", trick="elsewhere")


@pytest.mark.parametrize(
    ("given", "threads"),
    [("3", 3), ("7,1", 7), (" 7 , 1", 7), ("", processors()), ("many", processors()), ("0", processors())],
)
def test_threads_are_those_of_openmp(given, threads, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert started(tmp_path).get_session_options().intra_op_num_threads == threads


@pytest.mark.parametrize(
    "text",
    [
        "Failed to allocate memory for requested buffer of size 12",
        "std::bad_alloc", "bad allocation", "CUDA failure 2: out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
        "Available memory of 1 is smaller than requested bytes of 2",
    ],
)  # fmt: skip
def test_too_little_memory_is_a_memory_error(text) -> None:
    made = failure(RuntimeError(text), Path("toy.onnx"))
    assert isinstance(made, MemoryError)
    assert text in str(made)
    assert isinstance(failure(RuntimeError("wrong axis"), Path("toy.onnx")), EncoderError)


@pytest.mark.parametrize("place", ["../w.bin", "./w.bin", "/tmp/w.bin", "*/_ORT_MEM_ADDR_/*"])
def test_weights_outside_the_file_are_refused_wherever_they_are(place, tmp_path, monkeypatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path / "models/toy.onnx", trick="elsewhere", place=place)
    write_settings(tmp_path / "models/toy.onnx", "embedding = 'features'")
    with pytest.raises(
        EncoderError, match=r"toy.onnx (keeps weights in other files|refers to the memory of a process)"
    ):
        open_session(read_sidecar(tmp_path / "models/toy.toml"), "cpu")


def test_a_net_with_names_that_are_no_text_is_refused_without_a_word(tmp_path, capfd) -> None:
    write_settings(write_net(tmp_path / "toy.onnx"), "embedding = 'features'")
    raw = (tmp_path / "toy.onnx").read_bytes()
    (tmp_path / "toy.onnx").write_bytes(raw.replace(b"features", b"feature\xff"))
    with pytest.raises(EncoderError, match=r"toy.onnx cannot be opened by onnxruntime"):
        open_session(read_sidecar(tmp_path / "toy.toml"), "cpu")
    assert capfd.readouterr() == ("", "")


def test_nothing_is_reported_to_anybody(tmp_path) -> None:
    net = write_net(tmp_path / "net.onnx")
    write_settings(net, 'embedding = "features"')
    code = (
        "import sys; from ravfeat.encoders.registry import load_encoder; from ravfeat.faces.source import FaceOptions;"
        " load_encoder(sys.argv[1], 'cpu', faces=FaceOptions(cropped=True))"
    )
    home = tmp_path / "home"
    home.mkdir()
    # Its own switches for unit tests and continuous integration must not hide what users would get.
    hidden = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | {"HOME": str(home)}
    subprocess.run([sys.executable, "-c", code, str(net)], env=environment, check=True)
    assert list(home.rglob("*")) == []
