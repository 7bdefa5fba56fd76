"""Tests that need a CUDA device: skipped in an ordinary session, run on a pretended one by ``make test-device``."""

import pytest
import torch

from tests.encoders.conftest import far_apart, make_tiny, noise, save_tiny

__all__ = ["far_apart", "make_tiny", "noise", "save_tiny"]


@pytest.fixture(scope="session", autouse=True)
def device() -> str:
    """The device to test on."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device; 'make test-device' runs these on a pretended one")
    return "cuda"
