"""Audit a published head: digests, heads that load, scores of its card, its encoders, who made its features, terms."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ravfeat.address_audit.lines import FILES, address_of, card_line, said_otherwise, terms_line
from ravfeat.audit import Audit, Line
from ravfeat.audit.encoders import look_up_encoder
from ravfeat.audit.trust import trust_line
from ravfeat.audit.verdicts import edited, info, leak, not_possible, pass_, warn
from ravfeat.cards.head_card import compare_results
from ravfeat.corpora.labels import labels_said
from ravfeat.errors import HeadError
from ravfeat.escape import printable
from ravfeat.files import passing_folder
from ravfeat.published.card import document_trust, score_rows
from ravfeat.published.format import CARD_FILE, is_head_file
from ravfeat.published.head import PublishedHead
from ravfeat.published.load import load_head
from ravfeat.published.pull import pull_head
from ravfeat.remote.card import read_card
from ravfeat.remote.store import Store, is_remote
from ravfeat.runs.outcome import MADE_BY
from ravfeat.runs.trust import Source, Trust
from ravfeat.schema import is_unchecked

__all__ = ["audit_head"]

_SCORES, _PROTOCOL, _LABELS = "scores computed again", "protocol keeps actors apart", "labels are those of the corpus"
_CORE = (MADE_BY, FILES, _SCORES)
_MAX_FILE_BYTES = 2 << 30


def audit_head(store: Store, place: str) -> Audit:
    """Audit a head; errors as `ravfeat.address_audit.run.audit_published`.

    Parameters
    ----------
    store : Store
    place : str
        As it was given.
    """
    try:
        with _at_hand(place) as folder:
            head = load_head(folder)
            n_files = _compared(head)
            trust = _trust(head, store, place)
    except HeadError as error:
        return Audit(place, (edited(FILES, "", str(error)),), quick=False, files={}, core=_CORE)
    return Audit(place, tuple(_lines(head, n_files, store, trust)), quick=False, files={}, trust=trust, core=_CORE)


@contextmanager
def _at_hand(place: str) -> Iterator[Path]:
    """Give the folder of a head; of an address it is fetched as it is there now, and deleted again."""
    if not is_remote(place):
        yield Path(place)
        return
    with passing_folder("audits") as folder:
        yield pull_head(place, out=folder).path


def _compared(head: PublishedHead) -> int:
    """Hold every file against its digest, those too that predicting does without; give how many there are."""
    names = list(filter(is_head_file, head.folder.document["files"]))
    for name in names:
        head.folder.read(head.folder.path / name, _MAX_FILE_BYTES)
    return len(names)


def _trust(head: PublishedHead, store: Store, place: str) -> Trust:
    trust = document_trust(head.folder.about)
    if not (address := address_of(store, place, head.folder.path)):
        return trust
    trained = Source("the heads", "imported, made elsewhere", f"trained elsewhere, published at {printable(address)}")
    return Trust((trained, *trust.sources))


def _lines(head: PublishedHead, n_files: int, store: Store, trust: Trust) -> Iterator[Line]:
    document = head.folder.document
    yield trust_line(trust, "; that is what head.toml says of itself")
    n_heads = sum(len(models) for systems in head.models.values() for models in systems)
    yield pass_(
        FILES, "", f"{n_files} files have the digests of head.toml, which agrees with its own;"
        f" {n_heads} heads load, of the classes and caches that it names",
    )  # fmt: skip
    readme = read_card(store)
    card, text = (each.decode("utf-8", "replace") for each in (read_card(store, CARD_FILE), readme))
    n_said, faults = said_otherwise(f"{card}\n{text}", score_rows(document))
    n_results, wrong = compare_results(text, document)
    yield card_line(n_said + n_results, [*faults, *wrong], "head.toml")
    yield not_possible(_SCORES, "", "a head's folder holds no predictions; audit the run that it was exported from")
    yield _protocol(head)
    if "replaced_labels" in document:
        yield warn(_LABELS, "", labels_said(vars(document["replaced_labels"])))
    if changed := document.get("changes", []):
        yield warn(_LABELS, "", f"not the corpus's own task: {'; '.join(map(printable, changed))}")
    weights = {
        (cache["encoder"], str(cache["identity"].get("weights", "")), cache.get("model", {}).get("repository", ""))
        for system in document["systems"]
        for cache in system["caches"]
    }
    for encoder, digest, repository in sorted(weights):
        yield look_up_encoder(encoder, document["corpus"], digest, [repository])
    synthetic = document["synthetic"] and "cross_corpus" not in document
    yield terms_line(document["corpus"], readme, "heads", synthetic=synthetic)


def _protocol(head: PublishedHead) -> Line:
    document = head.folder.document
    said = f"'{printable(document['protocol'])}', {document['folds']} folds, select {document['select']}"
    if document["leaky"]:
        return leak(_PROTOCOL, "", f"{said}: LEAKY, tested on actors it was trained on, as head.toml says")
    if is_unchecked(document["protocol"]):
        return warn(_PROTOCOL, "", f"{said}: of some clips nobody says who speaks")
    return info(_PROTOCOL, "", f"{said}, as head.toml says; whose clips trained which fold is not in the folder")
