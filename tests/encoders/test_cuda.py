"""Names that users choose."""

import pytest

from ravfeat.encoders.cuda import cuda_number, is_folder_name
from ravfeat.errors import UsageError


@pytest.mark.parametrize(("device", "number"), [("cpu", 0), ("auto", 0), ("cuda", 0), ("cuda:0", 0), ("cuda:12", 12)])
def test_a_device_has_a_number(device, number) -> None:
    assert cuda_number(device) == number


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "", "mps"])
def test_another_device_is_a_wrong_call(device) -> None:
    with pytest.raises(UsageError, match=f"no device '{device}'; choose from auto, cpu, cuda, cuda:N"):
        cuda_number(device)


@pytest.mark.parametrize(
    ("name", "fits"),
    [("a", True), ("my-net_2.1", True), ("", False), ("..", False), ("a/b", False), ("a b", False), ("a\n", False)],
)
def test_a_name_must_fit_into_a_folders(name, fits) -> None:
    assert is_folder_name(name) is fits
