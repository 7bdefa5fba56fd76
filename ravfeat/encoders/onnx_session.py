"""Start an onnxruntime session for a model file on a device, and translate its errors.

Conventions
-----------
A model is a single file: its digest is the encoder's identity, so models with weights in further files are refused.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ravfeat.encoders.onnx_providers import CPU, check_started, preload, providers_for
from ravfeat.encoders.onnx_sidecar import NetSettings
from ravfeat.errors import EncoderError, MissingExtraError
from ravfeat.faces.native_logs import captured_output
from ravfeat.resources import processors

__all__ = ["failure", "open_session"]

_IN_MEMORY = b"_ORT_MEM_ADDR_"
_FATAL_ONLY = 4  # log level; errors are raised as exceptions anyway
_SHORT_OF_MEMORY = re.compile(r"allocate memory|bad.?alloc|out of memory|ALLOC_FAILED|than requested bytes", re.I)
_KEPT_ELSEWHERE = re.compile(r"external (data|tensor|initializer)", re.I)


def open_session(settings: NetSettings, device: str) -> Any:
    """Start onnxruntime.

    Parameters
    ----------
    settings : NetSettings
        Inner tensors that are named as embedding or logits become outputs.
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    MissingExtraError, UsageError, EncoderError
        See `ravfeat.encoders.onnx_model.open_onnx_model`.
    """
    # From 1.29 on onnxruntime sends usage reports unless this is set before it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "face") from error
    providers = providers_for(onnxruntime, device)
    if providers == [CPU]:
        session = _start(onnxruntime, settings, providers)
    else:
        with captured_output() as output:
            preload(onnxruntime)
            session = _start(onnxruntime, settings, providers)
        check_started(session, device, settings.model, "".join(output))
    # Otherwise onnxruntime may switch to another device in the middle of a run, with only a printed notice.
    session.disable_fallback()
    return session


def _start(onnxruntime: Any, settings: NetSettings, providers: list[Any]) -> Any:
    options = _options(onnxruntime, settings.model)

    def start(content: bytes) -> Any:
        try:
            # Where there is nothing to fall back on, the attempt would only be printed.
            fallback = int(providers != [CPU])
            return onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=fallback)
        except Exception as error:
            raise _not_opened(error, settings.model) from error

    content = settings.model.read_bytes()
    # Older versions of onnxruntime take such weights from any address of this process.
    if _IN_MEMORY in content:
        raise EncoderError(f"{settings.model} refers to the memory of a process for its weights; export it again")
    session = start(content)
    try:
        outputs = [output.name for output in session.get_outputs()]
        _ = [(value.name, value.shape) for value in session.get_inputs()]
    except UnicodeDecodeError as error:
        raise _not_opened(error, settings.model) from error
    inner = [name for name in (settings.embedding, settings.logits) if name and name not in outputs]
    return _with_inner(settings, content, inner, outputs, start) if inner else session


def failure(error: Exception, model: Path) -> Exception:
    """Translate an error of a running model: MemoryError if a smaller batch may succeed, else EncoderError."""
    if isinstance(error, MemoryError) or _SHORT_OF_MEMORY.search(str(error)):
        return MemoryError(f"{model} needs more memory than there is ({_reason(error)})")
    return EncoderError(f"{model} fails on pictures ({_reason(error)})")


def _options(onnxruntime: Any, model: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = _threads()
    options.inter_op_num_threads = 1
    # Spinning threads keep cores busy while they wait, which slows down the threads that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # By default external weights are looked up in the working directory. A file as their folder means that none are
    # ever found, so a model is refused that would take weights from wherever the command happens to run.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(model.absolute()))
    return options


def _threads() -> int:
    # The variable that torch honours too; onnxruntime ignores it and takes every core. It may be a list with a number
    # per nesting level; like OpenMP, ignore what is not a number.
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return (int(first) if first.isdecimal() else 0) or processors()


def _not_opened(error: Exception, model: Path) -> EncoderError:
    if _KEPT_ELSEWHERE.search(str(error)):
        return EncoderError(f"{model} keeps weights in other files; save it as one file (onnx.save(model, path))")
    return EncoderError(f"{model} cannot be opened by onnxruntime ({_reason(error)})")


def _with_inner(
    settings: NetSettings, content: bytes, inner: Sequence[str], outputs: Sequence[str], start: Callable[[bytes], Any]
) -> Any:
    """Reopen a model with inner tensors as further outputs."""
    try:
        return start(content + b"".join(map(_declared, inner)))
    except EncoderError as error:
        if _KEPT_ELSEWHERE.search(str(error.__cause__)):
            raise
        raise EncoderError(
            f"{settings.source} names the tensor {' and '.join(map(repr, inner))}, which {settings.model} neither"
            f" gives nor holds; its outputs are {', '.join(outputs)}"
        ) from error


def _declared(name: str) -> bytes:
    """Encode an ONNX model that consists of a single output with this name.

    Concatenated protobuf messages are merged, so appending this to a model's bytes turns an inner tensor
    into an output: ``ModelProto.graph`` is field 7, ``GraphProto.output`` field 12, ``ValueInfoProto.name``
    field 1 (onnx/onnx.proto); onnxruntime infers type and shape. This avoids a dependency on the onnx package.
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
