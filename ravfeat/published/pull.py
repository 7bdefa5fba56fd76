"""Fetch a published head from an address: head.toml first, then what it lists, each file held against its digest."""

import hashlib
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ravfeat.cache.origin_file import PublishedOrigin, write_origin
from ravfeat.documents import MAX_TOML_BYTES
from ravfeat.errors import HeadError, RemoteError, UsageError
from ravfeat.files import check_name, replace_file, user_folder
from ravfeat.progress import ProgressBar
from ravfeat.published.format import CARD_FILE, HEAD_FILE, HeadFolder, head_folder, is_head_file
from ravfeat.remote.base import PassingError
from ravfeat.remote.store import MissingFileError, Store, is_remote, open_store
from ravfeat.resources import format_size
from ravfeat.runs.folder import check_out, whole_folder

__all__ = ["PulledHead", "find_head", "local_head", "pull_head"]

_WHAT: dict[str, str] = {"kind": "published head", "known_by": HEAD_FILE, "option": "--out"}
_MAX_ARRAYS_BYTES, _MAX_TEXT_BYTES, _MAX_CARD_BYTES = 2 << 30, 64 << 20, 4 << 20
MAX_BYTES = 16 << 30
"""Largest head: more than this is no small head, whatever a server goes on to send."""

_REMEDY = "ask its owner, or name another revision"
_PINNED = re.compile("@([0-9a-f]{40})$")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PulledHead:
    """A head that was fetched.

    Attributes
    ----------
    path : Path
    origin : PublishedOrigin
    n_files, n_bytes : int
        What was fetched; 0 where it was here already.
    """

    path: Path
    origin: PublishedOrigin
    n_files: int = 0
    n_bytes: int = 0


@dataclass(frozen=True)
class _Offer:
    """A head at an address, of which ``head.toml`` is known and checked."""

    store: Store
    data: bytes
    head: HeadFolder

    @property
    def origin(self) -> PublishedOrigin:
        commit = self.store.version() or hashlib.sha256(self.data).hexdigest()
        return {"address": self.store.place, "commit": commit}


def pull_head(
    address: str, *, revision: str | None = None, out: Path = Path("heads"), force: bool = False
) -> PulledHead:
    """Fetch a head into a folder that has its name; the folder appears whole or not at all.

    Parameters
    ----------
    address : str
        See `ravfeat.remote.store.open_store`.
    revision : str, optional
        On the hub: branch, tag or commit.
    out : Path
        Folder of heads.
    force : bool
        Replace another head of the name.

    Raises
    ------
    RemoteError
        Without network or permission, for an address that is none, or files that are larger than they may be.
    HeadError
        Where there is no head, or it is damaged or of a newer version.
    UsageError
        Where there is another head of the name already.
    """
    offer = _look(open_store(address, revision=revision))
    name = check_name(offer.head.document["name"], f"{offer.store.address}: the head's name", HeadError, _REMEDY)
    folder = out / name
    if (folder / HEAD_FILE).is_file() and (folder / HEAD_FILE).read_bytes() == offer.data:
        return PulledHead(folder, offer.origin)
    return _fetch(offer, folder, force=force)


def find_head(head: str | Path, *, offline: bool = False) -> Path:
    """Give the folder of a head: the path itself, or where the head at an address is kept; see `local_head`."""
    return local_head(head, offline=offline) if isinstance(head, str) and is_remote(head) else Path(head)


