"""Run an ONNX model with onnxruntime: one picture input, named outputs, batches of a size that it accepts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.onnx_providers import CUDA
from ravfeat.encoders.onnx_session import failure, open_session
from ravfeat.encoders.onnx_sidecar import Layout, NetSettings
from ravfeat.errors import EncoderError

__all__ = ["OnnxModel", "open_onnx_model"]


class OnnxModel:
    """An onnxruntime session with its input layout and batch size.

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

    def probe_batch(self, two: NDArray[np.float32]) -> None:
        """Test with two pictures whether the model accepts batches and treats their pictures independently.

        If it does not, pictures are run one by one. A declared free batch axis proves nothing: exporters often
        write a batch size of one into reshape operations inside the model.

        Raises
        ------
        EncoderError
            Where the batch size is fixed above one, and results depend on the other pictures.
        MemoryError
            Where two pictures do not fit into memory.
        """
        if self._batch == 1:
            return
        alone = np.concatenate([self.run(two[i : i + 1], [self.embedding])[0] for i in (0, 1)])
        if self._batch is None:
            self._batch = None if self._takes_both(two, alone) else 1
        elif not _equal(self.run(two, [self.embedding])[0], alone):
            raise EncoderError(
                f"{self._settings.model} takes {self._batch} pictures at a time and mixes them: what it gives for one"
                " depends on the others; export it with a batch of 1, or a free one"
            )

    def _takes_both(self, two: NDArray[np.float32], alone: NDArray[np.float32]) -> bool:
        try:
            (together,) = self._session.run([self.embedding], {self._input: two})
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            short = failure(error, self._settings.model)
            if isinstance(short, MemoryError):
                raise short from error
            return False  # some operation inside is fixed to a batch of one
        return _equal(together, alone)

    def run(self, inputs: NDArray[np.float32], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Run the model, in batches of a size that it accepts.

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
            Where the model fails.
        MemoryError
            Where these pictures together do not fit into memory.
        """
        if self._batch is None and len(inputs):
            return self._run(inputs, outputs)
        step = self._batch or 1
        # Pad the last batch with zeros; if there is no picture at all, run one batch of zeros to learn the shapes.
        missing = -len(inputs) % step if len(inputs) else step
        filled = np.concatenate([inputs, np.zeros((missing, *inputs.shape[1:]), np.float32)])
        parts = [self._run(filled[start : start + step], outputs) for start in range(0, len(filled), step)]
        return [np.concatenate(part)[: len(inputs)] for part in zip(*parts, strict=True)]

    def _run(self, inputs: NDArray[np.float32], outputs: Sequence[str]) -> list[NDArray[Any]]:
        try:
            results: list[NDArray[Any]] = self._session.run(list(outputs), {self._input: inputs})
        except Exception as error:
            raise failure(error, self._settings.model) from error
        for name, result in zip(outputs, results, strict=True):
            if np.ndim(result) == 0:
                raise EncoderError(
                    f"{self._settings.model} gives '{name}' as a single number for {len(inputs)} pictures; expected one"
                    " vector per picture"
                )
        return results

    def provenance(self) -> dict[str, Any]:
        """Return versions and device."""
        import onnxruntime

        provider = self._session.get_providers()[0]
        return {
            "device": "cuda" if provider == CUDA else "cpu",
            "onnxruntime": onnxruntime.__version__,
            "numpy": np.__version__,
        }


def open_onnx_model(settings: NetSettings, device: str) -> OnnxModel:
    """Open an ONNX model.

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
        For an invalid device name.
    EncoderError
        Where the file is not a model, has other inputs or outputs, or the device is not available.
    """
    return OnnxModel(open_session(settings, device), settings)


def _equal(first: NDArray[Any], second: NDArray[Any]) -> bool:
    return first.shape == second.shape and np.allclose(first, second, rtol=1e-3, atol=1e-4)


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
    # An axis of free length may hold channels or pixels; one of known length that fits decides.
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
        expected = f"{settings.size} in {settings.source}" if settings.size is not None else "a square"
        raise EncoderError(f"{settings.model} has an input of shape {shape}, which does not fit the size: {expected}")
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
