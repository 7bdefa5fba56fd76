"""Encoders that have a short name, and the way that works for names that people type and that have none."""

import re
from dataclasses import dataclass

from ravfeat.errors import EncoderError
from ravfeat.schema import Stream
from ravfeat.short_repr import short_repr

__all__ = ["ENCODERS", "OPENSMILE", "BuiltIn", "Pretrained", "licence_of", "unknown_encoder"]


@short_repr
@dataclass(frozen=True)
class Pretrained:
    """A published encoder.

    Attributes
    ----------
    repository : str
        On the Hugging Face hub.
    revision : str, optional
        Commit to use, so that a name always means the same weights. None takes the newest; the digest of the
        weights, which is part of every cache's identity, then tells which they were.
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
    licence : str
        Of what computes it, where that is not ravfeat itself.
    """

    stream: Stream
    licence: str = ""


OPENSMILE = "openSMILE (audEERING research licence: no commercial use)"

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
    "egemaps": BuiltIn("audio", OPENSMILE),
    "egemaps-lld": BuiltIn("audio", OPENSMILE),
    "compare": BuiltIn("audio", OPENSMILE),
    "compare-lld": BuiltIn("audio", OPENSMILE),
    # Not pinned to a commit; see `Pretrained.revision`.
    "facial-emotions": Pretrained("dima806/facial_emotions_image_detection", None, "face"),
    "mobilenet-v2": Pretrained("google/mobilenet_v2_1.0_224", None, "face"),
    "landmarks": BuiltIn("face"),
    "face-geometry": BuiltIn("face"),
}
"""Encoders by short name."""

_IMPORT = "run it, and read what it wrote: ravfeat cache import FILES --name NAME --stream {}"
_CODE = "write it as an encoder of your own, --encoder path.py:NAME (docs/encoders-and-heads.md has one of ten lines)"
_SAYS: dict[str, str] = {
    "opensmile": "its feature sets are --encoder egemaps, compare, egemaps-lld or compare-lld (the extra opensmile)",
    "egemaps": "openSMILE's are --encoder egemaps and egemaps-lld (the extra opensmile)",
    "gemaps": "openSMILE's are --encoder egemaps and egemaps-lld (the extra opensmile)",
    "is09": "openSMILE's are --encoder egemaps and compare; of another set, " + _CODE,
    "mfcc": f"the nearest is --encoder logmel; for MFCC (librosa, torchaudio) {_CODE}",
    "librosa": f"the nearest is --encoder logmel; for librosa's features {_CODE}",
    "xlsr": "give the model's hub id: facebook/wav2vec2-xls-r-300m or facebook/wav2vec2-large-xlsr-53",
    "wav2vec": "choose wav2vec2-base, or give the hub id of another: facebook/wav2vec2-large-960h",
    "data2vec": "give the model's hub id: facebook/data2vec-audio-base-960h",
    "emotion2vec": f"it needs the package funasr, not transformers: {_CODE}; or {_IMPORT.format('audio')}",
    "clap": f"it gives one vector and no hidden states, and transformers reads it by a class of its own: {_CODE}",
    "ecapa": f"it needs the package speechbrain, not transformers: {_CODE}",
    "xvector": f"it needs the package speechbrain, not transformers: {_CODE}",
    "panns": f"it needs a package of its own, not transformers: {_CODE}",
    "vggish": f"it needs a package of its own, not transformers: {_CODE}",
    "beats": f"it needs a package of its own, not transformers: {_CODE}",
    "resnet": "give the hub id of a picture model: microsoft/resnet-50 (it sees the crop of the face)",
    "vit": "give the hub id of a picture model: google/vit-base-patch16-224-in21k (it sees the crop of the face)",
    "clip": f"save its picture side alone (model.vision_model.save_pretrained), and give the folder; or {_CODE}",
    "openface": _IMPORT.format("face"),
    "hsemotion": "give its ONNX file, with a TOML file beside it: docs/contributing.md, 'Adding things'",
    "dlib": f"the nearest are --encoder landmarks and face-geometry; or {_IMPORT.format('face')}",
    "mediapipe": "its face landmarks are --encoder landmarks and face-geometry",
}
"""By what a name begins with, in lower case without signs: the way that works."""


def licence_of(name: str) -> str:
    """Return the licence of what computes a built-in encoder; empty where that is ravfeat itself, or it is another."""
    entry = ENCODERS.get(name)
    return entry.licence if isinstance(entry, BuiltIn) else ""


def unknown_encoder(name: str) -> EncoderError:
    """Make the error that there is no encoder of a name: the way that works where one is known, else the choices."""
    plain = re.sub("[^a-z0-9]", "", name.lower().removesuffix(".py"))
    known = [begin for begin in _SAYS if plain.startswith(begin)]
    if known and plain:
        return EncoderError(f"no encoder '{name}': {_SAYS[max(known, key=len)]}")
    by_stream = {
        stream: ", ".join(sorted(name for name, entry in ENCODERS.items() if entry.stream == stream))
        for stream in ("audio", "face")
    }
    return EncoderError(
        f"no encoder '{name}'; choose from {by_stream['audio']} (audio), {by_stream['face']} (face), or give a"
        " folder as save_pretrained writes it, an ONNX net (.onnx), code of your own (path.py:NAME), or a hub id such"
        " as microsoft/wavlm-large"
    )
