"""Find and load an encoder by name, hub id, folder or ONNX file; each implies its stream."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ravfeat.encoders.base import Encoder
from ravfeat.encoders.brought import is_brought, open_brought, stream_of_brought
from ravfeat.encoders.cuda import cuda_number, split_devices
from ravfeat.encoders.known import ENCODERS, OPENSMILE, BuiltIn, Pretrained, unknown_encoder
from ravfeat.errors import EncoderError, MissingExtraError
from ravfeat.model_origin import ModelOrigin, is_hub_id
from ravfeat.schema import Stream

if TYPE_CHECKING:
    from ravfeat.encoders.weights import WeightFolder
    from ravfeat.faces.source import FaceOptions, FaceSource

__all__ = ["ENCODERS", "BuiltIn", "LoadRules", "Pretrained", "describe_encoder", "load_encoder", "stream_of"]


@dataclass(frozen=True)
class LoadRules:
    """Which model it must be, and how far to go for it; by default any, from wherever it is.

    Attributes
    ----------
    weights : str
        The digest that its weights must have: others are refused before they are loaded.
    offline : bool
        Fetch nothing.
    pickles : bool
        Whether weights may be a pickle where the hub has no safetensors file.
    settings : mapping
        Of an ONNX net, in place of those beside it.
    option : str
        What names a model instead; for messages.
    """

    weights: str = ""
    offline: bool = False
    pickles: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    option: str = "--encoder FOLDER"

    def check(self, weights: str, place: Path) -> None:
        """Refuse other weights.

        Raises
        ------
        EncoderError
        """
        if self.weights and weights != self.weights:
            raise EncoderError(
                f"{place} holds a model with the digest {weights}, expected {self.weights}; name the one that was used:"
                f" {self.option}"
            )


MARGIN = 1.0
"""Default margin of crops: the box of the face itself."""

NOMINAL_FPS = 30.0
"""Assumed frames per second of videos, to estimate the size of shards."""

_NET_SUFFIXES = frozenset({".onnx", ".toml"})
_EXPECTED_FOLDER = "expected a folder as save_pretrained writes it, or an ONNX net"


def stream_of(name_or_path: str) -> Stream:
    """Return the stream that an encoder reads, without loading it.

    Parameters
    ----------
    name_or_path : str
        As for `load_encoder`. For a hub id the configuration is fetched.

    Raises
    ------
    EncoderError
        Where nothing of that name exists.
    """
    if name_or_path in ENCODERS:
        return ENCODERS[name_or_path].stream
    if is_brought(name_or_path):
        return stream_of_brought(name_or_path)
    if _is_net(name_or_path):
        return "face"
    try:
        from ravfeat.encoders.weights import fetch_config, open_weights

        path = _path(name_or_path)
        if name_or_path and path.is_dir():
            return _stream_of_config(open_weights(path).config)
        return _stream_of_config(fetch_config(*_hub_id(name_or_path)))
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "extract") from error


def load_encoder(
    name_or_path: str,
    device: str = "auto",
    *,
    faces: "FaceOptions | None" = None,
    tf32: bool = False,
    rules: LoadRules = LoadRules(),
) -> Encoder[Any]:
    """Load an encoder.

    Parameters
    ----------
    name_or_path : str
        A registry name, code (``path.py:NAME``, ``package.module:NAME``, or what an installed package brings), an
        ONNX model (``.onnx``, or the ``.toml`` beside it), a local folder, or a hub id (``owner/name``, optionally
        ``@revision``), tried in this order; ``./wavlm-large`` is always a folder.
    device : str
        ``cpu``, ``cuda``, ``cuda:N``, ``auto``, or several GPUs as ``cuda:0,cuda:1``: batches of speech encoders
        then go to all of them; encoders of pictures, which wait for decoding most of the time, use the first.
    faces : FaceOptions, optional
        How faces are detected and cropped, for encoders that read faces.
    tf32 : bool
        Whether a GPU may round the factors of products to TF32 (torch encoders only); recorded as
        provenance.
    rules : LoadRules
        Which model it must be, and how far to go for it.

    Returns
    -------
    Encoder
        Its ``spec.source`` says what it takes to load it again elsewhere.

    Raises
    ------
    EncoderError
        Where nothing of that name exists, it cannot be loaded, or it is another than it must be.
    MissingExtraError
        Where it needs a package that is not installed.
    UsageError
        Where no device has that name.
    """
    devices = split_devices(device)
    if len(devices) > 1:
        return _replicated(name_or_path, devices, faces, tf32=tf32, rules=rules)
    cuda_number(device)  # encoders that need no device would take any name
    if isinstance(ENCODERS.get(name_or_path), BuiltIn):
        return _built_in(name_or_path, faces)
    if name_or_path not in ENCODERS and is_brought(name_or_path):
        return _brought(name_or_path, device, faces, rules)
    if _is_net(name_or_path):
        return _onnx_net(_path(name_or_path), device, faces, rules)
    try:
        from ravfeat.encoders.device import resolve_device
        from ravfeat.encoders.speech import load_speech_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "extract") from error
    from ravfeat.encoders.origin import weights_origin

    target = resolve_device(device)
    folder, name = _find(name_or_path, rules)
    rules.check(folder.digest if rules.weights else "", folder.path)
    entry = ENCODERS.get(name_or_path)
    if (entry.stream if entry else _stream_of_config(folder.config)) == "face":
        return _image_model(folder, name, target, faces, tf32=tf32)
    return _with_origin(load_speech_encoder(folder, name, target, tf32=tf32), weights_origin(folder, name))


def describe_encoder(name_or_path: str, *, faces: "FaceOptions | None" = None) -> Encoder[Any]:
    """Return an encoder of which only ``spec`` is to be used; the net of a speech encoder is not built.

    Parameters
    ----------
    name_or_path : str
        As for `load_encoder`.
    faces : FaceOptions, optional

    Raises
    ------
    EncoderError, MissingExtraError
        See `load_encoder`.
    """
    built_in = isinstance(ENCODERS.get(name_or_path), BuiltIn)
    if built_in or is_brought(name_or_path) or stream_of(name_or_path) == "face":
        return load_encoder(name_or_path, "cpu", faces=faces)
    try:
        from ravfeat.encoders.speech import describe_speech_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "extract") from error
    return describe_speech_encoder(*_find(name_or_path, LoadRules()))


def _built_in(name: str, faces: "FaceOptions | None") -> Encoder[Any]:
    if name in ("landmarks", "face-geometry"):
        return _landmarks(name, faces)  # type: ignore[arg-type]  # one of the two
    if name == "logmel":
        from ravfeat.encoders.logmel import LogMelEncoder

        return _with_origin(LogMelEncoder(), ModelOrigin(kind="logmel", name="logmel"))
    try:
        from ravfeat.encoders.opensmile import OpenSmileEncoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "opensmile") from error
    origin = ModelOrigin(kind=name, name=name, licence=OPENSMILE)  # type: ignore[typeddict-item]  # one of the four
    return _with_origin(OpenSmileEncoder(name), origin)


def _brought(text: str, device: str, faces: "FaceOptions | None", rules: LoadRules) -> Encoder[Any]:
    code = open_brought(text, device)
    rules.check(code.source_sha256, Path(text))
    from ravfeat.encoders.brought_encoder import BroughtFaceEncoder, BroughtSoundEncoder

    if code.stream == "audio":
        return BroughtSoundEncoder(code)
    source, rate_hz = _source(faces, detector=True, landmarker=False)
    margin = (faces.margin if faces else None) or code.margin or MARGIN
    encoder = BroughtFaceEncoder(code, steps=source.crop_steps, margin=margin, frame_rate_hz=rate_hz)
    return _with_origin(encoder, code.origin(), source)


def _replicated(
    name_or_path: str, devices: Sequence[str], faces: "FaceOptions | None", *, tf32: bool, rules: LoadRules
) -> Encoder[Any]:
    """Load an encoder on each of several devices; where it cannot queue batches, on the first, with a warning."""
    try:
        from ravfeat.encoders.device import resolve_device
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "extract") from error
    first, *others = [resolve_device(device) for device in devices]
    encoder = load_encoder(name_or_path, first, faces=faces, tf32=tf32, rules=rules)
    if not hasattr(encoder, "start"):
        place = encoder.provenance()["device"]
        warnings.warn(f"{encoder.spec.name} uses one device only: {place}", stacklevel=3)
        return encoder
    from ravfeat.encoders.replicas import ReplicatedEncoder

    replicas = [load_encoder(name_or_path, other, faces=faces, tf32=tf32, rules=rules) for other in others]
    return ReplicatedEncoder([encoder, *replicas])


def _find(name_or_path: str, rules: LoadRules) -> tuple["WeightFolder", str]:
    """Return a folder of weights, downloaded if needed, and the encoder's name."""
    from ravfeat.encoders.weights import fetch_weights, open_weights

    how: dict[str, Any] = {"offline": rules.offline, "pickles": rules.pickles, "option": rules.option}
    entry = ENCODERS.get(name_or_path)
    if isinstance(entry, Pretrained):
        return fetch_weights(entry.repository, entry.revision, **how), name_or_path
    path = _path(name_or_path)
    if name_or_path and path.is_dir():
        return open_weights(path), path.resolve().name
    repository, revision = _hub_id(name_or_path)
    return fetch_weights(repository, revision, **how), repository.rpartition("/")[2]


