"""Encoders by name, hub id or folder.

Offers
------
ENCODERS, load_encoder.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ravfeat.encoders.base import Encoder
from ravfeat.errors import EncoderError, MissingExtraError

__all__ = ["ENCODERS", "Pretrained", "load_encoder"]


@dataclass(frozen=True)
class Pretrained:
    """A published encoder.

    Attributes
    ----------
    repository : str
        On the Hugging Face hub.
    revision : str
        The commit that is used, so that a name means the same weights for ever.
    """

    repository: str
    revision: str


ENCODERS: dict[str, Pretrained | None] = {
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
    "logmel": None,
}
"""Encoders with a name of their own; None is built in and needs no weights."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def load_encoder(which: str, device: str = "auto") -> Encoder:
    """Load an encoder.

    Parameters
    ----------
    which : str
        A registry name, a local folder, or a hub id (``owner/name``, optionally ``@revision``), looked
        for in this order; ``./wavlm-large`` is a folder, whatever the registry knows.
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Raises
    ------
    EncoderError
        Where nothing of that name exists, or it cannot be loaded.
    """
    if which == "logmel":
        from ravfeat.encoders.logmel import LogMelEncoder

        return LogMelEncoder()
    try:
        from ravfeat.encoders.device import resolve_device
        from ravfeat.encoders.speech import load_speech_encoder
        from ravfeat.encoders.weights import fetch_weights, open_weights
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "extract") from error
    target = resolve_device(device)
    if known := ENCODERS.get(which):
        return load_speech_encoder(fetch_weights(known.repository, known.revision), which, target)
    path = Path(which).expanduser()
    if which and path.is_dir():
        return load_speech_encoder(open_weights(path), path.resolve().name, target)
    repository, _, revision = which.partition("@")
    if not _HUB_ID.fullmatch(repository) or path.exists():
        raise EncoderError(
            f"no encoder '{which}'; choose from {', '.join(sorted(ENCODERS))}, or give a folder as save_pretrained"
            " writes it, or a hub id such as microsoft/wavlm-large"
        )
    return load_speech_encoder(fetch_weights(repository, revision or None), repository.rpartition("/")[2], target)
