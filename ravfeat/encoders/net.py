"""An ONNX net as onnxruntime runs it: one picture input, named outputs, batches as large as it takes.

Offers
------
Net, open_net.
"""

import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.sidecar import Layout, NetSettings
from ravfeat.errors import EncoderError, MissingExtraError, UsageError

__all__ = ["Net", "open_net"]

_DEVICE = re.compile(r"auto|cpu|cuda(?::(\d+))?")
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_FATAL_ONLY = 4  # errors are raised anyway


class Net:
    """A session and what is known of it.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    settings : NetSettings

    Attributes
    ----------
    size : int
        Side of the input in pixels.
    layout : {"nchw", "nhwc"}
    embedding, logits : str
        Names of outputs; no logits is None.

    Raises
    ------
    EncoderError
        Where input or outputs do not fit the settings.
    """

    def __init__(self, session: Any, settings: NetSettings) -> None:
        self._session = session
        self._settings = settings
        inputs = session.get_inputs()
        if len(inputs) != 1:
            raise EncoderError(f"{settings.model} has {len(inputs)} inputs; expected one, for the picture")
        self._input = inputs[0].name
        shape = _input_shape(inputs[0], settings)
        self.layout: Layout = _layout(shape, settings)
        self.size = _size(shape, self.layout, settings)
        self.embedding, self.logits = _embedding(session, settings), settings.logits
        self._batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None

    def learn_batch(self, two: NDArray[np.float32]) -> None:
        """Find out, with two pictures, whether the net takes several at a time and keeps them apart."""
        if self._batch is not None:
            return
        alone = np.concatenate([self._run(two[i : i + 1], [self.embedding])[0] for i in (0, 1)])
        try:
            (together,) = self._session.run([self.embedding], {self._input: two})
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            self._batch = 1  # a batch of one is written into the net somewhere
            return
        apart = together.shape == alone.shape and np.allclose(together, alone, rtol=1e-3, atol=1e-4)
        self._batch = None if apart else 1

    def run(self, inputs: NDArray[np.float32], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Run the net, as many pictures at a time as it takes.

        Parameters
        ----------
        inputs : ndarray of shape (T, channels, size, size) or (T, size, size, channels), float32
        outputs : sequence of str

        Returns
        -------
        list of ndarray
            One per output, first axis T.

        Raises
        ------
        EncoderError
            Where the net fails.
        """
        if self._batch is None and len(inputs):
            return self._run(inputs, outputs)
        step = self._batch or 1
        # The last batch is filled up; without any picture, one tells the shapes.
        missing = -len(inputs) % step if len(inputs) else step
        filled = np.concatenate([inputs, np.zeros((missing, *inputs.shape[1:]), np.float32)])
        parts = [self._run(filled[start : start + step], outputs) for start in range(0, len(filled), step)]
        return [np.concatenate(part)[: len(inputs)] for part in zip(*parts, strict=True)]

    def _run(self, inputs: NDArray[np.float32], outputs: Sequence[str]) -> list[NDArray[Any]]:
        try:
            results: list[NDArray[Any]] = self._session.run(list(outputs), {self._input: inputs})
        except Exception as error:
            raise EncoderError(f"{self._settings.model} fails on pictures ({_reason(error)})") from error
        return results

    def provenance(self) -> dict[str, Any]:
        """Versions and device."""
        import onnxruntime

        provider = self._session.get_providers()[0]
        return {
            "device": "cuda" if provider == _CUDA else "cpu",
            "onnxruntime": onnxruntime.__version__,
            "numpy": np.__version__,
        }


def open_net(settings: NetSettings, device: str) -> Net:
    """Open a net.

    Parameters
    ----------
    settings : NetSettings
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Raises
    ------
    MissingExtraError
        Where onnxruntime is not installed.
    UsageError
        For a device that is none.
    EncoderError
        Where the file is no net, has other inputs or outputs, or there is no such device.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "face") from error
    providers = _providers(onnxruntime, device)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    # The same knob as torch's; onnxruntime itself would take every core there is.
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    options.inter_op_num_threads = 1
    # Threads that wait in a loop take the cores from those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    def start(model: str | bytes) -> Any:
        try:
            return onnxruntime.InferenceSession(model, options, providers=providers)
        except Exception as error:
            raise EncoderError(f"{settings.model} cannot be opened by onnxruntime ({_reason(error)})") from error

    session = start(str(settings.model))
    given = [output.name for output in session.get_outputs()]
    inner = [name for name in (settings.embedding, settings.logits) if name and name not in given]
    if inner:
        session = _with_inner(settings, inner, given, start)
    if device.startswith("cuda") and session.get_providers()[0] != _CUDA:
        raise EncoderError(f"onnxruntime cannot use '{device}' for {settings.model}; use --device cpu")
    return Net(session, settings)


