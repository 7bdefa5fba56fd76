"""Terms of known corpora: under which licence features and heads may be published, whom to name, who says so.

Of a corpus that is not in the table nothing is guessed: whoever publishes must have read its terms, and say the licence
that they allow. A corpus is known by its name, which the user chooses: a renamed one cannot be recognised.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ravfeat.errors import CorpusError, UsageError

__all__ = ["CORPORA", "CorpusTerms", "Published", "Terms", "data_terms", "known_corpus", "licence_for"]

Published = Literal["features", "heads"]

SYNTHETIC_LICENCE = "apache-2.0"
"""Of what was made from generated clips: that of ravfeat."""

_SHORT = 4  # letters of a name that may be part of an ordinary word, such as "tess" of "tessellation"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,60}")
_CHANGES: Mapping[Published, str] = {
    "features": "features of a frozen encoder were computed from the recordings; no recording is here",
    "heads": "features of frozen encoders were computed from the recordings and heads trained on these; no recording is"
    " here",
}


@dataclass(frozen=True)
class CorpusTerms:
    """What the owners of a corpus say.

    Attributes
    ----------
    title : str
    licence : str or None
        As the Hugging Face hub calls it; None where an agreement with every user takes its place.
    licence_title : str
    refused : str
        Why nothing that is made of the recordings may be published; empty where it may.
    source : str
        Where the terms stand.
    citation : str
    language : str
        ISO 639-1.
    """

    title: str
    licence: str | None
    licence_title: str
    source: str
    citation: str
    refused: str = ""
    language: str = "en"


_NO_DERIVATIVES = "its licence allows no adapted material to be shared, and features are computed from the recordings"
_AGREEMENT = "it is given to those who sign an agreement, which does not let them pass it on"

CORPORA: Mapping[str, CorpusTerms] = {
    "ravdess": CorpusTerms(
        "RAVDESS",
        "cc-by-nc-sa-4.0",
        "CC BY-NC-SA 4.0",
        "https://doi.org/10.5281/zenodo.1188976",
        "Livingstone SR, Russo FA (2018). The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS)."
        " PLoS ONE 13(5): e0196391. https://doi.org/10.1371/journal.pone.0196391",
    ),
    "cremad": CorpusTerms(
        "CREMA-D",
        "odbl",
        "Open Database License 1.0",
        "https://github.com/CheyneyComputerScience/CREMA-D",
        "Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014). CREMA-D: Crowd-sourced Emotional Multimodal"
        " Actors Dataset. IEEE Transactions on Affective Computing 5(4): 377-390."
        " https://doi.org/10.1109/TAFFC.2014.2336244",
    ),
    "tess": CorpusTerms(
        "TESS",
        "cc-by-nc-nd-4.0",
        "CC BY-NC-ND 4.0",
        "https://doi.org/10.5683/SP2/E8H2MF",
        "Pichora-Fuller MK, Dupuis K (2020). Toronto emotional speech set (TESS). Borealis."
        " https://doi.org/10.5683/SP2/E8H2MF",
        refused=_NO_DERIVATIVES,
    ),
    "iemocap": CorpusTerms(
        "IEMOCAP",
        None,
        "release form of the University of Southern California",
        "https://sail.usc.edu/iemocap/iemocap_release.htm",
        "Busso C, Bulut M, Lee C-C, Kazemzadeh A, Mower E, Kim S, Chang JN, Lee S, Narayanan SS (2008). IEMOCAP:"
        " interactive emotional dyadic motion capture database. Language Resources and Evaluation 42(4): 335-359."
        " https://doi.org/10.1007/s10579-008-9076-6",
        refused=_AGREEMENT,
    ),
    "mspimprov": CorpusTerms(
        "MSP-IMPROV",
        None,
        "academic licence of the University of Texas at Dallas",
        "https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html",
        "Busso C, Parthasarathy S, Burmania A, AbdelWahab M, Sadoughi N, Provost EM (2017). MSP-IMPROV: an acted corpus"
        " of dyadic interactions to study emotion perception. IEEE Transactions on Affective Computing 8(1): 67-80."
        " https://doi.org/10.1109/TAFFC.2016.2515617",
        refused=_AGREEMENT,
    ),
    "msppodcast": CorpusTerms(
        "MSP-Podcast",
        None,
        "academic licence of the University of Texas at Dallas",
        "https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
        "Lotfian R, Busso C (2019). Building naturalistic emotionally balanced speech corpus by retrieving emotional"
        " speech from existing podcast recordings. IEEE Transactions on Affective Computing 10(4): 471-483."
        " https://doi.org/10.1109/TAFFC.2017.2736999",
        refused=_AGREEMENT,
    ),
}
"""By the name in lower case, without spaces, hyphens and the like."""


@dataclass(frozen=True)
class Terms:
    """Under what something may be published.

    Attributes
    ----------
    licence : str
        As the Hugging Face hub calls it.
    what : {"features", "heads"}
    corpus : CorpusTerms or None
        None where the user said the licence, and for a generated corpus.
    synthetic : bool
    """

    licence: str
    what: Published
    corpus: CorpusTerms | None = None
    synthetic: bool = False

    @property
    def changes(self) -> str:
        """What was done with the recordings, without a full stop: licences ask for it."""
        return "" if self.synthetic else _CHANGES[self.what]


def known_corpus(name: str) -> CorpusTerms | None:
    """Find a corpus in the table by its name in any usual spelling.

    Examples
    --------
    >>> known_corpus("CREMA_D").licence, known_corpus("MSP-Podcast 1.11").licence, known_corpus("mine")
    ('odbl', None, None)
    """
    # Wide letters and the like are read as the plain ones that they look like.
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", name).casefold())
    # Parts, versions and choices of a corpus are under its terms: ravdess-men, MSP-Podcast 1.11, iemocap4, iemocapV2.
    runs = {"".join(words[i:j]).rstrip("0123456789") for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
    letters = "".join(words)
    return next((terms for key, terms in CORPORA.items() if key in (letters if len(key) > _SHORT else runs)), None)


def licence_for(
    corpus: str, *, synthetic: bool, licence: str | None, what: Published, option: str = "--license"
) -> Terms:
    """Say under which licence features or heads of a corpus may be published.

    Parameters
    ----------
    corpus : str
        Its name, as caches and heads say it.
    synthetic : bool
        Whether the corpus is a generated one.
    licence : str or None
        What the user says of a corpus that is not in the table.
    what : {"features", "heads"}
    option : str
        What the user says it by, for messages.

    Raises
    ------
    CorpusError
        Where the terms forbid it, say another licence, or nobody says them.
    UsageError
        For what is no name of a licence.
    """
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise UsageError(f"{option} {licence!a}: expected a licence as the hub calls it, such as cc-by-4.0")
    known = None if synthetic else known_corpus(corpus)
    if known is not None and known.refused:
        raise CorpusError(
            f"{what} of {known.title} may not be published: {known.refused} ({known.licence_title}, {known.source});"
            f" share how to make them instead: 'ravfeat extract' makes the same {_again(what)}"
        )
    fixed = SYNTHETIC_LICENCE if synthetic else known.licence if known is not None else None
    if fixed is None and licence is None:
        raise CorpusError(
            f"ravfeat does not know the terms of the corpus '{corpus}', and {what} of it may not be published before"
            f" somebody has read them; where they allow it, say under which licence: {option} cc-by-4.0"
        )
    if fixed is not None and licence not in (None, fixed):
        said_by = known.source if known is not None else "it is generated"
        raise CorpusError(
            f"{what} of the corpus '{corpus}' are published under {fixed}, not {licence} ({said_by}); leave {option}"
            " out"
        )
    return Terms(fixed or str(licence), what, known, synthetic)


def _again(what: Published) -> str:
    return "features" if what == "features" else "features, and 'ravfeat fit-heads' the same heads"


def data_terms(corpus: str, *, synthetic: bool) -> str:
    """Say in a head's card what is known of the terms of the corpus it was trained on, and plainly where nothing is."""
    if synthetic:
        return "Trained on a generated corpus: no recordings of people, no terms."
    known = known_corpus(corpus)
    if known is None:
        return (
            f"ravfeat does not know the terms of the corpus '{corpus}'. Whoever publishes this folder must state them"
            " here, and must not publish it before having read them."
        )
    if known.refused:
        return (
            f"{known.title} ({known.licence_title}, {known.source}): this folder may not be published, {known.refused}."
        )
    return (
        f"{known.title} is under {known.licence_title} ({known.source}). Whether heads trained on it are adapted"
        " material is not settled; whoever publishes or uses them inherits the question. Treat them as under the same"
        " terms: name the source, and say what was changed."
    )
