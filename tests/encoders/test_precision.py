"""The precision of products: as wanted inside the block, and afterwards what the user had set, by any of its names."""

import threading
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import torch

from ravfeat.encoders.hidden_states import frozen_pass, full_precision
from ravfeat.encoders.precision import _set_legacy, _settings, product_precision
from ravfeat.errors import EncoderError

BACKENDS: Any = torch.backends
pytestmark = pytest.mark.skipif(
    not hasattr(BACKENDS, "fp32_precision"), reason="torch before 2.9 has the old names only"
)

GPU = {"cuda.matmul": BACKENDS.cuda.matmul, "cudnn.conv": BACKENDS.cudnn.conv, "cudnn.rnn": BACKENDS.cudnn.rnn}
CPU = {f"mkldnn.{name}": getattr(BACKENDS.mkldnn, name) for name in ("matmul", "conv", "rnn")}
PLACES = {"": BACKENDS, "cudnn": BACKENDS.cudnn, "mkldnn": BACKENDS.mkldnn} | GPU | CPU


def new(name: str, value: str) -> Callable[[], None]:
    return lambda: setattr(PLACES[name], "fp32_precision", value)


def old(place: Any, value: object) -> Callable[[], None]:
    return lambda: setattr(place, "allow_tf32", value)


USERS: dict[str, Callable[[], None]] = {
    **{f"{name}={value}": new(name, value) for name, value in product(PLACES, ["ieee", "tf32"]) if name not in CPU},
    **{f"{name}={value}": new(name, value) for name, value in product(["", *CPU], ["ieee", "bf16"])},
    **{f"cuda.matmul.allow_tf32={value}": old(BACKENDS.cuda.matmul, value) for value in (True, False)},
    **{f"cudnn.allow_tf32={value}": old(BACKENDS.cudnn, value) for value in (True, False)},
    "matmul_precision=highest": lambda: torch.set_float32_matmul_precision("highest"),
    "matmul_precision=high": lambda: torch.set_float32_matmul_precision("high"),
    "matmul_precision=medium": lambda: torch.set_float32_matmul_precision("medium"),
}
"""What a user may have called before, by the new names and by the old ones."""


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with warnings.catch_warnings():
        # torch warns of its old names, and of TF32 where there is no Intel GPU.
        warnings.simplefilter("ignore")
        yield
        reset()


def reset() -> None:
    torch.set_float32_matmul_precision("highest")
    BACKENDS.cudnn.allow_tf32 = True
    for name in ("", "cudnn", "cuda.matmul", *CPU):
        new(name, "none")()


def read() -> dict[str, str]:
    return {name: place.fp32_precision for name, place in PLACES.items()}


def settings() -> list[dict[str, str]]:
    """What is read now, and below other precisions of the backends: shows which values were only taken over."""
    readings = [read()]
    for name in ("", "cudnn"):
        before = PLACES[name].fp32_precision
        if name == "cudnn":
            # Read where it takes nothing over, to put back its own value.
            general, BACKENDS.fp32_precision = BACKENDS.fp32_precision, "none"
            before, BACKENDS.fp32_precision = PLACES[name].fp32_precision, general
        for value in ("ieee", "tf32"):
            new(name, value)()
            readings.append(read())
        new(name, before)()
    assert read() == readings[0]
    return readings


@pytest.mark.parametrize("first", USERS)
def test_whatever_the_user_has_set_is_replaced_and_put_back(first) -> None:
    for second, wanted in product(USERS, ["ieee", "tf32"]):
        reset()
        USERS[first]()
        USERS[second]()
        before = settings()
        with product_precision(wanted):
            assert {place.fp32_precision for place in GPU.values()} == {wanted}, second
            assert {place.fp32_precision for place in CPU.values()} == {"ieee"}, second
        assert settings() == before, second


def test_old_names_can_still_be_read_by_who_uses_only_these() -> None:
    torch.set_float32_matmul_precision("medium")
    BACKENDS.cudnn.allow_tf32 = False
    with full_precision():
        pass
    assert torch.get_float32_matmul_precision() == "medium"
    assert (BACKENDS.cuda.matmul.allow_tf32, BACKENDS.cudnn.allow_tf32) == (True, False)


def test_a_precision_of_the_mkldnn_block_ends_with_it() -> None:
    before = settings()
    with BACKENDS.mkldnn.flags(enabled=True, fp32_precision="bf16"):
        with frozen_pass():
            assert {place.fp32_precision for place in CPU.values()} == {"ieee"}
        assert {place.fp32_precision for place in CPU.values()} == {"bf16"}
    assert settings() == before


@pytest.mark.parametrize("name", ["matmul", "conv"])
def test_numbers_of_the_cpu_are_those_of_a_process_that_set_nothing(name) -> None:
    draws = torch.Generator().manual_seed(0)
    left, right = (torch.randn(2, 64, 64, generator=draws) for _ in "ab")
    compute = {"matmul": torch.bmm, "conv": lambda x, y: torch.nn.functional.conv1d(x, y[0][:, :, None])}[name]
    expected = compute(left, right)
    torch.set_float32_matmul_precision("medium")
    BACKENDS.fp32_precision = "bf16"
    with full_precision():
        assert torch.equal(compute(left, right), expected)


def test_settings_are_put_back_after_a_failure() -> None:
    before = settings()
    with pytest.raises(ZeroDivisionError), full_precision():
        _ = 1 / 0
    assert settings() == before


def test_two_threads_share_the_setting_until_the_last_has_finished() -> None:
    BACKENDS.fp32_precision = "tf32"
    before = settings()
    entered, left = threading.Event(), threading.Event()
    readings = []

    def second() -> None:
        with full_precision():
            entered.set()
            left.wait(10)
            readings.append(read())

    thread = threading.Thread(target=second)
    with full_precision():
        thread.start()
        assert entered.wait(10)
    left.set()
    thread.join()
    assert readings[0]["cuda.matmul"] == readings[0]["cudnn.conv"] == "ieee"
    assert settings() == before


def test_two_precisions_at_once_are_refused() -> None:
    before = settings()
    with (
        full_precision(),
        pytest.raises(EncoderError, match="computed as ieee in another thread, and are wanted as tf32"),
        full_precision(tf32=True),
    ):
        pass
    assert settings() == before


@pytest.mark.parametrize("user", ["highest", "high", "medium"])
@pytest.mark.parametrize("wanted", ["ieee", "tf32"])
@pytest.mark.parametrize("cudnn", [True, False])
def test_torch_with_the_old_names_only(wanted, user, cudnn) -> None:
    torch.set_float32_matmul_precision(user)
    BACKENDS.cudnn.allow_tf32 = cudnn
    with _settings:
        _set_legacy(wanted)
        assert torch.get_float32_matmul_precision() == {"ieee": "highest", "tf32": "high"}[wanted]
        assert (BACKENDS.cuda.matmul.allow_tf32, BACKENDS.cudnn.allow_tf32) == (wanted == "tf32",) * 2
    assert torch.get_float32_matmul_precision() == user
    assert BACKENDS.cudnn.allow_tf32 == cudnn
