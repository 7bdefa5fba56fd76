"""Where to compute.

Offers
------
resolve_device.
"""

import re

import torch

from ravfeat.errors import EncoderError, UsageError

__all__ = ["resolve_device"]

_DEVICE = re.compile(r"auto|cpu|cuda(?::(\d+))?")


def resolve_device(device: str) -> str:
    """Turn ``auto`` into what there is, and refuse what there is not.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Raises
    ------
    UsageError
        For a name that is none of these.
    EncoderError
        Where there is no such CUDA device.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise UsageError(f"no device '{device}'; choose from auto, cpu, cuda, cuda:N")
    if device == "cpu":
        return device
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if count else "cpu"
    if count <= int(match[1] or 0):
        raise EncoderError(
            f"device '{device}' is not there: torch {torch.__version__} sees {count} CUDA devices;"
            " use --device cpu, or install a CUDA build of torch"
        )
    return device
