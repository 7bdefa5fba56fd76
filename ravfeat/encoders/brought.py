"""Code of a user's own as an encoder: ``path.py:NAME``, ``package.module:NAME``, entry points ``ravfeat.encoders``.

NAME is the encoder itself (a function with the attributes below, or an object that can be called), or a class or a
function without parameters that makes it; where it has a parameter ``device``, it gets the device. It is called with

- ``stream = "audio"`` (default): a waveform (n,), float32, one channel, and its rate in Hz, and returns frames
  (T, L, D) or (T, D), or one vector (D,) for the whole clip; as an array or a tensor;
- ``stream = "face"``: the crop of a face (size, size, 3), uint8, RGB, and returns (L, D) or (D,).

Its attributes are

=================== ================================================================================================
``identity``        required: name and version, a text or a mapping (weights, settings): whatever changes the features
``stream``          ``"audio"`` or ``"face"``; of a factory, an attribute of its own
``sample_rate_hz``  that it hears; default 16000
``frame_rate_hz``   default as a test tone shows; 0: any number of frames, however long the clip
``size``, ``margin`` of crops: their side in pixels (default 224), and over that of the face's box (default 1)
``feature_names``   names of the D dimensions
``dtype``           in which features are stored by default: ``"float32"`` (default) or ``"float16"``
``name``            of the cache's folder; default NAME
=================== ================================================================================================

The identity holds what ``identity`` says and the SHA-256 of the source, so another source makes another cache. Before
anything is read, test inputs show shapes and frame rate, and that the same input gives the same features again.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import EncoderError
from ravfeat.escape import printable
from ravfeat.files import canonical_json
from ravfeat.model_origin import ModelOrigin
from ravfeat.plugins import Brought, installed, is_reference, load_installed, load_reference, running_brought

__all__ = ["GROUP", "BroughtCode", "is_brought", "open_brought", "stream_of_brought"]

GROUP = "ravfeat.encoders"

SAMPLE_RATE_HZ = 16_000
SIZE = 224
_RATES_HZ = (1000, 384_000)
_SIZES = (8, 2048)
_MAX_IDENTITY = 4000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,60}")


@dataclass(frozen=True)
class BroughtCode:
    """What a reference names, and what it says of itself; checked.

    Attributes
    ----------
    call : callable
        The encoder itself.
    reference : str
        Without folders: caches hold no paths of the machine.
    source_sha256 : str
    versions : mapping
        Of the packages that it imports.
    name, identity, stream, sample_rate_hz, frame_rate_hz, size, margin, feature_names, dtype
        See the module; ``identity`` as text, None where it does not say.
    device : str
        That it was asked to compute on.
    """

    call: Any
    reference: str
    source_sha256: str
    versions: Mapping[str, str]
    name: str
    identity: str
    stream: Literal["audio", "face"]
    sample_rate_hz: int
    frame_rate_hz: float | None
    size: int
    margin: float | None
    feature_names: tuple[str, ...]
    dtype: Literal["float16", "float32"]
    device: str

    def run(self, doing: str, *arguments: Any) -> NDArray[np.float32]:
        """Call it, and give what it returns as an array of its own.

        Raises
        ------
        PluginError
            Where it fails; `doing` says at what.
        EncoderError
            Where it returns no numbers.
        """
        with running_brought(self.reference, doing):
            value = self.call(*arguments)
            # A tensor that needs gradients, or lies on a GPU, is no array as it is.
            value = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if value.dtype.kind not in "fiu":
            raise EncoderError(
                f"'{self.reference}' returned {value.dtype} of shape {value.shape} while {doing}; expected numbers"
            )
        return np.array(value, np.float32)  # copied: it may fill the same array again for the next clip

    def provenance(self) -> dict[str, Any]:
        """Return versions and device."""
        return {"device": self.device, "numpy": np.__version__, **self.versions}

    def origin(self) -> ModelOrigin:
        """Say what it was; nothing is ever loaded because of it."""
        return ModelOrigin(
            kind="code", name=self.name, reference=self.reference, files={_file(self): self.source_sha256}
        )


def is_brought(text: str) -> bool:
    """Whether a text names code, or what an installed package brings as an encoder; nothing is loaded."""
    return is_reference(text) or text in installed(GROUP)


def stream_of_brought(text: str) -> Literal["audio", "face"]:
    """Return the stream that brought code reads, as NAME itself says; the code is loaded, and nothing is made.

    Raises
    ------
    EncoderError, PluginError, UsageError
    """
    return _stream(_load(text).value, text)


def open_brought(text: str, device: str) -> BroughtCode:
    """Load code that a user names, and check what it says of itself.

    Parameters
    ----------
    text : str
    device : str
        Given to a factory or class that has a parameter of this name.

    Raises
    ------
    EncoderError
        Where it lacks what an encoder needs, or says what cannot be.
    PluginError, UsageError
        See `ravfeat.plugins.load_reference`.
    """
    brought = _load(text)
    reference = _short(text)
    encoder = _made(brought.value, reference, device)
    stream = _stream(encoder, reference)
    if stream != (announced := _stream(brought.value, reference)):
        raise EncoderError(
            f"'{reference}' makes an encoder with stream = {stream!r} and is itself of {announced!r}: what is read is"
            f" asked of NAME before anything is made; set {reference.rpartition(':')[2]}.stream = {stream!r}"
        )
    margin = _number(encoder, "margin", reference, None, (0.1, 10))
    return BroughtCode(
        call=encoder,
        reference=reference,
        source_sha256=brought.source_sha256,
        versions=brought.versions,
        name=_name(encoder, text, reference),
        identity=_identity(encoder, reference),
        stream=stream,
        sample_rate_hz=int(cast("float", _number(encoder, "sample_rate_hz", reference, SAMPLE_RATE_HZ, _RATES_HZ))),
        frame_rate_hz=_number(encoder, "frame_rate_hz", reference, None, (0, 100_000)),
        size=int(cast("float", _number(encoder, "size", reference, SIZE, _SIZES))),
        margin=margin,
        feature_names=_feature_names(encoder, reference),
        dtype=_dtype(encoder, reference),
        device=device if _takes_device(brought.value) else "cpu",
    )


def _load(text: str) -> Brought:
    return load_reference(text) if is_reference(text) else load_installed(GROUP, text)


def _short(text: str) -> str:
    """Leave the folders out of a reference: caches hold no paths of the machine."""
    path, colon, name = text.rpartition(":")
    return printable(f"{Path(path).name}{colon}{name}")


def _file(code: BroughtCode) -> str:
    return code.reference.rpartition(":")[0] or code.reference


def _made(value: Any, reference: str, device: str) -> Any:
    encoder = value
    if inspect.isclass(value) or (callable(value) and not hasattr(value, "identity")):
        with running_brought(reference, "being made"):
            encoder = value(device=device) if _takes_device(value) else value()
    if not callable(encoder):
        raise EncoderError(
            f"'{reference}' gave {_kind(encoder)}, which cannot be called; expected a function, or an object with"
            " __call__(waveform, sample_rate_hz), see 'An encoder of your own' in docs/encoders-and-heads.md"
        )
    return encoder


def _takes_device(value: Any) -> bool:
    if hasattr(value, "identity") and not inspect.isclass(value):
        return False  # the encoder itself
    try:
        return "device" in inspect.signature(value).parameters
    except (TypeError, ValueError):  # built in, or no function
        return False


def _kind(value: object) -> str:
    return f"{'an' if type(value).__name__[:1].lower() in 'aeiou' else 'a'} {type(value).__name__}"


def _stream(value: Any, reference: str) -> Literal["audio", "face"]:
    stream = getattr(value, "stream", "audio")
    if not (isinstance(stream, str) and stream in ("audio", "face")):
        raise EncoderError(f"'{_short(reference)}' has stream = {stream!r:.60}; expected 'audio' or 'face'")
    return cast('Literal["audio", "face"]', stream)


def _identity(encoder: Any, reference: str) -> str:
    said = getattr(encoder, "identity", None)
    if said is None or said == "" or said == {}:
        raise EncoderError(
            f"'{reference}' does not say what it is: give it the attribute identity = 'name and version', or a mapping"
            " with everything that changes its features (weights, settings)"
        )
    if not isinstance(said, str | Mapping):
        raise EncoderError(f"'{reference}' has an identity that is {_kind(said)}; expected a text or a mapping")
    try:
        text = said if isinstance(said, str) else canonical_json(dict(said))
    except (TypeError, ValueError, RecursionError) as error:
        raise EncoderError(
            f"'{reference}' has an identity that JSON cannot hold ({error}); expected texts, numbers and lists"
        ) from error
    if len(text) > _MAX_IDENTITY or not text.isprintable():
        raise EncoderError(
            f"'{reference}' has an identity of {len(text)} characters; expected at most {_MAX_IDENTITY} printable"
            " ones: of weights, give their SHA-256"
        )
    return text


def _number(
    encoder: Any, name: str, reference: str, default: float | None, bounds: tuple[float, float]
) -> float | None:
    value = getattr(encoder, name, None)
    if value is None:
        return default
    whole = isinstance(default, int)
    kinds = int | np.integer if whole else int | float | np.integer | np.floating
    if isinstance(value, bool) or not isinstance(value, kinds) or not bounds[0] <= value <= bounds[1]:
        raise EncoderError(
            f"'{reference}' has {name} = {value!r:.60}; expected a {'whole ' * whole}number from {bounds[0]} to"
            f" {bounds[1]}"
        )
    return float(value)


def _feature_names(encoder: Any, reference: str) -> tuple[str, ...]:
    names = getattr(encoder, "feature_names", None)
    if names is None:
        return ()
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise EncoderError(f"'{reference}' has feature_names = {names!r:.60}; expected a list of texts")
    return tuple(names)


def _dtype(encoder: Any, reference: str) -> Literal["float16", "float32"]:
    dtype = getattr(encoder, "dtype", "float32")
    if not (isinstance(dtype, str) and dtype in ("float16", "float32")):
        raise EncoderError(f"'{reference}' has dtype = {dtype!r:.60}; expected 'float16' or 'float32'")
    return cast('Literal["float16", "float32"]', dtype)


def _name(encoder: Any, text: str, reference: str) -> str:
    name = getattr(encoder, "name", None) or text.rpartition(":")[2]
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise EncoderError(
            f"'{reference}' has name = {name!r:.60}, which becomes the name of a folder; expected letters, digits, '.',"
            " '_', '+' and '-'"
        )
    return name
