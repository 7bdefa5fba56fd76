"""Starting onnxruntime on one file and one device, and what its errors mean.

Conventions
-----------
A net is one file: its digest is the encoder's identity, so weights in files beside it are refused.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ravfeat.encoders.cuda import cuda_number
from ravfeat.encoders.onnx_sidecar import NetSettings
from ravfeat.errors import EncoderError, MissingExtraError
from ravfeat.resources import processors

__all__ = ["CUDA", "failure", "open_session"]

CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_FATAL_ONLY = 4  # errors are raised anyway
_SHORT_OF_MEMORY = re.compile(r"allocate memory|bad.?alloc|out of memory|ALLOC_FAILED|than requested bytes", re.I)
_KEPT_ELSEWHERE = re.compile(r"external (data|tensor|initializer)", re.I)


def open_session(settings: NetSettings, device: str) -> Any:
    """Start onnxruntime.

    Parameters
    ----------
    settings : NetSettings
        Tensors inside the net that these name become outputs.
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    MissingExtraError, UsageError, EncoderError
        See `ravfeat.encoders.onnx_model.open_net`.
    """
    # From 1.29 on it reports sessions to its makers unless told not to before it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "face") from error
    providers = _providers(onnxruntime, device)
    options = _options(onnxruntime, settings.model)

    def start(content: bytes) -> Any:
        try:
            return onnxruntime.InferenceSession(content, options, providers=providers)
        except Exception as error:
            raise _not_opened(error, settings.model) from error

    content = settings.model.read_bytes()
    session = start(content)
    given = [output.name for output in session.get_outputs()]
    inner = [name for name in (settings.embedding, settings.logits) if name and name not in given]
    if inner:
        session = _with_inner(settings, content, inner, given, start)
    # Otherwise it would go on with another device in the middle of a run, and print that.
    session.disable_fallback()
    if device.startswith("cuda") and session.get_providers()[0] != CUDA:
        raise EncoderError(f"onnxruntime cannot use '{device}' for {settings.model}; use --device cpu")
    return session


def failure(error: Exception, model: Path) -> Exception:
    """Say what an error of a running net means: MemoryError where fewer pictures may do, else EncoderError."""
    if isinstance(error, MemoryError) or _SHORT_OF_MEMORY.search(str(error)):
        return MemoryError(f"{model} needs more memory than there is ({_reason(error)})")
    return EncoderError(f"{model} fails on pictures ({_reason(error)})")


def _options(onnxruntime: Any, model: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = _threads()
    options.inter_op_num_threads = 1
    # Threads that wait in a loop take the cores from those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without this, weights in other files would be looked for where the command runs; below a file, nothing is.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(model.absolute()))
    return options


def _threads() -> int:
    # The same knob as torch's; onnxruntime itself would take every core there is. A list is one number per
    # level of nesting, and OpenMP too ignores what is no number.
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return (int(first) if first.isdecimal() else 0) or processors()


def _providers(onnxruntime: Any, device: str) -> list[Any]:
    number = cuda_number(device)
    there = CUDA in onnxruntime.get_available_providers()
    if device == "cpu" or (device == "auto" and not there):
        return [_CPU]
    if not there:
        raise EncoderError(
            f"device '{device}' is not there for ONNX nets: onnxruntime {onnxruntime.__version__} was built without"
            " CUDA; use --device cpu, or install onnxruntime-gpu in its place"
        )
    # Like torch's, products are not rounded to TF32.
    return [(CUDA, {"device_id": str(number), "use_tf32": "0"}), _CPU]


def _not_opened(error: Exception, model: Path) -> EncoderError:
    if _KEPT_ELSEWHERE.search(str(error)):
        return EncoderError(f"{model} keeps weights in other files; save it as one file (onnx.save(model, path))")
    return EncoderError(f"{model} cannot be opened by onnxruntime ({_reason(error)})")


def _with_inner(
    settings: NetSettings, content: bytes, inner: Sequence[str], given: Sequence[str], start: Callable[[bytes], Any]
) -> Any:
    """Open a net once more, with tensors from its inside as further outputs."""
    try:
        return start(content + b"".join(map(_declared, inner)))
    except EncoderError as error:
        if _KEPT_ELSEWHERE.search(str(error.__cause__)):
            raise
        raise EncoderError(
            f"{settings.source} names the tensor {' and '.join(map(repr, inner))}, which {settings.model} neither"
            f" gives nor holds; its outputs are {', '.join(given)}"
        ) from error


def _declared(name: str) -> bytes:
    """Encode a model that has nothing but an output of this name.

    Protobuf messages that are written one after another are merged, so at the end of a net's file
    this makes a tensor inside it an output: ``ModelProto.graph`` is field 7, ``GraphProto.output`` field 12,
    ``ValueInfoProto.name`` field 1 (onnx/onnx.proto); onnxruntime infers type and shape.
    """
    message = name.encode()
    for field in (1, 12, 7):
        message = bytes([field << 3 | 2]) + _varint(len(message)) + message
    return message


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
