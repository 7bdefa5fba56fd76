"""Audit what somebody published, a cache or a head, by its address or folder: whether it is what it says.

No number is judged: a cache has none, and a head's cannot be computed again from its folder. Every check is a line, as
in the audit of a run.
"""

from pathlib import Path

from ravfeat.address_audit.cache import audit_cache
from ravfeat.address_audit.head import audit_head
from ravfeat.audit import Audit
from ravfeat.cache.format import SUMS_FILE
from ravfeat.documents import MAX_TOML_BYTES
from ravfeat.errors import RemoteError
from ravfeat.published.format import HEAD_FILE
from ravfeat.remote.store import MissingFileError, Store, is_remote, open_store
from ravfeat.runs.format import RECIPE_FILE

__all__ = ["audit_published", "is_published"]

_MAX_SUMS_BYTES = 64 << 20


def is_published(place: str | Path) -> bool:
    """Whether a place is an address, or the folder of a head or cache and not of a run."""
    if is_remote(place):
        return True
    folder = Path(place)
    return not (folder / RECIPE_FILE).exists() and any((folder / name).is_file() for name in (HEAD_FILE, SUMS_FILE))


def audit_published(place: str | Path, *, quick: bool = False) -> Audit:
    """Audit a head or a cache; which of the two it is, is seen there.

    Parameters
    ----------
    place : str or Path
        An address, see `ravfeat.remote.store.open_store`, or a folder.
    quick : bool
        Of a cache read its tables alone, not the features.

    Raises
    ------
    RemoteError
        Where neither is there, or it cannot be reached.
    """
    store = open_store(place)
    if _has(store, HEAD_FILE, MAX_TOML_BYTES):
        return audit_head(store, str(place))
    if _has(store, SUMS_FILE, _MAX_SUMS_BYTES):
        return audit_cache(store, str(place), quick=quick)
    raise RemoteError(
        f"{store.address} holds neither a published head ({HEAD_FILE}) nor a cache ({SUMS_FILE}); give the address or"
        " folder that has one of these files"
    )


def _has(store: Store, name: str, limit: int) -> bool:
    try:
        store.read_whole(name, limit)
    except MissingFileError:
        return False
    return True
