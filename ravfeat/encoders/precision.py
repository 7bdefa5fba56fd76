"""Compute torch's float32 products exactly, or with TF32 on a GPU, whatever the user has set; settings are put back.

Conventions
-----------
From 2.9 on torch keeps one precision per backend and operation (``fp32_precision``): ``ieee`` is exact, and ``none``
is taken over from the backend, then from ``torch.backends``. Its older names (``allow_tf32``,
``set_float32_matmul_precision``) raise once both kinds have been used, so only one kind is ever touched here.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any, Literal

import torch

from ravfeat.errors import EncoderError

__all__ = ["product_precision"]

Precision = Literal["ieee", "tf32"]

_lock = Lock()
_users: list[Precision] = []
"""One entry for each block that is open now, in any thread."""

_settings = ExitStack()


@contextmanager
def product_precision(precision: Precision) -> Iterator[None]:
    """Context for products and convolutions of a known precision.

    Parameters
    ----------
    precision : {"ieee", "tf32"}
        Of a GPU; on the CPU they are exact either way.

    Raises
    ------
    EncoderError
        Where another thread is computing in the other precision.
    """
    with _lock:
        if _users and _users[0] != precision:
            raise EncoderError(
                f"products are computed as {_users[0]} in another thread, and are wanted as {precision}: torch has one"
                " setting per process; run encoders with and without tf32 one after the other"
            )
        # The settings belong to the process. With two devices two threads are in here at once: were each to put back
        # what it met, the last one would put back what the first had set.
        if not _users:
            (_set_precision if hasattr(torch.backends, "fp32_precision") else _set_legacy)(precision)
        _users.append(precision)
    try:
        yield
    finally:
        with _lock:
            _users.pop()
            if not _users:
                _settings.close()


def _set_precision(precision: Precision) -> None:
    backends: Any = torch.backends
    # From the top down: below a backend whose precision is known, a differing value must have been set by itself, so
    # that it can be put back as it was. Writing back what was only taken over would fix it for good.
    _replace(backends, "none")
    _replace(backends.cudnn, precision)
    for operation in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
        _replace(operation, precision)
    # Up to torch 2.13 setting mkldnn.fp32_precision sets that of torch.backends; flags() sets mkldnn's.
    mkldnn = backends.mkldnn
    _settings.enter_context(mkldnn.flags(mkldnn.enabled, mkldnn.deterministic, mkldnn.allow_tf32, "ieee"))
    for operation in (mkldnn.matmul, mkldnn.conv, mkldnn.rnn):
        _replace(operation, "ieee")


def _replace(place: Any, precision: str) -> None:
    before = place.fp32_precision
    if before != precision:
        place.fp32_precision = precision
        _settings.callback(setattr, place, "fp32_precision", before)


def _set_legacy(precision: Precision) -> None:
    """Set the precision in torch before 2.9; matrix products on the CPU follow the same name as those on the GPU."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    _settings.callback(torch.set_float32_matmul_precision, before[0])
    _settings.callback(setattr, torch.backends.cudnn, "allow_tf32", before[1])
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
