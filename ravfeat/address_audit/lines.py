"""Lines that audits of published caches and heads share: files, terms, and what a card claims."""

import re
from collections.abc import Sequence
from pathlib import Path

from ravfeat.audit.verdicts import Line, edited, info, not_possible, pass_, warn
from ravfeat.cache.origin_file import read_origin
from ravfeat.corpora.terms import Published, known_corpus, licence_for
from ravfeat.errors import CorpusError, UsageError
from ravfeat.escape import printable
from ravfeat.remote.card import licence_of_card
from ravfeat.remote.store import Store, is_remote

__all__ = ["CARD", "FILES", "TERMS", "address_of", "card_line", "said_otherwise", "terms_line"]

FILES = "files are those of their digests"
CARD = "card says what is there"
TERMS = "terms"

_MARKUP = re.compile(r"[`\\*]")


def address_of(store: Store, place: str, folder: Path) -> str:
    """Say where it was published; empty for a folder of this machine, which may have been made here."""
    if is_remote(place):
        return store.place
    origin = read_origin(folder)
    return origin["address"] if origin else ""


def terms_line(corpus: str, card: bytes, what: Published, *, synthetic: bool) -> Line:
    """Hold the licence of a card against the terms of the corpus, as far as ravfeat knows them."""
    if not card:
        return not_possible(TERMS, "", "there is no card (README.md), which would name a licence")
    licence = licence_of_card(card)
    said = f"its card says {printable(licence)}" if licence else "its card names no licence"
    try:
        terms = licence_for(corpus, synthetic=synthetic, licence=licence or None, what=what, option="licence")
    except (CorpusError, UsageError) as error:
        return warn(TERMS, "", f"{said}: {error}")
    if synthetic or known_corpus(corpus) is not None:
        verdict = pass_ if licence else warn
        return verdict(TERMS, "", f"{said}; what is made of '{printable(corpus)}' is passed on under {terms.licence}")
    return info(TERMS, "", f"{said}; ravfeat does not know the terms of the corpus '{printable(corpus)}'")


def said_otherwise(card: str, claims: Sequence[tuple[str, str]]) -> tuple[int, list[str]]:
    """Compare what a card says with what it has to say.

    Parameters
    ----------
    card : str
        Its text; any text around is passed over.
    claims : sequence of (str, str)
        How a line begins, and how it has to go on.

    Returns
    -------
    n_said : int
        Claims that the card has, under their names.
    faults : list of str
        Those that it has with another value.
    """
    lines = [_plain(line) for line in card.splitlines()]
    n_said = 0
    faults: list[str] = []
    for name, value in claims:
        claim = _plain(name + value)
        found = [line for line in lines if line.startswith(_plain(name))]
        n_said += bool(found)
        faults += [f"'{printable(line)[:200]}', expected '{printable(claim)[:200]}'" for line in found if line != claim]
    return n_said, faults


def card_line(n_said: int, faults: Sequence[str], what: str) -> Line:
    """Make the line of a card that was compared; `what` names what it was held against."""
    if faults:
        return edited(CARD, "", f"{len(faults)} of what it says is not so: {'; '.join(faults[:3])}")
    if not n_said:
        return not_possible(CARD, "", "no card is there that says any of what ravfeat's cards say")
    return pass_(CARD, "", f"{n_said} of its statements are those of {what}; its other text was not read")


def _plain(line: str) -> str:
    return " ".join(_MARKUP.sub("", line).split())
