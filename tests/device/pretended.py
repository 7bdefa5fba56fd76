"""Pytest plugin: install the pretended CUDA device before torch is imported, in every process of a session."""

import os
import sys

import fakecuda
import pytest

fakecuda.install()

_status = [0]


def pytest_sessionfinish(exitstatus: int) -> None:
    """Keep the exit status for the end."""
    _status[0] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End the process: autograd's threads for the device do not end by themselves."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status[0])
