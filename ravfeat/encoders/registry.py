"""Encoders by name, hub id, folder or file; each implies its stream."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ravfeat.encoders.base import Encoder
from ravfeat.errors import EncoderError, MissingExtraError
from ravfeat.schema import Stream

if TYPE_CHECKING:
    from ravfeat.encoders.weights import WeightFolder
    from ravfeat.faces.source import FaceOptions, FaceSource

__all__ = ["ENCODERS", "BuiltIn", "Pretrained", "load_encoder", "stream_of"]


@dataclass(frozen=True)
class Pretrained:
    """A published encoder.

    Attributes
    ----------
    repository : str
        On the Hugging Face hub.
    revision : str, optional
        The commit that is used, so that a name means the same weights for ever. None takes the newest; the
        digest of the weights, which is part of every cache's identity, then tells what it was.
    stream : {"audio", "face"}
    """

    repository: str
    revision: str | None
    stream: Stream = "audio"


@dataclass(frozen=True)
class BuiltIn:
    """An encoder that needs no weights from the hub.

    Attributes
    ----------
    stream : {"audio", "face"}
    """

    stream: Stream


ENCODERS: dict[str, Pretrained | BuiltIn] = {
    "wavlm-large": Pretrained("microsoft/wavlm-large", "c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c"),
    "wavlm-base-plus": Pretrained("microsoft/wavlm-base-plus", "4c66d4806a428f2e922ccfa1a962776e232d487b"),
    "hubert-base": Pretrained("facebook/hubert-base-ls960", "dba3bb02fda4248b6e082697eee756de8fe8aa8a"),
    "hubert-large": Pretrained("facebook/hubert-large-ll60k", "ff022d095678a2995f3c49bab18a96a9e553f782"),
    "wav2vec2-base": Pretrained("facebook/wav2vec2-base", "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8"),
    "whisper-tiny.en": Pretrained("openai/whisper-tiny.en", "87c7102498dcde7456f24cfd30239ca606ed9063"),
    "whisper-base": Pretrained("openai/whisper-base", "e37978b90ca9030d5170a5c07aadb050351a65bb"),
    "whisper-small": Pretrained("openai/whisper-small", "973afd24965f72e36ca33b3055d56a652f456b4d"),
    "whisper-medium": Pretrained("openai/whisper-medium", "abdf7c39ab9d0397620ccaea8974cc764cd0953e"),
    "whisper-large-v3": Pretrained("openai/whisper-large-v3", "06f233fe06e710322aca913c1bc4249a0d71fce1"),
    "logmel": BuiltIn("audio"),
    # No commits of these two are known to us; `Pretrained.revision` says what that means.
    "facial-emotions": Pretrained("dima806/facial_emotions_image_detection", None, "face"),
    "mobilenet-v2": Pretrained("google/mobilenet_v2_1.0_224", None, "face"),
    "landmarks": BuiltIn("face"),
}
"""Encoders with a name of their own."""

MARGIN = 1.0
"""Of the crops, for encoders that do not say: the face's box itself."""

