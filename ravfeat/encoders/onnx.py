"""Encoder for any ONNX model that reads face crops, configured by a TOML file; see `ravfeat.encoders.onnx_sidecar`.

Conventions
-----------
One layer: the output named as the embedding. Four-dimensional maps are averaged over the picture, axes of length 1
are dropped. A model with a fixed batch size gets batches of that size; one whose result for a picture depends on
the other pictures of the batch gets one picture at a time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.encoders.crops import concatenate, crop_faces, split_frames
from ravfeat.encoders.onnx_model import OnnxModel, open_onnx_model
from ravfeat.encoders.onnx_sidecar import NetSettings, find_sidecar
from ravfeat.errors import EncoderError
from ravfeat.faces.base import Faces
from ravfeat.faces.crop import crop_recipe

__all__ = ["OnnxEncoder", "load_onnx_encoder"]

_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class OnnxEncoder:
    """A frozen net on crops of faces.

    Parameters
    ----------
    net : OnnxModel
    settings : NetSettings
    steps : tuple of str
        What decides the boxes.
    margin : float
    frame_rate_hz : float
        Nominal.
    """

    batching: Batching = "pieces"
    needs = frozenset({"detector"})

    def __init__(
        self, net: OnnxModel, settings: NetSettings, *, steps: tuple[str, ...], margin: float, frame_rate_hz: float
    ) -> None:
        self._net = net
        self._colour = settings.colour
        self._margin = margin
        channels = 1 if settings.colour == "gray" else 3
        self._divide_by = np.float32(settings.divide_by)
        self._mean = np.broadcast_to(np.array(settings.mean, np.float32), channels)
        self._std = np.broadcast_to(np.array(settings.std, np.float32), channels)
        self.labels = settings.labels
        # Noise: equal pictures would hide that a net mixes those of a batch.
        sample = np.random.default_rng(0).integers(0, 256, (2, net.size, net.size, 3), np.uint8)
        net.probe_batch(self._inputs(sample))
        pooled, dim = _check_outputs(net, self._inputs(sample[:1]), settings)
        self.spec = EncoderSpec(
            name=settings.name,
            stream="face",
            weights=settings.sha256,
            layer_convention=f"{'average of map' if pooled else 'output'} '{net.embedding}'/1",
            preprocessing=(*steps, crop_recipe(margin, net.size), self._input_step(settings)),
            n_layers=1,
            dim=dim,
            frame_rate_hz=frame_rate_hz,
        )

    def _input_step(self, settings: NetSettings) -> str:
        channels = len(self._mean)
        mean, std = (
            " ".join(f"{value:.9g}" for value in (values if len(values) == channels else values * channels))
            for values in (settings.mean, settings.std)
        )
        colour = "grey bt.601" if self._colour == "gray" else self._colour
        return f"{colour}, (x / {settings.divide_by:.9g} - [{mean}]) / [{std}]/1"

    def prepare(self, faces: Faces) -> EncoderInput:
        """Crop the face of every picture."""
        return crop_faces(faces, margin=self._margin, size=self._net.size)

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Encode the pictures of all pieces together."""
        (embedding,) = self._net.run(self._inputs(concatenate(batch)), [self._net.embedding])
        return split_frames(_vectors(embedding, self._net.layout)[:, None], batch)  # (T, D) -> (T, 1, D)

    def scores(self, batch: Sequence[EncoderInput]) -> NDArray[np.float32]:
        """Compute class probabilities with a model that has logits, one column per label.

        Returns
        -------
        ndarray of shape (T, K), float32
            Of all pieces, concatenated.

        Raises
        ------
        EncoderError
            Where the settings declare no logits.
        """
        if self._net.logits is None:
            raise EncoderError(f"{self.spec.name} declares no logits; add the key 'logits' to its settings")
        (logits,) = self._net.run(self._inputs(concatenate(batch)), [self._net.logits])
        logits = _vectors(logits, self._net.layout)
        # The largest is subtracted first, so that no power overflows.
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

    def _inputs(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        values = pictures.astype(np.float32)
        if self._colour == "gray":
            values = (values @ _GREY)[..., None]  # (T, H, W, 3) -> (T, H, W, 1)
        elif self._colour == "bgr":
            values = values[..., ::-1]
        values = (values / self._divide_by - self._mean) / self._std
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if self._net.layout == "nchw" else values)

    def provenance(self) -> dict[str, Any]:
        """Return versions and device."""
        return self._net.provenance()


def _vectors(output: NDArray[Any], layout: str) -> NDArray[np.float32]:
    """Reduce an output to one vector per picture, (T, D): average maps, drop axes of length 1."""
    if output.ndim == 4:
        output = output.mean(axis=(2, 3) if layout == "nchw" else (1, 2))  # (T, D, H, W) or (T, H, W, D) -> (T, D)
    wide = [axis for axis in range(1, output.ndim) if output.shape[axis] != 1]
    if len(wide) <= 1:
        output = output.reshape(len(output), output.shape[wide[0]] if wide else 1)
    return np.asarray(output, np.float32)


def _check_outputs(net: OnnxModel, sample: NDArray[np.float32], settings: NetSettings) -> tuple[bool, int]:
    """Check the outputs for one picture; return whether the embedding is a map, and the length of its vector."""
    wanted = [net.embedding, *([net.logits] if net.logits else [])]
    outputs = net.run(sample, wanted)
    vectors = [_vectors(output, net.layout) for output in outputs]
    for name, output, vector in zip(wanted, outputs, vectors, strict=True):
        if vector.ndim != 2 or len(vector) != 1:
            raise EncoderError(
                f"{settings.source} names the tensor '{name}', which has the shape {output.shape} for one picture;"
                " expected a vector or a map of four dimensions"
            )
    if settings.labels and vectors[1].shape[1] != len(settings.labels):
        raise EncoderError(
            f"{settings.source} has {len(settings.labels)} labels, the net gives {vectors[1].shape[1]} logits"
        )
    # A map of a single cell is a vector already, and averaging it is no step to record.
    return outputs[0].ndim == 4 and outputs[0].size > vectors[0].size, vectors[0].shape[1]


def load_onnx_encoder(
    net: Path | NetSettings, device: str, *, steps: tuple[str, ...], margin: float | None, frame_rate_hz: float
) -> OnnxEncoder:
    """Load an ONNX model.

    Parameters
    ----------
    net : Path or NetSettings
        The model, its sidecar, or what that says.
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.
    steps : tuple of str
        Steps that determine the boxes.
    margin : float, optional
        Overrides that of the settings.
    frame_rate_hz : float
        Nominal.

    Raises
    ------
    MissingExtraError
        Where onnxruntime is not installed.
    EncoderError
        Where the model cannot be run, or does not fit its settings.
    """
    settings = net if isinstance(net, NetSettings) else find_sidecar(net)
    return OnnxEncoder(
        open_onnx_model(settings, device),
        settings,
        steps=steps,
        margin=settings.margin if margin is None else margin,
        frame_rate_hz=frame_rate_hz,
    )