def local_head(address: str, *, offline: bool = False) -> Path:
    """Fetch a head into the user's cache folder, by its commit, where it is not there yet, and give its folder.

    A commit that is there needs no network; of a branch the last commit that was fetched is taken without one.

    Parameters
    ----------
    address : str
    offline : bool
        Open no connection.

    Raises
    ------
    RemoteError, HeadError
        As `pull_head`; a HeadError where it is not here, offline.
    """
    store = open_store(address)
    of_address = user_folder("heads") / _short(store.place)
    last = of_address / f"last-{_short(store.address)}"
    pinned = _PINNED.search(store.address)
    if pinned and _is_here(of_address / pinned[1]):
        return of_address / pinned[1]
    known = of_address / last.read_text(encoding="ascii") if last.is_file() else None
    if offline:
        if known is None or not _is_here(known):
            raise HeadError(
                f"{address} is not on this machine; pull it where there is a network, or leave --offline out"
            )
        return known
    try:
        offer = _look(store)
    except PassingError as error:
        if known is None or not _is_here(known):
            raise
        _LOG.warning("%s; the head that was fetched before is taken: %s", error, known)
        return known
    folder = of_address / offer.origin["commit"]
    if not _is_here(folder):
        try:
            _fetch(offer, folder)
        except UsageError:  # another process was quicker
            if not _is_here(folder):
                raise
    replace_file(last, folder.name.encode())
    return folder


def _is_here(folder: Path) -> bool:
    return (folder / HEAD_FILE).is_file()


def _look(store: Store) -> _Offer:
    try:
        data = store.read_whole(HEAD_FILE, MAX_TOML_BYTES)
    except MissingFileError as error:
        raise HeadError(f"no published head at {store.address}: {HEAD_FILE} is not there ({error})") from error
    return _Offer(store, data, head_folder(Path(), data, f"{store.address}/{HEAD_FILE}"))


def _fetch(offer: _Offer, folder: Path, *, force: bool = False) -> PulledHead:
    """Fetch what ``head.toml`` lists; it is written last, for what is in the folder is what it vouches for."""
    check_out(folder, force=force, **_WHAT)
    digests = {name: digest for name, digest in offer.head.document["files"].items() if is_head_file(name)}
    _check_room(offer.store, digests, folder)
    n_bytes = 0
    with (
        whole_folder(folder, force=force, **_WHAT) as temporary,
        ProgressBar(total=len(digests), desc="fetching", unit="file", leave=False) as bar,
    ):
        for name, digest in digests.items():
            data = offer.store.read_whole(name, _limit(name))
            if hashlib.sha256(data).hexdigest() != digest:
                raise HeadError(
                    f"{offer.store.address}/{name} does not match its digest in {HEAD_FILE}: it was changed or is"
                    f" damaged; {_REMEDY}"
                )
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(data)  # flushed with the folder
            n_bytes += len(data)
            _check_total(offer.store, n_bytes)
            bar.update()
        if card := _card(offer.store):
            (temporary / CARD_FILE).write_bytes(card)
        write_origin(temporary, offer.origin)
        (temporary / HEAD_FILE).write_bytes(offer.data)
    return PulledHead(folder, offer.origin, len(digests), n_bytes)


def _card(store: Store) -> bytes:
    try:
        return store.read_whole(CARD_FILE, _MAX_CARD_BYTES)
    except MissingFileError:
        return b""


def _limit(name: str) -> int:
    return _MAX_ARRAYS_BYTES if name.endswith(".safetensors") else _MAX_TEXT_BYTES


def _check_room(store: Store, names: Mapping[str, str], folder: Path) -> None:
    """Refuse files that are not there, too large or more than the disk holds, before the first is fetched."""
    try:
        sizes = store.sizes()
    except PassingError:
        raise
    except RemoteError:  # web servers list nothing: then each file is bounded as it comes
        return
    for name in names:
        if name not in sizes:
            raise HeadError(f"{store.address} has no '{name}', which its {HEAD_FILE} lists; {_REMEDY}")
        if sizes[name] > _limit(name):
            raise HeadError(
                f"{store.address}/{name} has {format_size(sizes[name])}, expected at most {format_size(_limit(name))};"
                f" {_REMEDY}"
            )
    total, place = sum(sizes[name] for name in names), folder.absolute()
    _check_total(store, total)
    while not place.exists():
        place = place.parent
    if total > (free := shutil.disk_usage(place).free):
        raise HeadError(
            f"{store.address} has {format_size(total)}, and {place} has {format_size(free)} free; make room, or choose"
            " another --out"
        )


def _check_total(store: Store, n_bytes: int) -> None:
    if n_bytes > MAX_BYTES:
        raise HeadError(f"the files of {store.address} have more than {format_size(MAX_BYTES)}; no head is that large")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
