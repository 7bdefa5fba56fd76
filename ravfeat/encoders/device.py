"""Choose the torch device: resolve ``auto``, refuse devices that are not available."""

import torch

from ravfeat.encoders.cuda import cuda_number
from ravfeat.errors import EncoderError

__all__ = ["resolve_device"]


def resolve_device(device: str) -> str:
    """Resolve ``auto`` to an available device, and check that a named device is available.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Raises
    ------
    UsageError
        For any other name.
    EncoderError
        Where there is no such CUDA device.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    number = cuda_number(device)
    if device == "cpu":
        return device
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if count else "cpu"
    if count <= number:
        raise EncoderError(
            f"device '{device}' is not there: torch {torch.__version__} sees {count} CUDA devices;"
            " use --device cpu, or install a CUDA build of torch"
        )
    return device
