"""Where to compute.

Offers
------
resolve_device.
"""

import torch

from ravfeat.errors import EncoderError

__all__ = ["resolve_device"]


def resolve_device(device: str) -> str:
    """Turn ``auto`` into what there is, and refuse what there is not.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Raises
    ------
    EncoderError
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind not in {"cpu", "cuda"} or (number and not number.isdecimal()):
        raise EncoderError(f"no device '{device}'; choose from auto, cpu, cuda, cuda:N")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= int(number or 0):
            raise EncoderError(
                f"device '{device}' is not there: torch {torch.__version__} sees {count} CUDA devices;"
                " use --device cpu, or install a CUDA build of torch"
            )
    return device
