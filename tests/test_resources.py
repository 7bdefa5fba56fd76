"""What the machine offers."""

import gc
import os
import weakref

import numpy as np
import pytest
import torch

from ravfeat.errors import UsageError
from ravfeat.resources import (
    attempt,
    attempt_in_halves,
    free_device_memory,
    is_out_of_memory,
    limited_memory,
    memory_budget,
    parse_size,
    physical_memory,
    processors,
)


def test_processors_are_those_this_process_may_use(monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert processors() == 3


def test_where_the_system_does_not_say_all_processors_count(monkeypatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert processors() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1


def test_where_the_system_does_not_say_what_is_free_it_is_what_the_machine_has(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("ravfeat.resources.Path", lambda *_: tmp_path / "none")
    assert memory_budget() == physical_memory() // 2
    monkeypatch.delattr(os, "sysconf")
    assert physical_memory() == 8_000_000_000


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("4GB", 4e9), ("800 MB", 8e8), ("2.5g", 2.5e9), ("1TiB", 1e12), ("123456", 123456)]
)
def test_amounts_of_memory_are_read(text, n_bytes) -> None:
    assert parse_size(text) == n_bytes


@pytest.mark.parametrize("text", ["", "much", "4 QB", "-3GB"])
def test_what_is_no_amount_is_refused(text) -> None:
    with pytest.raises(UsageError, match="is no amount of memory; write it as 4GB or 800MB"):
        parse_size(text)


def test_the_budget_is_what_was_asked_for_or_half_of_what_is_free() -> None:
    free = memory_budget()
    assert free > 0
    with limited_memory(3_000_000_000):
        assert memory_budget() == 3_000_000_000
    with limited_memory(None):
        assert memory_budget() == pytest.approx(free, rel=0.5)


def test_less_than_the_libraries_take_is_refused() -> None:
    message = r"0\.001 GB of memory are less than the libraries themselves take"
    with pytest.raises(UsageError, match=message), limited_memory(1_000_000):
        pass


def test_memory_that_torch_holds_unused_counts_as_free(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 40)
    assert free_device_memory("cuda") == 130


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 5 GiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_every_way_to_run_out_of_memory_is_known(error) -> None:
    assert is_out_of_memory(error)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(OSError("out of memory"))
    with pytest.raises(ZeroDivisionError):
        attempt(lambda: 1 // 0)


def test_an_attempt_without_memory_keeps_nothing_of_what_it_made() -> None:
    made = []

    def work() -> None:
        array = np.zeros(1000)
        made.append(weakref.ref(array))
        torch.empty(1 << 45)

    gc.disable()  # it must be gone at once, not when the collector comes by
    try:
        short = attempt(work)
        assert made[0]() is None
    finally:
        gc.enable()
    assert isinstance(short, MemoryError)
    assert "can't allocate memory" in str(short)
    assert short.__traceback__ is short.__context__ is None


def test_an_attempt_gives_what_the_work_gives() -> None:
    assert attempt(lambda: 5) == 5


def test_work_that_does_not_fit_at_once_is_done_in_halves() -> None:
    def at_most_three(items):
        if len(items) > 3:
            raise MemoryError
        return list(items)

    assert attempt_in_halves(at_most_three, range(7)) == [[0, 1, 2], [3, 4], [5, 6]]
    assert attempt_in_halves(at_most_three, range(3)) == [[0, 1, 2]]


def test_one_item_that_does_not_fit_is_an_error() -> None:
    def never(items):
        raise MemoryError(f"{len(items)} items")

    with pytest.raises(MemoryError, match="1 items"):
        attempt_in_halves(never, range(4))
