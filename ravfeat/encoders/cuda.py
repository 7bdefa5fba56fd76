"""Without importing torch: validate the names of devices and encoders, look for an NVIDIA GPU."""

import os
import re
import sys
from pathlib import Path

from ravfeat.errors import UsageError

__all__ = ["cuda_number", "has_nvidia_gpu", "is_folder_name", "split_devices"]

_DEVICE = re.compile(r"auto|cpu|cuda(?::(\d+))?")
_APPLE = re.compile(r"mps(?::\d+)?")
_GPUS = Path("/proc/driver/nvidia/gpus")
_FOLDER_NAME = re.compile(r"\w[\w.-]*")


def cuda_number(device: str) -> int:
    """Check the name of a device, and return the number of its CUDA device.

    Parameters
    ----------
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Returns
    -------
    int
        0 where the name has no number.

    Raises
    ------
    UsageError
        For any other name, ``mps`` among them.

    Examples
    --------
    >>> cuda_number("cuda:1"), cuda_number("auto")
    (1, 0)
    """
    match = _DEVICE.fullmatch(device)
    if _APPLE.fullmatch(device):
        raise UsageError(
            f"device '{device}': Apple's GPUs are not supported, because nobody has compared what they compute with the"
            " CPU yet; use --device cpu"
        )
    if match is None and "," in device:
        raise UsageError(f"device '{device}': only 'ravfeat extract' uses several devices; name one of them")
    if match is None:
        raise UsageError(f"no device '{device}'; choose from auto, cpu, cuda, cuda:N")
    return int(match[1] or 0)


def split_devices(device: str) -> list[str]:
    """Split a list of CUDA devices; return any other name alone, as it is.

    Parameters
    ----------
    device : str
        ``cuda:0,cuda:1``, or a name as for `cuda_number`.

    Raises
    ------
    UsageError
        Where a list has other entries, or one twice.

    Examples
    --------
    >>> split_devices("cuda:0,cuda:1"), split_devices("auto")
    (['cuda:0', 'cuda:1'], ['auto'])
    """
    if "," not in device:
        return [device]
    names = [name.strip() for name in device.split(",")]
    numbers = [match[1] for name in names if (match := _DEVICE.fullmatch(name)) is not None and match[1]]
    if len(numbers) < len(names) or len(set(map(int, numbers))) < len(names):
        raise UsageError(f"device '{device}': a list names CUDA devices by number, each once, such as cuda:0,cuda:1")
    return names


def has_nvidia_gpu() -> bool:
    """Whether the NVIDIA driver shows a GPU to this process, or torch has one; others may still be unable to use it.

    torch is asked only where it is loaded: importing it takes seconds.
    """
    # CUDA's own rule: an empty list, and -1, hide all devices.
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    if not hidden and _GPUS.is_dir() and any(_GPUS.iterdir()):
        return True
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_available())


def is_folder_name(name: str) -> bool:
    """Whether an encoder's name can be part of a folder name: letters, digits, ``_``, ``-`` and ``.``.

    Examples
    --------
    >>> is_folder_name("my-net.2"), is_folder_name("../mine")
    (True, False)
    """
    return _FOLDER_NAME.fullmatch(name) is not None
