"""CUDA devices as torch and onnxruntime see them."""

import platform
import warnings
from typing import Any

from ravfeat.doctor.finding import Finding
from ravfeat.encoders.cuda import has_nvidia_gpu

__all__ = ["check_onnxruntime", "check_torch"]

_BF16 = (8, 0)
"""Compute capability from which on a GPU computes in bfloat16 itself (Ampere)."""


def check_torch(torch: Any) -> list[Finding]:
    """Report on torch's build and its devices.

    Parameters
    ----------
    torch : module or None
        None where it cannot be imported.
    """
    if torch is None:
        return [_no_device("cuda", "torch is not there to use one")] if has_nvidia_gpu() else []
    with warnings.catch_warnings(record=True) as caught:
        # torch says by a warning why it does not use a driver.
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    build = f"torch {torch.__version__}, {f'for CUDA {torch.version.cuda}' if torch.version.cuda else 'without CUDA'}"
    reasons = [str(warning.message).strip().splitlines()[0] for warning in caught]
    devices = [_check_device(torch, number) for number in range(count)]
    return [*devices, *([] if devices else [_no_device("cuda", "; ".join([build, *reasons]))]), *_apple()]


def _check_device(torch: Any, number: int) -> Finding:
    name = f"cuda:{number}"
    try:
        about = torch.cuda.get_device_properties(number)
        capability = torch.cuda.get_device_capability(number)
        free, total = torch.cuda.mem_get_info(number)
    except Exception as error:  # noqa: BLE001 (whatever a driver raises is a line of the report)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Finding("devices", name, "problem", f"cannot be used ({reason})", "look at nvidia-smi")
    bf16 = tuple(capability) >= _BF16
    values = {
        "name": about.name, "capability": list(capability), "total_bytes": total, "free_bytes": free, "bf16": bf16,
        "torch_cuda": torch.version.cuda,
    }  # fmt: skip
    return Finding(
        "devices", name, "ok",
        f"{about.name}, capability {capability[0]}.{capability[1]}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, bf16"
        f" {'yes' if bf16 else 'no'}; CUDA {torch.version.cuda}",
        values=values,
    )  # fmt: skip


def _no_device(name: str, text: str) -> Finding:
    if has_nvidia_gpu():
        remedy = "install a CUDA build of torch, or a newer driver (nvidia-smi)"
        return Finding("devices", name, "problem", f"there is an NVIDIA GPU that is not used: {text}", remedy)
    return Finding("devices", name, "missing", f"no NVIDIA GPU, so the CPU computes ({text})")


def _apple() -> list[Finding]:
    if platform.system() != "Darwin":
        return []
    return [Finding("devices", "mps", "missing", "Apple's GPUs are not supported; the CPU computes")]


def check_onnxruntime(onnxruntime: Any) -> list[Finding]:
    """Report on the providers of onnxruntime, after starting a tiny net on them.

    Parameters
    ----------
    onnxruntime : module or None
        None where it cannot be imported.
    """
    if onnxruntime is None:
        return []
    from ravfeat.encoders.onnx_providers import CUDA, remedy, start_tiny

    providers = list(onnxruntime.get_available_providers())
    built = str(getattr(onnxruntime, "cuda_version", ""))
    text = f"onnxruntime {onnxruntime.__version__}, {f'for CUDA {built}' if built else 'without CUDA'}"
    reason = start_tiny(onnxruntime, "cuda") if CUDA in providers else "it was built without CUDA"
    values = {"version": onnxruntime.__version__, "providers": providers, "cuda_version": built, "reason": reason}
    if failure := start_tiny(onnxruntime, "cpu"):
        return [Finding("devices", "onnx", "problem", f"{text}; {failure}", "reinstall it", needed=True, values=values)]
    if not reason:
        return [Finding("devices", "onnx", "ok", f"{text}; ONNX nets run on CUDA", values=values)]
    if has_nvidia_gpu():
        text = f"{text}; ONNX nets run on the CPU and not on the GPU ({reason})"
        return [Finding("devices", "onnx", "problem", text, remedy(), values=values)]
    return [Finding("devices", "onnx", "ok", f"{text}; ONNX nets run on the CPU", values=values)]