def _hub_id(name_or_path: str) -> tuple[str, str | None]:
    """Split a hub id into repository and revision; explain a name that is none, or a path without an encoder."""
    repository, _, revision = name_or_path.partition("@")
    path = _path(name_or_path)
    if is_hub_id(repository) and not path.exists():
        return repository, revision or None
    if path.is_file():
        raise EncoderError(f"{path} is a file, and not an ONNX net (.onnx, .toml); {_EXPECTED_FOLDER}")
    if name_or_path.startswith((".", "~")) or "/" in name_or_path or "\\" in name_or_path:
        raise EncoderError(f"{path} does not exist; {_EXPECTED_FOLDER}")
    raise unknown_encoder(name_or_path)


def _is_net(name_or_path: str) -> bool:
    # A folder of weights may have a name that ends in .onnx.
    path = _path(name_or_path)
    return path.suffix in _NET_SUFFIXES and not path.is_dir()


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~name, and there is no user of that name
        return Path(text)


def _stream_of_config(config: Mapping[str, Any]) -> Stream:
    from ravfeat.encoders.image import reads_pictures

    return "face" if reads_pictures(str(config.get("model_type"))) else "audio"


# --- face encoders: none but the image models may load torch


def _landmarks(name: Literal["landmarks", "face-geometry"], faces: "FaceOptions | None") -> Encoder[Any]:
    from ravfeat.encoders.landmarks import LandmarkEncoder
    from ravfeat.encoders.origin import landmarks_origin

    source, rate_hz = _source(faces, detector=False, landmarker=True)
    if source.landmarker is None:
        raise EncoderError(f"{name} needs a landmarker, and these options make a source without one")
    encoder = LandmarkEncoder(name, weights=source.landmarker.sha256, steps=source.mesh_steps, frame_rate_hz=rate_hz)
    return _with_origin(encoder, landmarks_origin(name, source.landmarker), source)


