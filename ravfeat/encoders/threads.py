"""Threads of torch: one in each thread that prepares clips, so that they leave the processors to the encoder.

A matrix product or Fourier transform of a single clip is too small to divide, and a thread team per reader competes
with the encoder: on two processors a log-mel input took 60 ms with teams, and takes 1 ms without.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["set_team_size", "single_threaded_readers", "team_size"]


@contextmanager
def single_threaded_readers() -> Iterator[Callable[[], None]]:
    """Yield a function that every reader thread has to call first; the calling thread keeps its thread count.

    The function does nothing if torch is not loaded: the readers then have no thread teams.

    Notes
    -----
    torch keeps the count per thread, but the last value set also becomes the default of threads that have set
    none. It is therefore restored at the end.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield lambda: None
        return
    # Asked of the calling thread, which encodes and keeps its team.
    before = torch.get_num_threads()
    try:
        yield lambda: torch.set_num_threads(1)
    finally:
        torch.set_num_threads(before)


def team_size() -> int | None:
    """Return the number of threads that torch computes with; None where it is not loaded."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def set_team_size(threads: int | None) -> None:
    """Let torch compute with as many threads, if it is loaded; None changes nothing.

    Sums are divided among threads, so that last bits depend on their number.
    """
    torch = sys.modules.get("torch")
    if torch is not None and threads is not None:
        torch.set_num_threads(threads)
