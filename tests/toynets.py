"""ONNX nets of a few numbers, written byte by byte (onnx/onnx.proto), so that no test needs the onnx package.

The net takes the average of every channel over the picture, (n, C), and multiplies it with `WEIGHTS` to give
``features`` and these with `HEAD` to give ``scores``. Inside it, ``means`` is the average; ``map`` is the input.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DIM, CLASSES = 5, 3
WEIGHTS = np.random.default_rng(1).normal(size=(3, DIM)).astype(np.float32)
HEAD = np.random.default_rng(2).normal(size=(DIM, CLASSES)).astype(np.float32)

Trick = Literal["", "one inside", "mixes", "cube", "two inputs", "bytes", "elsewhere", "huge", "number"]


def write_net(
    path: Path,
    *,
    size: int | str = 16,
    channels: int | str = 3,
    batch: int | str = "n",
    layout: str = "nchw",
    outputs: Sequence[str] = ("features", "scores"),
    trick: Trick = "",
    place: str = "weights.bin",
) -> Path:
    """Write a net.

    Parameters
    ----------
    path : Path
    size, channels, batch : int or str
        As the input declares them; a text is a free axis.
    layout : {"nchw", "nhwc"}
    outputs : sequence of str
        Of ``features``, ``scores``, ``means``, ``map`` and, with the trick of that name, ``cube``,
        ``number`` or ``huge``.
    trick : str
        What is wrong with it: a batch of one is written into it, pictures depend on each other, an output of
        three long axes, a second input, an input of bytes, weights in a file beside it, an output that no memory
        holds.
    place : str
        Where weights lie that are in a file beside it.
    """
    wide = channels if isinstance(channels, int) else 3
    shape = [batch, channels, size, size] if layout == "nchw" else [batch, size, size, channels]
    nodes = [
        _node("Identity", ["x"], ["map"]),
        _node("ReduceMean", ["x"], ["averages"], axes=(2, 3) if layout == "nchw" else (1, 2), keepdims=0),
        _node("Reshape", ["averages", "shape"], ["means"]),
        _node("MatMul", ["means", "weights"], ["features"]),
        _node("MatMul", ["features", "head"], ["scores"]),
    ]
    if trick == "mixes":
        nodes[3] = _node("MatMul", ["means", "weights"], ["raw"])
        nodes[4:4] = [
            _node("ReduceMean", ["raw"], ["others"], axes=(0,), keepdims=1),
            _node("Add", ["raw", "others"], ["features"]),
        ]
    if trick == "cube":
        nodes.append(_node("Reshape", ["map", "cubic"], ["cube"]))
    if trick == "number":
        nodes.append(_node("ReduceMean", ["features"], ["number"], axes=(0, 1), keepdims=0))
    if trick == "huge":
        nodes.append(_node("Expand", ["means", "times"], ["huge"]))
    weights = _tensor("weights", WEIGHTS[:wide])
    if trick == "elsewhere":
        (path.parent / "weights.bin").write_bytes(WEIGHTS[:wide].tobytes())
        weights = _tensor_elsewhere("weights", WEIGHTS[:wide], place)
    graph = [
        *(_field(1, node) for node in nodes),
        _field(2, b"toy"),
        _field(5, weights),
        _field(5, _tensor("head", HEAD)),
        _field(5, _tensor("shape", np.array([1 if trick == "one inside" else -1, wide], np.int64))),
        _field(5, _tensor("cubic", np.array([-1, 4, wide * 64], np.int64))),
        _field(5, _tensor("times", np.array([1 << 24, 1 << 24, 1, 1], np.int64))),
        _field(11, _value("x", shape, 2 if trick == "bytes" else 1)),
        *([_field(11, _value("y", shape, 1))] if trick == "two inputs" else []),
        *(_field(12, _value(name, None, 1)) for name in outputs),
    ]
    path.write_bytes(_number(1, 8) + _field(7, b"".join(graph)) + _field(8, _number(2, 13)))
    return path


def write_settings(path: Path, text: str) -> Path:
    """Write the TOML file beside a net: `text`, and what every such file must say unless the text does."""
    must = {"colour": "colour = 'rgb'", "divide_by": "divide_by = 1"}
    path = path.with_suffix(".toml")
    path.write_text("\n".join([*(line for key, line in must.items() if key not in text), text]), encoding="utf-8")
    return path


def features_of(averages: NDArray[np.floating]) -> NDArray[np.float32]:
    """What the net gives for averages (n, C) of its input."""
    return (averages @ WEIGHTS[: averages.shape[1]]).astype(np.float32)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    return bytes([value & 0x7F | 0x80]) + _varint(value >> 7) if value > 0x7F else bytes([value])


def _field(number: int, message: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(message)) + message


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: int | Sequence[int]) -> bytes:
    made = []
    for name, value in attributes.items():
        if isinstance(value, int):
            made.append(_field(1, name.encode()) + _number(3, value) + _number(20, 2))
        else:
            made.append(_field(1, name.encode()) + b"".join(_number(8, one) for one in value) + _number(20, 7))
    return b"".join(
        [
            *(_field(1, name.encode()) for name in inputs),
            *(_field(2, name.encode()) for name in outputs),
            _field(4, kind.encode()),
            *(_field(5, attribute) for attribute in made),
        ]
    )


def _tensor(name: str, values: NDArray[np.generic]) -> bytes:
    kind = 1 if values.dtype == np.float32 else 7
    dims = b"".join(_number(1, length) for length in values.shape)
    return dims + _number(2, kind) + _field(8, name.encode()) + _field(9, values.tobytes())


def _tensor_elsewhere(name: str, values: NDArray[np.generic], file: str) -> bytes:
    dims = b"".join(_number(1, length) for length in values.shape)
    entry = _field(1, b"location") + _field(2, file.encode())
    return dims + _number(2, 1) + _field(8, name.encode()) + _field(13, entry) + _number(14, 1)


def _value(name: str, shape: Sequence[int | str] | None, kind: int) -> bytes:
    tensor = _number(1, kind)
    if shape is not None:
        dims = [_number(1, one) if isinstance(one, int) else _field(2, one.encode()) for one in shape]
        tensor += _field(2, b"".join(_field(1, dim) for dim in dims))
    return _field(1, name.encode()) + _field(2, _field(1, tensor))
