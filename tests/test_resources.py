"""What the machine offers."""

import os

import pytest

from ravfeat.errors import UsageError
from ravfeat.resources import limited_memory, memory_budget, parse_size, processors


def test_processors_are_those_this_process_may_use(monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert processors() == 3


def test_where_the_system_does_not_say_all_processors_count(monkeypatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert processors() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1


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
