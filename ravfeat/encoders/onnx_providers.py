"""Choose onnxruntime's providers for a device; where CUDA was wanted and does not start, say why.

Conventions
-----------
onnxruntime goes on with the CPU when a provider does not start, and writes the reason to the error stream only.
"""

import logging
import re
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat.encoders.cuda import cuda_number, has_nvidia_gpu
from ravfeat.errors import EncoderError
from ravfeat.faces.native_logs import captured_output

__all__ = ["CPU", "CUDA", "check_started", "cuda_reason", "preload", "providers_for", "remedy", "start_tiny"]

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
_log = logging.getLogger(__name__)

_TINY_NET = (
    b'\x08\x08::\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x04tinyZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x02\x10\r"
)
"""An ONNX model, y = x for one float, as the onnx package would write it."""

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_REASON = re.compile(
    r"(?:\[E:onnxruntime:[^\]]*\] (?:.*\[ONNXRuntimeError\] : \d+ : \w+ : )?|^EP Error |(?=Failed to create CUDA))"
    r"(?P<reason>\S.*?)(?= Please install|$)",
    re.MULTILINE,
)


def providers_for(onnxruntime: Any, device: str) -> list[Any]:
    """Choose providers, best first; with ``auto``, warn where a GPU is there that this onnxruntime cannot use.

    Parameters
    ----------
    onnxruntime : module
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Raises
    ------
    UsageError
        For any other name.
    EncoderError
        Where CUDA is asked for, and onnxruntime was built without it.
    """
    number = cuda_number(device)
    if device == "cpu":
        return [CPU]
    if CUDA not in onnxruntime.get_available_providers():
        reason = f"onnxruntime {onnxruntime.__version__} was built without CUDA; {remedy()}"
        if device != "auto":
            raise EncoderError(f"device '{device}' is not there for ONNX nets: {reason}; or use --device cpu")
        _warn_of_cpu(reason)
        return [CPU]
    options = {
        "device_id": str(number),
        # TF32 off, as for the torch encoders, so that features on a GPU agree with those on a CPU.
        "use_tf32": "0",
        # The default times every algorithm anew for every shape of input; batches of pictures differ in size.
        "cudnn_conv_algo_search": "HEURISTIC",
    }
    return [(CUDA, options), CPU]


def preload(onnxruntime: Any) -> None:
    """Load the CUDA and cuDNN libraries that pip has installed; the system's loader does not look where they are."""
    if hasattr(onnxruntime, "preload_dlls"):  # from 1.21 on
        onnxruntime.preload_dlls()


def check_started(session: Any, device: str, model: Path, output: str) -> None:
    """Check that a session that was to run on CUDA does.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    device : str
    model : Path
    output : str
        What onnxruntime printed when it started the session.

    Raises
    ------
    EncoderError
        Where it does not, and CUDA was asked for; with ``auto`` this is a warning, if there is a GPU.
    """
    _log.debug("onnxruntime started %s: %s", model, output)
    if session.get_providers()[0] == CUDA:
        return
    reason = f"onnxruntime cannot use CUDA for {model} ({cuda_reason(output)}); {remedy()}"
    if device != "auto":
        raise EncoderError(f"device '{device}': {reason}; or use --device cpu")
    _warn_of_cpu(reason)


def cuda_reason(output: str) -> str:
    """Extract from onnxruntime's messages why CUDA did not start.

    Examples
    --------
    >>> cuda_reason("2026-01-01 [E:onnxruntime:Default, a.cc:1 Get] a.cc:2 [ONNXRuntimeError] : 1 : FAIL : no GPU")
    'no GPU'
    """
    reasons = [match["reason"].strip() for match in _REASON.finditer(_COLOUR.sub("", output))]
    return "; ".join(dict.fromkeys(reasons)) or "it gave no reason"


def start_tiny(onnxruntime: Any, device: str) -> str:
    """Run a net of one operation on a device.

    Parameters
    ----------
    onnxruntime : module
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    str
        Why it does not run there; empty where it does.
    """
    providers = providers_for(onnxruntime, device)
    try:
        with captured_output() as output:
            if providers != [CPU]:
                preload(onnxruntime)
            session = onnxruntime.InferenceSession(_TINY_NET, providers=providers)
            session.run(None, {"x": np.ones(1, np.float32)})
    except Exception as error:  # noqa: BLE001 (onnxruntime's errors have no common class)
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return "" if device == "cpu" or session.get_providers()[0] == CUDA else cuda_reason("".join(output))


def remedy() -> str:
    """Say what to install so that onnxruntime can use a GPU."""
    if _installed("onnxruntime") and _installed("onnxruntime-gpu"):
        # Both write into one folder; the one that was installed last works, and parts of the other lie between.
        return (
            "the packages onnxruntime and onnxruntime-gpu are both installed and overwrite each other: pip uninstall"
            " onnxruntime onnxruntime-gpu, then pip install 'ravfeat[face-gpu]'"
        )
    if _installed("onnxruntime-gpu"):
        return "its CUDA must be the major version of torch's, see 'ravfeat doctor'"
    return "for a GPU, pip uninstall onnxruntime, then pip install 'ravfeat[face-gpu]'"


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _warn_of_cpu(reason: str) -> None:
    if has_nvidia_gpu():
        warnings.warn(f"ONNX nets run on the CPU, and there is a GPU: {reason}", stacklevel=2)
