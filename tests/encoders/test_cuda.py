"""Names that users choose."""

import pytest

from ravfeat.encoders import cuda
from ravfeat.encoders.cuda import cuda_number, has_nvidia_gpu, is_folder_name, split_devices
from ravfeat.errors import UsageError


@pytest.mark.parametrize(("device", "number"), [("cpu", 0), ("auto", 0), ("cuda", 0), ("cuda:0", 0), ("cuda:12", 12)])
def test_a_device_has_a_number(device, number) -> None:
    assert cuda_number(device) == number


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "", "mpsx"])
def test_another_device_is_a_wrong_call(device) -> None:
    with pytest.raises(UsageError, match=f"no device '{device}'; choose from auto, cpu, cuda, cuda:N"):
        cuda_number(device)


@pytest.mark.parametrize("device", ["mps", "mps:0"])
def test_apples_gpus_are_refused_with_the_reason(device) -> None:
    with pytest.raises(
        UsageError, match=f"device '{device}': Apple's GPUs are not supported, because .*; use --device cpu"
    ):
        cuda_number(device)


@pytest.mark.parametrize(
    ("gpus", "visible", "there"),
    [([], None, False), (["0000:01:00.0"], None, True), (["0000:01:00.0"], "0", True),
     (["0000:01:00.0"], "", False), (["0000:01:00.0"], "-1", False)],
)  # fmt: skip
def test_a_gpu_is_there_where_the_driver_shows_one_to_this_process(gpus, visible, there, tmp_path, monkeypatch) -> None:
    for name in gpus:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(cuda, "_GPUS", tmp_path)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert has_nvidia_gpu() is there


def test_without_a_driver_there_is_no_gpu(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cuda, "_GPUS", tmp_path / "none")
    assert not has_nvidia_gpu()


@pytest.mark.parametrize(
    ("name", "fits"),
    [("a", True), ("my-net_2.1", True), ("", False), ("..", False), ("a/b", False), ("a b", False), ("a\n", False)],
)
def test_a_name_must_fit_into_a_folders(name, fits) -> None:
    assert is_folder_name(name) is fits


@pytest.mark.parametrize(
    ("device", "devices"),
    [
        ("auto", ["auto"]),
        ("cuda:3", ["cuda:3"]),
        ("cuda:0,cuda:1", ["cuda:0", "cuda:1"]),
        ("cuda:2, cuda:0", ["cuda:2", "cuda:0"]),
    ],
)
def test_a_list_of_devices_is_split(device, devices) -> None:
    assert split_devices(device) == devices


@pytest.mark.parametrize(
    "device", ["cuda,cuda:0", "cuda:0,cuda:0", "cuda:1,cuda:01", "cpu,cuda:0", "cuda:0,", ",", "cuda:0,auto"]
)
def test_a_list_of_other_or_of_equal_devices_is_refused(device) -> None:
    with pytest.raises(UsageError, match=f"device '{device}': a list names CUDA devices by number, each once, such as"):
        split_devices(device)


def test_a_list_where_one_device_computes_is_answered_with_who_uses_several() -> None:
    with pytest.raises(UsageError, match="'cuda:0,cuda:1': only 'ravfeat extract' uses several devices; name one"):
        cuda_number("cuda:0,cuda:1")
