"""Threads that prepare clips beside the encoder, and start no threads of their own.

A product or a Fourier transform of one clip is too small to share, and a team of threads for each reader takes
the processors from the encoder: with two processors a log-mel input took 60 ms so, and takes 1 ms alone.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["single_threaded_readers"]


@contextmanager
def single_threaded_readers() -> Iterator[Callable[[], None]]:
    """Give what every new thread has to call first; the thread that asks keeps its own number.

    Does nothing where torch was never loaded: what reads then starts no threads.

    Notes
    -----
    torch counts per thread, but keeps what was said last for threads that have said nothing, which is why it is
    said again at the end.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield lambda: None
        return
    before = torch.get_num_threads()
    try:
        yield lambda: torch.set_num_threads(1)
    finally:
        torch.set_num_threads(before)