def _with_inner(settings: NetSettings, inner: Sequence[str], given: Sequence[str], start: Any) -> Any:
    """Open a net once more, with tensors from its inside as further outputs."""
    try:
        return start(settings.model.read_bytes() + b"".join(map(_declared, inner)))
    except EncoderError as error:
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


def _providers(onnxruntime: Any, device: str) -> list[Any]:
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise UsageError(f"no device '{device}'; choose from auto, cpu, cuda, cuda:N")
    there = _CUDA in onnxruntime.get_available_providers()
    if device == "cpu" or (device == "auto" and not there):
        return [_CPU]
    if not there:
        raise EncoderError(
            f"device '{device}' is not there for ONNX nets: onnxruntime {onnxruntime.__version__} was built without"
            " CUDA; use --device cpu, or install onnxruntime-gpu in its place"
        )
    # Like torch's, products are not rounded to TF32.
    return [(_CUDA, {"device_id": match[1] or "0", "use_tf32": "0"}), _CPU]


def _input_shape(declared: Any, settings: NetSettings) -> list[Any]:
    shape = list(declared.shape)
    if declared.type != "tensor(float)" or len(shape) != 4:
        raise EncoderError(
            f"{settings.model} reads {declared.type} of shape {shape}; expected pictures, tensor(float) with four axes"
        )
    return shape


def _layout(shape: list[Any], settings: NetSettings) -> Layout:
    channels = 1 if settings.colour == "gray" else 3
    axes: dict[Layout, int] = {"nchw": 1, "nhwc": 3}
    fitting = [layout for layout, axis in axes.items() if shape[axis] == channels or not isinstance(shape[axis], int)]
    if settings.layout is not None:
        fitting = [layout for layout in fitting if layout == settings.layout]
    sure = [layout for layout in fitting if isinstance(shape[axes[layout]], int)]
    if len(fitting) == 1 or len(sure) == 1:
        return (sure or fitting)[0]
    if fitting:
        raise EncoderError(f"{settings.source} must say whether {settings.model} is nchw or nhwc: its input is {shape}")
    raise EncoderError(
        f"{settings.model} has an input of shape {shape}, which does not fit colour '{settings.colour}' ({channels}"
        f" channels){f' and layout {settings.layout}' if settings.layout else ''} in {settings.source}"
    )


def _size(shape: list[Any], layout: Layout, settings: NetSettings) -> int:
    sides = shape[2:] if layout == "nchw" else shape[1:3]
    fixed = {side for side in sides if isinstance(side, int) and side > 0}
    wanted = {settings.size} if settings.size is not None else fixed
    if not wanted:
        raise EncoderError(f"{settings.source} must have the key 'size': {settings.model} takes pictures of any size")
    if len(wanted | fixed) > 1:
        asked = f"{settings.size} in {settings.source}" if settings.size is not None else "a square"
        raise EncoderError(f"{settings.model} has an input of shape {shape}, which does not fit the size: {asked}")
    return int(wanted.pop())


def _embedding(session: Any, settings: NetSettings) -> str:
    outputs = [str(output.name) for output in session.get_outputs()]
    if settings.embedding is not None:
        return settings.embedding
    rest = [name for name in outputs if name != settings.logits]
    if len(rest) != 1:
        raise EncoderError(
            f"{settings.source} must say which output of {settings.model} is the embedding (key 'embedding'); its"
            f" outputs are {', '.join(outputs)}"
        )
    return rest[0]


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
