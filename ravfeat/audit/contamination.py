"""Encoders that have seen RAVDESS before: a small table, every entry with its source.

Only what a source says stands here. An encoder that is missing may be clean, or nobody wrote down what it was trained
on: "not in the table" is all that can be said of it. Weights under another name are not recognised.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["TABLE", "Contaminated", "find_contamination"]


@dataclass(frozen=True)
class Contaminated:
    """An encoder and what it has seen.

    Attributes
    ----------
    hub_id : str
        On huggingface.co. An encoder is recognised by the name alone, too, as folders and caches carry it.
    kind : {"trained", "derived"}
        Whether it was trained on RAVDESS with its labels, or on data that such a model labelled or led to.
    claim : str
        What the source says.
    source : str
    weights : tuple of str
        Digests under which caches know its weights, where known.
    """

    hub_id: str
    kind: Literal["trained", "derived"]
    claim: str
    source: str
    weights: tuple[str, ...] = ()


_EMOBOX = "arXiv:2406.07162 lists RAVDESS among EmoBox's corpora"
_PLUS = "https://huggingface.co/emotion2vec/emotion2vec_plus_seed"

TABLE: tuple[Contaminated, ...] = (
    Contaminated(
        "ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition",
        "trained",
        "fine-tuned on the 1440 speech clips of RAVDESS, all 8 emotions",
        "its model card, https://huggingface.co/ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition/commit/"
        "ebe7999a05786d6a77125e4662ff0f63239a3261",
    ),
    Contaminated(
        "r-f/wav2vec-english-speech-emotion-recognition",
        "trained",
        "fine-tuned on SAVEE, RAVDESS (1440 files, 24 actors) and TESS",
        "its model card, https://huggingface.co/r-f/wav2vec-english-speech-emotion-recognition/commit/"
        "a101005a4bf22922fa783851b244098b7f39631b",
    ),
    Contaminated(
        "firdhokk/speech-emotion-recognition-with-facebook-wav2vec2-large-xlsr-53",
        "trained",
        "fine-tuned on RAVDESS, SAVEE, TESS and URDU",
        "its model card, https://huggingface.co/firdhokk/speech-emotion-recognition-with-facebook-wav2vec2-large-xlsr-53/"
        "commit/4700315435ba902a6ca8b408a52fb90b867051ca",
    ),
    Contaminated(
        "AreejB/wav2vec2-xlsr-english-speech-emotion-recognition",
        "trained",
        "trained on RAVDESS (data set narad/ravdess), six emotions",
        "its model card, https://huggingface.co/AreejB/wav2vec2-xlsr-english-speech-emotion-recognition",
    ),
    Contaminated(
        "pollner/distilhubert-finetuned-ravdess",
        "trained",
        "distilhubert fine-tuned on RAVDESS (data set xbgoose/ravdess)",
        "its model card, https://huggingface.co/pollner/distilhubert-finetuned-ravdess/blob/"
        "afeeb24c9707fc89459c668c654144b270492e61/README.md",
    ),
    Contaminated(
        "emotion2vec/emotion2vec_plus_seed",
        "trained",
        "fine-tuned with the academic emotion data of EmoBox",
        f"its model card, {_PLUS}; {_EMOBOX}",
    ),
    Contaminated(
        "emotion2vec/emotion2vec_plus_base",
        "derived",
        "fine-tuned on speech labelled by models that come from emotion2vec_plus_seed, which has seen EmoBox",
        f"the model card of the series, {_PLUS}; {_EMOBOX}",
    ),
    Contaminated(
        "emotion2vec/emotion2vec_plus_large",
        "derived",
        "fine-tuned on speech labelled by models that come from emotion2vec_plus_seed, which has seen EmoBox",
        f"the model card of the series, {_PLUS}; {_EMOBOX}",
    ),
)
"""Looked up in November 2025."""


def find_contamination(names: Iterable[str], weights: str = "") -> Contaminated | None:
    """Look an encoder up.

    Parameters
    ----------
    names : iterable of str
        Whatever it is called: a hub id, a folder, the name in a cache.
    weights : str
        Digest of its weights, as a cache's identity holds it.

    Examples
    --------
    >>> find_contamination(["audio-wav2vec-english-speech-emotion-recognition-0a1b2c3d4e5f"]).kind
    'trained'
    >>> find_contamination(["wavlm-large"]) is None
    True
    """
    aliases = [_plain(alias) for alias in names]
    for entry in TABLE:
        name = _plain(entry.hub_id.rpartition("/")[2])
        if (weights and weights in entry.weights) or any(_contains(alias, name) for alias in aliases):
            return entry
    return None


def _contains(alias: str, name: str) -> bool:
    """Whether a name stands in another as whole words."""
    # With dashes around both: "wav2vec-english" must not be found in "my-wav2vec-english2".
    return f"-{name}-" in f"-{alias}-"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
