"""Publish a head at an address: checked first, with a card for the hub, ``head.toml`` last."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ravfeat.cache.origin_file import read_origin
from ravfeat.cards.head_card import head_card
from ravfeat.cards.validate import validate_card
from ravfeat.documents import MAX_TOML_BYTES
from ravfeat.errors import HeadError, RemoteError
from ravfeat.published.card import terms_of
from ravfeat.published.format import CARD_FILE, HEAD_FILE, REMEDY, HeadFolder, head_folder, is_head_file, read_inside
from ravfeat.published.load import load_head
from ravfeat.remote.store import MissingFileError, Store, open_store

__all__ = ["HeadPublication", "publish_head"]

_README = "README.md"
_MAX_CARD_BYTES, _MAX_FILE_BYTES = 4 << 20, 2 << 30


@dataclass(frozen=True)
class HeadPublication:
    """What was published, or would be.

    Attributes
    ----------
    address : str
    licence : str
    sizes : mapping of str to int
        Files and their bytes.
    sent : tuple of str
        Those that were not there already; empty after a dry run.
    card : str
        ``README.md``.
    commit : str
        Of the hub; empty elsewhere and after a dry run.
    """

    address: str
    licence: str
    sizes: Mapping[str, int]
    sent: tuple[str, ...]
    card: str
    commit: str = ""


def publish_head(folder: Path, to: str, *, licence: str | None = None, dry_run: bool = False) -> HeadPublication:
    """Publish a head.

    Parameters
    ----------
    folder : Path
        What ``ravfeat export-heads`` made.
    to : str
        ``hf://USER/NAME``, ``s3://…``, a folder …; see `ravfeat.remote.store.open_store`.
    licence : str, optional
        What the terms of a corpus that ravfeat does not know allow.
    dry_run : bool
        Check everything here, and send nothing.

    Raises
    ------
    HeadError
        Where the head is not whole, or holds what is none of a head.
    CorpusError
        Where the terms of its corpus forbid or do not say that it may be published.
    RemoteError
        Without network or permission, for an address that is none, or a card that the hub does not accept.
    """
    if to.startswith(("hf://datasets/", "hf://spaces/")):
        raise RemoteError(f"{to}: a head is a model of the hub; give hf://USER/NAME")
    store = open_store(to)
    head = load_head(folder).folder  # checks everything, before anything is sent
    terms = terms_of(head.document, licence)
    card = _card(head, store.address, licence)  # without credentials
    files = _files(head, card)
    sizes = {name: len(data) if isinstance(data, bytes) else data.stat().st_size for name, data in files.items()}
    if dry_run:
        return HeadPublication(store.address, terms.licence, sizes, (), card)
    if to.startswith("hf://"):
        validate_card(card, "model")
    sent = _send(store, head, files)
    return HeadPublication(store.address, terms.licence, sizes, sent, card, store.version())


def _card(head: HeadFolder, to: str, licence: str | None) -> str:
    body = read_inside(head.path, head.path / CARD_FILE, _MAX_CARD_BYTES).decode("utf-8", "replace")
    about = dict(head.about)
    if origin := read_origin(head.path):  # a head that was pulled is passed on
        about["made_from"] = [*about.get("made_from", []), origin]
    return head_card(about, body, terms_of(head.document, licence), to)


def _files(head: HeadFolder, card: str) -> dict[str, bytes | Path]:
    """Give what is sent, ``head.toml`` last: with it the head is there."""
    names = list(head.document["files"])
    if odd := [name for name in names if not is_head_file(name)]:
        raise HeadError(f"{head.path / HEAD_FILE} lists '{odd[0]}', which is no file of a head; {REMEDY}")
    for name in names:
        head.read(head.path / name, _MAX_FILE_BYTES)  # held against its digest, those that no source needs too
    files: dict[str, bytes | Path] = {name: head.path / name for name in names}
    files |= {name: read_inside(head.path, head.path / name, _MAX_CARD_BYTES) for name in (CARD_FILE, HEAD_FILE)}
    return files | {_README: card.encode(), HEAD_FILE: files.pop(HEAD_FILE)}


def _send(store: Store, head: HeadFolder, files: Mapping[str, bytes | Path]) -> tuple[str, ...]:
    there = _listed(store, files[_README])
    listed = {} if there is None else there.document["files"]
    same = {name for name, digest in head.document["files"].items() if listed.get(name) == digest}
    sent = {name: data for name, data in files.items() if name not in same}
    if there is not None and there.about == head.about:
        del sent[HEAD_FILE]
    elif there is not None and not store.version():
        # Where there are no commits, nobody is to read one head's files by the other's list.
        store.delete(HEAD_FILE)
    if sent:
        store.write_all(sent, f"Publish {head.document['name']}")
    return tuple(sent)


def _listed(store: Store, card: bytes | Path) -> HeadFolder | None:
    """Give what a head that is there already says of itself; None where there is none."""
    try:
        return head_folder(Path(), store.read_whole(HEAD_FILE, MAX_TOML_BYTES), f"{store.address}/{HEAD_FILE}")
    except HeadError as error:
        raise RemoteError(f"{error}; nothing is sent to where it lies: choose another address, or delete it") from error
    except MissingFileError:
        if _is_replaced(store, card):
            raise RemoteError(
                f"{store.address} holds {_README} and no head, and it would be replaced; choose an address where"
                " nothing is"
            ) from None
        return None


def _is_replaced(store: Store, card: bytes | Path) -> bool:
    """Whether somebody's text would be lost: not on a hub, nor after a publishing that was interrupted."""
    try:
        return not store.address.startswith("hf:") and store.read_whole(_README, _MAX_CARD_BYTES) != card
    except MissingFileError:
        return False