def _onnx_net(path: Path, device: str, faces: "FaceOptions | None", rules: LoadRules) -> Encoder[Any]:
    try:
        from ravfeat.encoders.onnx import load_onnx_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "face") from error
    from ravfeat.encoders.onnx_sidecar import find_sidecar, recorded_settings
    from ravfeat.encoders.origin import net_origin

    recorded = rules.settings and path.suffix != ".toml"
    settings = recorded_settings(rules.settings, path) if recorded else find_sidecar(path)
    rules.check(settings.sha256, settings.model)
    source, rate_hz = _source(faces, detector=True, landmarker=False)
    margin = faces.margin if faces else None
    encoder = load_onnx_encoder(settings, device, steps=source.crop_steps, margin=margin, frame_rate_hz=rate_hz)
    return _with_origin(encoder, net_origin(settings), source)


def _image_model(
    folder: "WeightFolder", name: str, device: str, faces: "FaceOptions | None", *, tf32: bool
) -> Encoder[Any]:
    try:
        from ravfeat.encoders.image import load_image_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "face") from error
    source, rate_hz = _source(faces, detector=True, landmarker=False)
    from ravfeat.encoders.origin import weights_origin

    margin = MARGIN if faces is None or faces.margin is None else faces.margin
    encoder = load_image_encoder(
        folder, name, device, steps=source.crop_steps, margin=margin, frame_rate_hz=rate_hz, tf32=tf32
    )  # fmt: skip
    return _with_origin(encoder, weights_origin(folder, name), source)


def _with_origin(encoder: Encoder[Any], origin: ModelOrigin, source: "FaceSource | None" = None) -> Encoder[Any]:
    """Record in an encoder's spec where it came from, and how its faces are found."""
    if source is not None:
        from ravfeat.encoders.origin import face_origin
        from ravfeat.faces.crop import margin_of

        origin["faces"] = face_origin(source, margin_of(encoder.spec.preprocessing))
    encoder.spec = replace(encoder.spec, source=origin)
    return encoder


def _source(faces: "FaceOptions | None", *, detector: bool, landmarker: bool) -> tuple["FaceSource", float]:
    """Return the source that an encoder will read from, and its nominal frame rate."""
    from ravfeat.faces.source import FaceOptions

    options = faces or FaceOptions()
    return options.source(boxes=detector, meshes=landmarker), options.fps or NOMINAL_FPS
