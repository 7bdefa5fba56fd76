"""Validate names from the command line without importing torch: devices, and encoder names in folder names."""

import re

from ravfeat.errors import UsageError

__all__ = ["cuda_number", "is_folder_name"]

_DEVICE = re.compile(r"auto|cpu|cuda(?::(\d+))?")
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
        For any other name.

    Examples
    --------
    >>> cuda_number("cuda:1"), cuda_number("auto")
    (1, 0)
    """
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise UsageError(f"no device '{device}'; choose from auto, cpu, cuda, cuda:N")
    return int(match[1] or 0)


def is_folder_name(name: str) -> bool:
    """Whether an encoder's name can be part of a folder name: letters, digits, ``_``, ``-`` and ``.``.

    Examples
    --------
    >>> is_folder_name("my-net.2"), is_folder_name("../mine")
    (True, False)
    """
    return _FOLDER_NAME.fullmatch(name) is not None
