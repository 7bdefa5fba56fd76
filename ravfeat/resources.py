"""Processors and memory that this process may use, also on a CUDA device, and what to do where memory runs out."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ravfeat.errors import RavfeatError, UsageError

if TYPE_CHECKING:
    import torch

__all__ = [
    "attempt",
    "attempt_in_halves",
    "format_size",
    "free_device_memory",
    "is_out_of_memory",
    "limited_memory",
    "memory_budget",
    "memory_remedy",
    "parse_size",
    "peak_device_memory",
    "physical_memory",
    "processors",
    "short_of_memory",
]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|k|m|g|t)i?b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SHOWN = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_LEAST = 500_000_000
"""Bytes that the libraries themselves and one small head take."""

_UNKNOWN = 4_000_000_000
# Of control groups, version 2 and version 1.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

_SHORT = re.compile(r"out of memory|can't allocate memory|_ALLOC_FAILED", re.IGNORECASE)
"""What torch writes where memory runs out: on a GPU, on a processor, and inside cuBLAS or cuDNN."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")

# Not a global: threads may train under limits of their own.
_limit: ContextVar[int | None] = ContextVar("memory", default=None)


def processors() -> int:
    """Count the processors that this process may use; all, where the system has no affinity mask."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def physical_memory() -> int:
    """Return the bytes of memory of the machine; where the system does not say, a guess of 8 GB."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf, other systems not every name
        return 2 * _UNKNOWN


def memory_budget() -> int:
    """Return the bytes that training may use: the limit of `limited_memory`, or half of the free memory."""
    budget = _limit.get()
    return _available() // 2 if budget is None else budget


def free_device_memory(device: "str | torch.device") -> int:
    """Return the free bytes of a CUDA device, with those that torch holds in cached blocks and does not use."""
    import torch  # here, because what does not train must not load it

    free, _ = torch.cuda.mem_get_info(device)
    try:
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    except AttributeError:  # an allocator without statistics, as that of a pretended device, caches no blocks
        unused = 0
    return free + max(0, unused)


def peak_device_memory(device: "str | torch.device", work: Callable[[], object]) -> int:
    """Return the most bytes that torch held on a CUDA device during some work, with what it held before."""
    import torch

    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch raises a RuntimeError for that."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_SHORT.search(str(error))))


def short_of_memory(error: BaseException, remedy: str) -> str:
    """Say that memory ran out, with the first line of the reason, and what to do."""
    # The first line: torch goes on with advice about its allocator.
    reason = next(iter(str(error).strip().splitlines()), "no detail given")
    return f"not enough memory ({reason}); {remedy}"


@contextmanager
def memory_remedy(remedy: str) -> Iterator[None]:
    """Say what the options of a command can do where memory runs out in the block.

    Raises
    ------
    RavfeatError
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise RavfeatError(short_of_memory(error, remedy)) from error


def attempt(work: Callable[[], _Out]) -> _Out | MemoryError:
    """Do work that may run out of memory.

    Returns
    -------
    object
        What `work` returns; where memory ran out, a MemoryError that is not raised. Nothing holds the tensors of the
        failed work any more, as its traceback did, so that a smaller attempt finds the memory free.
    """
    try:
        return work()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        # The first line: torch goes on with advice about its allocator.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return MemoryError(reason)


def attempt_in_halves(work: Callable[[Sequence[_In]], _Out], items: Sequence[_In]) -> list[_Out]:
    """Do work on some items at once, or on halves of them where memory runs out; results in order.

    Raises
    ------
    MemoryError
        Where memory runs out for a single item.
    """
    result = attempt(lambda: work(items))
    if not isinstance(result, MemoryError):
        return [result]
    if len(items) < 2:
        raise result
    middle = len(items) // 2
    return attempt_in_halves(work, items[:middle]) + attempt_in_halves(work, items[middle:])


@contextmanager
def limited_memory(budget: int | None) -> Iterator[None]:
    """Limit the memory of training in the block; with None, the default of `memory_budget` applies.

    Raises
    ------
    UsageError
        For less than the libraries alone need.
    """
    if budget is not None and budget < _LEAST:
        raise UsageError(
            f"{budget / 1e9:.2g} GB of memory are less than the libraries themselves take; allow at least"
            f" {_LEAST / 1e9:g} GB"
        )
    token = _limit.set(budget)
    try:
        yield
    finally:
        _limit.reset(token)


def parse_size(text: str) -> int:
    """Parse a number of bytes: ``4GB``, ``800 MB``, ``2.5g``; 1 GB is 10**9 bytes.

    Raises
    ------
    UsageError
        Where the text is not an amount of memory.

    Examples
    --------
    >>> parse_size("4GB")
    4000000000
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"'{text}' is no amount of memory; write it as 4GB or 800MB")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def format_size(n_bytes: float) -> str:
    """Format a number of bytes for people, with three digits; the inverse of `parse_size`.

    Examples
    --------
    >>> format_size(13_600_000_000), format_size(400)
    ('13.6 GB', '0.4 kB')
    """
    unit, name = next(((size, name) for size, name in _SHOWN if n_bytes >= size), _SHOWN[-1])
    return f"{n_bytes / unit:.3g} {name}"


def _available() -> int:
    """Return the free memory, or the limit of the process's control group (container) if it is lower."""
    limits = []
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        # Available, not free: the system gives the memory of cached files back.
        limits += [int(line.split()[1]) * 1024 for line in meminfo.read_text().splitlines() if "MemAvailable" in line]
    for path in map(Path, _LIMITS):
        text = path.read_text().strip() if path.is_file() else ""
        # Where there is no limit, the file says 'max'.
        limits += [int(text)] if text.isdigit() else []
    # Only Linux says what is free.
    return min(limits, default=physical_memory())
