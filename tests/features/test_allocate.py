"""Room that is in memory, or in a file that nobody sees."""

import errno
import os

import numpy as np
import pytest

from ravfeat.errors import CacheError
from ravfeat.features import allocate
from ravfeat.features.allocate import allocate_array, features_budget


@pytest.fixture
def tiny_budget(monkeypatch, tmp_path):
    monkeypatch.setattr(allocate, "memory_budget", lambda: 2_000)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(allocate.tempfile, "tempdir", None)
    return tmp_path


def backed_by_a_file(values: np.ndarray) -> bool:
    return not values.flags.owndata


def test_half_of_the_budget_is_for_features(tiny_budget) -> None:
    assert features_budget() == 1_000


def test_what_fits_is_in_memory(tiny_budget) -> None:
    assert not backed_by_a_file(allocate_array((10, 25), np.float32))


def test_what_does_not_fit_is_in_a_file_without_a_name_and_can_be_written(tiny_budget) -> None:
    values = allocate_array((2, 300), np.float16)
    values[:] = 7
    assert backed_by_a_file(values)
    assert values.shape == (2, 300)
    assert values.sum() == 4200
    assert list(tiny_budget.iterdir()) == []


def test_what_the_machine_has_no_memory_for_is_in_a_file_too(tiny_budget, monkeypatch) -> None:
    def none_left(*_: object) -> np.ndarray:
        raise MemoryError("Unable to allocate 100 bytes")

    monkeypatch.setattr(allocate.np, "empty", none_left)
    assert backed_by_a_file(allocate_array((5, 5), np.float32))


def test_a_full_disk_is_said_before_anything_is_written(tiny_budget, monkeypatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(CacheError, match=r"do not fit into the memory allowed, and .* has no room for them \(No space"):
        allocate_array((2, 3000), np.float32)


@pytest.mark.parametrize("number", [None, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_the_system_cannot_reserve_zeros_are_written(tiny_budget, monkeypatch, number) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, "not here")

    if number is None:
        monkeypatch.delattr(os, "posix_fallocate")
    else:
        monkeypatch.setattr(os, "posix_fallocate", refuse)
    monkeypatch.setattr(allocate, "_BLOCK", 5_000)
    values = allocate_array((2, 3001), np.float32)
    assert backed_by_a_file(values)
    assert values.shape == (2, 3001)
    assert not values.any()
    values[:] = 7


def test_a_disk_that_gets_full_while_zeros_are_written_is_said(tiny_budget, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    allocate.tempfile.gettempdir()  # writes a file to find out where it may
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(CacheError, match=r"has no room for them .No space left"):
        allocate_array((2, 3000), np.float32)


def test_without_tmpdir_large_files_go_where_temporary_files_may_be_large(monkeypatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    assert str(allocate._scratch()) == "/var/tmp" or not os.access("/var/tmp", os.W_OK)
