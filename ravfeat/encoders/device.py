"""Choose the torch device: resolve ``auto``, refuse devices that are not available."""

import warnings

import torch

from ravfeat.encoders.cuda import cuda_number, has_nvidia_gpu
from ravfeat.errors import EncoderError

__all__ = ["all_gpus", "resolve_device"]


def resolve_device(device: str) -> str:
    """Resolve ``auto`` to an available device, and check that a named device is available.

    Warns where ``auto`` is the CPU although the machine has a GPU, which this torch cannot use.

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
    # The count alone asks the driver's library, and includes cards that this build of torch cannot use.
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        if not count and has_nvidia_gpu():
            warnings.warn(f"torch runs on the CPU, and there is a GPU: {_remedy()}", stacklevel=2)
        return "cuda" if count else "cpu"
    if count <= number:
        raise EncoderError(
            f"device '{device}' is not there: torch {torch.__version__} sees {count} CUDA devices; use --device cpu, or"
            f" {_remedy()}"
        )
    return device


def all_gpus(device: str) -> list[str]:
    """Return every CUDA device that a name may stand for: all of ``cuda`` and ``auto``, else the named one.

    Examples
    --------
    >>> all_gpus("cpu"), all_gpus("cuda:1")
    ([], ['cuda:1'])
    """
    if device not in {"auto", "cuda"}:
        return [] if device == "cpu" else [device]
    count = 0 if resolve_device(device) == "cpu" else torch.cuda.device_count()
    return [f"cuda:{number}" for number in range(count)]


def _remedy() -> str:
    if torch.version.cuda is None:
        return f"install a CUDA build of torch; torch {torch.__version__} is one without"
    return f"check the driver with nvidia-smi; torch {torch.__version__} needs one for CUDA {torch.version.cuda}"
