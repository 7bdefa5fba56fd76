"""Limit torch to one thread in the threads that prepare clips, so that they leave the processors to the encoder.

A matrix product or Fourier transform of a single clip is too small to divide, and a thread team per reader competes
with the encoder: on two processors a log-mel input took 60 ms with teams, and takes 1 ms without.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["single_threaded_readers"]


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
