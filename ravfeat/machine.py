"""What the machine offers to this process.

Offers
------
processors.
"""

import os

__all__ = ["processors"]


def processors() -> int:
    """Count the processors this process may use; all there are where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
