"""Read the TOML settings beside an ONNX model: how a face crop becomes its input, which output is the embedding.

Conventions
-----------
A pixel x in 0 … 255 becomes ``(x / divide_by - mean) / std``, each mean and std one number or one per
channel, in the order of `colour`. Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), not rounded.
``colour`` and at least one of ``divide_by``, ``mean`` and ``std`` must be there, since a guess would give features too
(``divide_by = 1`` for a net that reads 0 … 255); everything else but ``embedding`` has a default or may be left to the
net::

    model = "expression.onnx"     # relative to this file; by default the file of the same name
    sha256 = "…"                  # checked where it is given
    name = "expression"           # what to call it; by default the file's name
    size = 224                    # side of the input in pixels; by default what the net says
    colour = "rgb"                # rgb, bgr or gray
    layout = "nchw"               # nchw or nhwc; by default what the net says
    divide_by = 255               # default 1
    mean = [0.485, 0.456, 0.406]  # default 0
    std = [0.229, 0.224, 0.225]   # default 1
    margin = 1.0                  # side of the crop over that of the face's box
    embedding = "features"        # an output of the net, or any tensor inside it
    logits = "scores"             # where the net gives some; used for checks, never stored
    labels = ["neutral", "happy"] # one per logit
    licence = "…"                 # for people
    source = "…"                  # for people
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval, Len
from typing_extensions import TypedDict

from ravfeat.documents import Text, check_value, parse_toml, read_toml
from ravfeat.encoders.cuda import is_folder_name
from ravfeat.encoders.model_documents import MAX_SIDE
from ravfeat.errors import EncoderError
from ravfeat.files import describe_stand_in, sha256_of

__all__ = ["Colour", "Layout", "NetSettings", "find_sidecar", "read_sidecar", "recorded_settings"]

Colour = Literal["rgb", "bgr", "gray"]
Layout = Literal["nchw", "nhwc"]

_EXAMPLE = "see 'An ONNX face net' in CONTRIBUTING.md"
_MAX_MODEL_BYTES = 2 << 30  # of one file: what its format, protobuf, can hold

_Channels = Annotated[list[Annotated[float, Interval(ge=-1e6, le=1e6)]], Len(1, 3)]
_Scale = Annotated[float, Interval(ge=1e-6, le=1e6)]


class _Table(TypedDict, total=False):
    model: Text
    sha256: Text
    name: Text
    size: Annotated[int, Interval(ge=1, le=MAX_SIDE)]
    colour: Colour
    layout: Layout
    divide_by: _Scale
    mean: _Channels
    std: _Channels
    margin: Annotated[float, Interval(ge=0.1, le=10)]
    embedding: Text
    logits: Text
    labels: list[Text]
    licence: Text
    source: Text


@dataclass(frozen=True)
class NetSettings:
    """Settings of an ONNX model.

    Attributes
    ----------
    source : str
        Name of the settings file, for messages.
    model : Path
    sha256 : str
        Of the model file.
    name : str
    size : int, optional
    colour : {"rgb", "bgr", "gray"}
    layout : {"nchw", "nhwc"}, optional
    divide_by : float
    mean, std : tuple of float
        One, or one per channel.
    margin : float
    embedding, logits : str, optional
    labels : tuple of str
    table : mapping
        As it was read, without the file's name and digest: to be recorded.
    """

    source: str
    model: Path
    sha256: str
    name: str
    size: int | None
    colour: Colour
    layout: Layout | None
    divide_by: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    margin: float
    embedding: str | None
    logits: str | None
    labels: tuple[str, ...]
    table: Mapping[str, Any]


def find_sidecar(path: Path) -> NetSettings:
    """Find and read the settings of a model.

    Parameters
    ----------
    path : Path
        A sidecar, or an ONNX file with a sidecar of the same name beside it, or an ONNX file whose digest is
        among the sidecars of this package (``encoders/nets``).

    Raises
    ------
    EncoderError
        Where there is no sidecar, or `read_sidecar` refuses it.
    """
    if not path.is_file():
        raise EncoderError(f"{path} is not there; expected an ONNX net (.onnx) or the settings beside one (.toml)")
    if path.suffix == ".toml":
        return read_sidecar(path)
    beside = path.with_suffix(".toml")
    if beside.is_file():
        settings = read_sidecar(beside)
        # A sidecar may name another file than the one whose name it bears.
        if settings.model.resolve() != path.resolve():
            raise EncoderError(f"{beside} belongs to {settings.model}, not to {path}; name the .toml you mean")
        return settings
    _check_model(path)
    digest = sha256_of(path)
    for packaged in resources.files("ravfeat.encoders").joinpath("nets").iterdir():
        name = f"ravfeat's own {packaged.name}"
        table = _check(parse_toml(packaged.read_bytes(), dict[str, Any], name, EncoderError, "install it again"), name)
        if table["sha256"] == digest:
            return _settings(name, table, path, digest)
    raise EncoderError(
        f"{path} has no {beside.name} beside it that says how a face becomes its input and which output is the"
        f" embedding, and is none of the nets ravfeat knows; write one, {_EXAMPLE}"
    )


def read_sidecar(path: Path) -> NetSettings:
    """Read and check a sidecar.

    Raises
    ------
    EncoderError
        Where it is not TOML, has unknown keys or invalid values, or its model is missing or has another digest.
    """
    table = _check(read_toml(path, dict[str, Any], EncoderError, _EXAMPLE), str(path))
    model = path.parent / table.get("model", path.with_suffix(".onnx").name)
    if not model.is_file():
        raise EncoderError(f"{path} speaks of {model}, which is not there; its key 'model' names the file")
    _check_model(model)
    digest = sha256_of(model)
    promised = table.get("sha256", digest).lower()
    if promised != digest:
        raise EncoderError(f"{model} has the SHA-256 {digest}, {path} promises {promised}; one of them is another file")
    return _settings(str(path), table, model, digest)


def recorded_settings(table: Mapping[str, Any], model: Path) -> NetSettings:
    """Make the settings of a net from a table that was recorded, for a net without a file beside it.

    Raises
    ------
    EncoderError
        As `read_sidecar`.
    """
    name = f"the recorded settings of {model.name}"
    checked = _check(dict(table), name)
    if not model.is_file():
        raise EncoderError(f"{model} is not there; expected an ONNX net (.onnx)")
    _check_model(model)
    return _settings(name, checked, model, sha256_of(model))


def _check_model(model: Path) -> None:
    try:
        if stand_in := describe_stand_in(model, "net"):
            raise EncoderError(f"{model} {stand_in}")
        size = model.stat().st_size
    except OSError as error:
        raise EncoderError(f"{model} cannot be read ({error.strerror}); check who may read it") from error
    if not 0 < size <= _MAX_MODEL_BYTES:
        raise EncoderError(
            f"{model} has {size} bytes, expected an ONNX net in one file, of at most {_MAX_MODEL_BYTES}; export it"
            " again"
        )


def _check(table: dict[str, Any], source: str) -> _Table:
    keys = _Table.__annotations__.keys()
    for key in sorted(table.keys() - keys):
        near = difflib.get_close_matches(key, sorted(keys), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(sorted(keys))}"
        raise EncoderError(f"{source} has the key '{key}', which means nothing; {hint}")
    for key in {"mean", "std"} & table.keys():
        table = {**table, key: table[key] if isinstance(table[key], list) else [table[key]]}
    checked = check_value(table, _Table, source, EncoderError, _EXAMPLE)
    if "colour" not in checked or not checked.keys() & {"divide_by", "mean", "std"}:
        raise EncoderError(
            f"{source} must say how a pixel becomes the input: 'colour' (rgb, bgr or gray), and of 'divide_by', 'mean'"
            " and 'std' what the net was trained with; for a net that reads 0 … 255: divide_by = 1"
        )
    return checked


def _settings(source: str, table: _Table, model: Path, digest: str) -> NetSettings:
    labels = table.get("labels", [])
    if labels and "logits" not in table:
        raise EncoderError(f"{source} has labels and no logits that they belong to; add the key 'logits'")
    name = table.get("name", model.stem)
    if not is_folder_name(name):
        raise EncoderError(
            f"{source} calls the net '{name}' (key 'name', by default the file's), which becomes a part of the cache's"
            " folder: use letters, digits, '_', '-' and '.'"
        )
    std = table.get("std", [1.0])
    if not all(abs(value) >= 1e-6 for value in std):
        raise EncoderError(f"{source}: std is {std}, expected numbers other than 0; {_EXAMPLE}")
    channels = 1 if table["colour"] == "gray" else 3
    return NetSettings(
        source=source,
        model=model,
        sha256=digest,
        name=name,
        size=table.get("size"),
        colour=table["colour"],
        layout=table.get("layout"),
        divide_by=float(table.get("divide_by", 1.0)),
        mean=_per_channel(source, "mean", table.get("mean", [0.0]), channels),
        std=_per_channel(source, "std", std, channels),
        margin=float(table.get("margin", 1.0)),
        embedding=table.get("embedding"),
        logits=table.get("logits"),
        labels=tuple(labels),
        table={key: value for key, value in table.items() if key not in {"model", "sha256"}},
    )


def _per_channel(source: str, key: str, numbers: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(numbers) not in {1, channels}:
        raise EncoderError(f"{source}: {key} has {len(numbers)} numbers, expected one number or {channels}; {_EXAMPLE}")
    return tuple(float(number) for number in numbers)