NOMINAL_FPS = 30.0
"""Frames a second of a face encoder, for planning, where every picture is read."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_NET_SUFFIXES = frozenset({".onnx", ".toml"})


def stream_of(which: str) -> Stream:
    """Say what an encoder reads, without loading it.

    Parameters
    ----------
    which : str
        As for `load_encoder`. Of a hub id the configuration is fetched.

    Raises
    ------
    EncoderError
        Where nothing of that name exists.
    """
    if which in ENCODERS:
        return ENCODERS[which].stream
    if _is_net(which):
        return "face"
    try:
        from ravfeat.encoders.weights import fetch_config, open_weights

        path = Path(which).expanduser()
        if which and path.is_dir():
            return _stream_of_config(open_weights(path).config)
        return _stream_of_config(fetch_config(*_hub_id(which)))
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "extract") from error


def load_encoder(
    which: str, device: str = "auto", *, faces: "FaceOptions | None" = None, tf32: bool = False
) -> Encoder[Any]:
    """Load an encoder.

    Parameters
    ----------
    which : str
        A registry name, an ONNX net (``.onnx``, or the ``.toml`` beside it), a local folder, or a hub id
        (``owner/name``, optionally ``@revision``), looked for in this order; ``./wavlm-large`` is a folder,
        whatever the registry knows.
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.
    faces : FaceOptions, optional
        How faces are found and cut out, for encoders that read them.
    tf32 : bool
        Whether a GPU may round the factors of products to TF32, of encoders that torch computes; recorded as
        provenance.

    Raises
    ------
    EncoderError
        Where nothing of that name exists, or it cannot be loaded.
    MissingExtraError
        Where it needs a package that is not installed.
    """
    if which == "logmel":
        from ravfeat.encoders.logmel import LogMelEncoder

        return LogMelEncoder()
    if which == "landmarks":
        return _landmarks(faces)
    if _is_net(which):
        return _onnx_net(which, device, faces)
    try:
        from ravfeat.encoders.device import resolve_device
        from ravfeat.encoders.speech import load_speech_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "extract") from error
    target = resolve_device(device)
    folder, name = _find(which)
    known = ENCODERS.get(which)
    if (known.stream if known else _stream_of_config(folder.config)) == "face":
        return _image_model(folder, name, target, faces, tf32=tf32)
    return load_speech_encoder(folder, name, target, tf32=tf32)


def _find(which: str) -> tuple["WeightFolder", str]:
    """Give a folder of weights, fetched if need be, and what to call it."""
    from ravfeat.encoders.weights import fetch_weights, open_weights

    known = ENCODERS.get(which)
    if isinstance(known, Pretrained):
        return fetch_weights(known.repository, known.revision), which
    path = Path(which).expanduser()
    if which and path.is_dir():
        return open_weights(path), path.resolve().name
    repository, revision = _hub_id(which)
    return fetch_weights(repository, revision), repository.rpartition("/")[2]


def _hub_id(which: str) -> tuple[str, str | None]:
    repository, _, revision = which.partition("@")
    if not _HUB_ID.fullmatch(repository) or Path(which).expanduser().exists():
        by_stream = {
            stream: ", ".join(sorted(name for name, known in ENCODERS.items() if known.stream == stream))
            for stream in ("audio", "face")
        }
        raise EncoderError(
            f"no encoder '{which}'; choose from {by_stream['audio']} (audio), {by_stream['face']} (face), or give a"
            " folder as save_pretrained writes it, an ONNX net (.onnx), or a hub id such as microsoft/wavlm-large"
        )
    return repository, revision or None


def _is_net(which: str) -> bool:
    path = Path(which).expanduser()
    return path.suffix in _NET_SUFFIXES and not path.is_dir()


def _stream_of_config(config: Mapping[str, Any]) -> Stream:
    from ravfeat.encoders.image import reads_pictures

    return "face" if reads_pictures(str(config.get("model_type"))) else "audio"


# --- face encoders: none but the image models may load torch


def _landmarks(faces: "FaceOptions | None") -> Encoder[Any]:
    from ravfeat.encoders.landmarks import LandmarkEncoder

    source, rate_hz = _source(faces, detector=False, landmarker=True)
    if source.landmarker is None:
        raise EncoderError("landmarks need a landmarker, and these options make a source without one")
    return LandmarkEncoder(weights=source.landmarker.sha256, steps=source.mesh_steps, frame_rate_hz=rate_hz)


def _onnx_net(which: str, device: str, faces: "FaceOptions | None") -> Encoder[Any]:
    try:
        from ravfeat.encoders.onnx import load_onnx_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "face") from error
    source, rate_hz = _source(faces, detector=True, landmarker=False)
    margin = faces.margin if faces else None
    return load_onnx_encoder(
        Path(which).expanduser(), device, steps=source.crop_steps, margin=margin, frame_rate_hz=rate_hz
    )


def _image_model(
    folder: "WeightFolder", name: str, device: str, faces: "FaceOptions | None", *, tf32: bool
) -> Encoder[Any]:
    try:
        from ravfeat.encoders.image import load_image_encoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "face") from error
    source, rate_hz = _source(faces, detector=True, landmarker=False)
    margin = MARGIN if faces is None or faces.margin is None else faces.margin
    return load_image_encoder(
        folder, name, device, steps=source.crop_steps, margin=margin, frame_rate_hz=rate_hz, tf32=tf32
    )  # fmt: skip


def _source(faces: "FaceOptions | None", *, detector: bool, landmarker: bool) -> tuple["FaceSource", float]:
    """Give the source that an encoder would read from, and its nominal rate."""
    from ravfeat.faces.source import FaceOptions

    options = faces or FaceOptions()
    return options.source(boxes=detector, meshes=landmarker), options.fps or NOMINAL_FPS
