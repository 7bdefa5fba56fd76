"""Where a pulled cache was published: ``ORIGIN.json`` beside the shards.

Whoever pulls or reads a published cache writes the file, conversions carry it on, and what is made of the cache names
it: the recipe of a run, ``head.toml``, cards. ``SHA256SUMS`` does not cover it, so a pulled cache stays equal to the
published one byte for byte.
"""

import json
import re
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

from ravfeat.documents import Text, read_json
from ravfeat.errors import CacheError, RavfeatError
from ravfeat.escape import is_printable
from ravfeat.files import replace_file

__all__ = [
    "ORIGIN_FILE", "PublishedOrigin", "check_published", "is_public", "public_origin", "read_origin", "write_origin",
]  # fmt: skip

ORIGIN_FILE = "ORIGIN.json"
_MAX_BYTES = 16 << 10
_LONGEST_ADDRESS = 500
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_REMEDY = "delete it, or pull the cache again"


class PublishedOrigin(TypedDict):
    """Something published that other things are made of.

    ``address`` is as `ravfeat.open_cache` takes it, without a revision and without credentials. ``commit`` is the hub's
    commit; elsewhere the SHA-256 of ``SHA256SUMS``, or of ``head.toml``. ``licence`` is what its card says.
    """

    address: Text
    commit: Text
    licence: NotRequired[Text]


def write_origin(folder: Path, origin: PublishedOrigin) -> None:
    """Write ``ORIGIN.json`` into a cache's folder.

    Raises
    ------
    CacheError
        For an address or commit that is none.
    OSError
        As the system gives it.
    """
    check_published(origin, str(folder / ORIGIN_FILE), CacheError, "give an address and its commit")
    text = json.dumps({key: origin[key] for key in sorted(origin)}, indent=1, ensure_ascii=False)  # type: ignore[literal-required]
    replace_file(folder / ORIGIN_FILE, f"{text}\n".encode())


def read_origin(folder: Path) -> PublishedOrigin | None:
    """Read where a cache was published; None where nobody said it.

    Raises
    ------
    CacheError
        Where the file cannot be read, or does not say it.
    """
    path = folder / ORIGIN_FILE
    if not path.exists():
        return None
    origin = read_json(path, PublishedOrigin, CacheError, _REMEDY, limit=_MAX_BYTES)
    check_published(origin, str(path), CacheError, _REMEDY)
    return origin


def check_published(origin: PublishedOrigin, where: str, error: type[RavfeatError], remedy: str) -> None:
    """Refuse an address that is not printed on one line or a commit that is none.

    Raises
    ------
    RavfeatError
        Of the type `error`.
    """
    address = origin["address"]
    if len(address) > _LONGEST_ADDRESS or not is_printable(address) or not is_printable(origin.get("licence", "")):
        raise error(f"{where}: address is {address[:60]!a}, expected one such as hf://datasets/user/name; {remedy}")
    if not _COMMIT.fullmatch(origin["commit"]):
        raise error(f"{where}: commit is {origin['commit'][:70]!a}, expected 40 or 64 hex digits; {remedy}")


def is_public(address: str) -> bool:
    """Whether an address means the same on every machine."""
    return "://" in address and not address.lower().startswith(("file:", "local:", "memory:"))


def public_origin(origin: PublishedOrigin) -> PublishedOrigin:
    """Give an origin for others to read: paths of this machine are nobody's business."""
    return origin if is_public(origin["address"]) else {**origin, "address": "a folder"}
