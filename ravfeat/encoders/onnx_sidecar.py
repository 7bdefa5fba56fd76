"""Read the TOML settings beside an ONNX model: how a face crop becomes its input, which output is the embedding.

Conventions
-----------
A pixel x in 0 … 255 becomes ``(x / divide_by - mean) / std``, each mean and std one number or one per
channel, in the order of `colour`. Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), not rounded.
Everything but ``embedding`` has a default or may be left to the net::

    model = "expression.onnx"     # relative to this file; by default the file of the same name
    sha256 = "…"                  # checked where it is given
    name = "expression"           # what to call it; by default the file's name
    size = 224                    # side of the input in pixels; by default what the net says
    colour = "rgb"                # rgb (default), bgr or gray
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
import math
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from ravfeat.encoders.cuda import is_folder_name
from ravfeat.errors import EncoderError
from ravfeat.files import sha256_of

__all__ = ["Colour", "Layout", "NetSettings", "find_sidecar", "read_sidecar"]

Colour = Literal["rgb", "bgr", "gray"]
Layout = Literal["nchw", "nhwc"]

_TEXTS = frozenset({"model", "sha256", "name", "embedding", "logits", "licence", "source"})
_CHOICES = {"colour": ("rgb", "bgr", "gray"), "layout": ("nchw", "nhwc")}
_KEYS = _TEXTS | _CHOICES.keys() | {"size", "divide_by", "mean", "std", "margin", "labels"}
_EXAMPLE = "see 'An ONNX face net' in CONTRIBUTING.md"


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
    digest = sha256_of(path)
    for packaged in resources.files("ravfeat.encoders").joinpath("nets").iterdir():
        table = tomllib.loads(packaged.read_text(encoding="utf-8"))
        if table["sha256"] == digest:
            return _settings(f"ravfeat's own {packaged.name}", table, path, digest)
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
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EncoderError(f"{path} cannot be read as TOML ({error})") from error
    _check_keys(str(path), table)
    model = path.parent / _text(str(path), table, "model", path.with_suffix(".onnx").name)
    if not model.is_file():
        raise EncoderError(f"{path} speaks of {model}, which is not there; its key 'model' names the file")
    digest = sha256_of(model)
    promised = _text(str(path), table, "sha256", digest).lower()
    if promised != digest:
        raise EncoderError(f"{model} has the SHA-256 {digest}, {path} promises {promised}; one of them is another file")
    return _settings(str(path), table, model, digest)


def _check_keys(source: str, table: dict[str, Any]) -> None:
    for key in sorted(table.keys() - _KEYS):
        near = difflib.get_close_matches(key, sorted(_KEYS), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(sorted(_KEYS))}"
        raise EncoderError(f"{source} has the key '{key}', which means nothing; {hint}")


def _settings(source: str, table: dict[str, Any], model: Path, digest: str) -> NetSettings:
    channels = 1 if table.get("colour") == "gray" else 3
    labels = table.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _wrong(source, "labels", "a list of names", labels)
    if labels and "logits" not in table:
        raise EncoderError(f"{source} has labels and no logits that they belong to; add the key 'logits'")
    size = table.get("size")
    # TOML's true is a bool, and in Python every bool is an int.
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 4096):
        raise _wrong(source, "size", "the side of the square input in pixels", size)
    name = _text(source, table, "name", model.stem)
    if not is_folder_name(name):
        raise EncoderError(
            f"{source} calls the net '{name}' (key 'name', by default the file's), which becomes a part of the cache's"
            " folder: use letters, digits, '_', '-' and '.'"
        )
    return NetSettings(
        source=source,
        model=model,
        sha256=digest,
        name=name,
        size=size,
        colour=_choice(source, table, "colour") or "rgb",
        layout=_choice(source, table, "layout"),
        divide_by=_positive(source, table, "divide_by"),
        mean=_per_channel(source, table, "mean", 0.0, channels),
        std=_per_channel(source, table, "std", 1.0, channels),
        margin=_positive(source, table, "margin"),
        embedding=_text(source, table, "embedding", "") or None,
        logits=_text(source, table, "logits", "") or None,
        labels=tuple(labels),
    )


def _text(source: str, table: dict[str, Any], key: str, default: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or (key in table and not value):
        raise _wrong(source, key, "a text", value)
    return value


def _choice(source: str, table: dict[str, Any], key: str) -> Any:
    if key in table and table[key] not in _CHOICES[key]:
        raise _wrong(source, key, " or ".join(_CHOICES[key]), table[key])
    return table.get(key)


def _positive(source: str, table: dict[str, Any], key: str) -> float:
    (value,) = _numbers(source, key, [table.get(key, 1.0)])
    if value <= 0:
        raise _wrong(source, key, "a number above 0", value)
    return value


def _per_channel(source: str, table: dict[str, Any], key: str, default: float, channels: int) -> tuple[float, ...]:
    value = table.get(key, default)
    numbers = _numbers(source, key, value if isinstance(value, list) else [value])
    if len(numbers) not in {1, channels}:
        raise _wrong(source, key, f"one number or {channels}, one per channel", value)
    if key == "std" and 0.0 in numbers:
        raise _wrong(source, key, "numbers other than 0", value)
    return numbers


def _numbers(source: str, key: str, values: list[Any]) -> tuple[float, ...]:
    for value in values:
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise _wrong(source, key, "a finite number", value)
    return tuple(float(value) for value in values)


def _wrong(source: str, key: str, expected: str, got: Any) -> EncoderError:
    return EncoderError(f"{source} has the key '{key}' with {got!r}; expected {expected}")
