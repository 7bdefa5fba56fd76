"""File names, format version and digests of a published head's folder.

``head.toml`` says what it is and holds the SHA-256 of every file beside it and of itself (without that line);
``learned.json`` holds temperatures and weights, ``clips.json`` the clips that every fold tested, ``folds/`` and
``refit/`` the heads. ``card.md`` is for people and may be added to.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import tomli_w

from ravfeat.errors import HeadError
from ravfeat.files import canonical_json, replace_file, sha256_of

__all__ = [
    "CARD_FILE",
    "CLIPS_FILE",
    "FORMAT",
    "FORMAT_VERSION",
    "HEAD_FILE",
    "LEARNED_FILE",
    "read_document",
    "read_json",
    "write_document",
]

FORMAT = "ravfeat-published-head"
FORMAT_VERSION = 1
"""Raised when a reader of the old version would misread the new one."""

HEAD_FILE = "head.toml"
CARD_FILE = "card.md"
LEARNED_FILE = "learned.json"
CLIPS_FILE = "clips.json"

_OPEN = (HEAD_FILE, CARD_FILE)
_REMEDY = "fetch or export it again"


def write_document(folder: Path, document: Mapping[str, Any]) -> None:
    """Write ``head.toml``, with the digests of all files that lie in the folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = {name: sha256_of(folder / name) for name in names if name not in _OPEN}
    whole = {"format": FORMAT, "format_version": FORMAT_VERSION, **document, "files": files}
    text = tomli_w.dumps({"sha256": _digest(whole), **whole})
    replace_file(folder / HEAD_FILE, text.encode())


def read_document(folder: Path) -> dict[str, Any]:
    """Read ``head.toml`` and hold everything against its digests.

    Raises
    ------
    HeadError
        For no such folder, a newer format, or a file that is missing or not the one that was written.
    """
    path = folder / HEAD_FILE
    if not path.is_file():
        raise HeadError(f"no published head at {folder}: {HEAD_FILE} is missing; 'ravfeat export-heads' makes one")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HeadError(f"{path} is damaged ({error}); {_REMEDY}") from error
    version = document.get("format_version")
    if document.get("format") != FORMAT or version != FORMAT_VERSION:
        raise HeadError(
            f"{path} has format {document.get('format')} version {version}, this ravfeat reads {FORMAT} version"
            f" {FORMAT_VERSION}; use the ravfeat that wrote it ({document.get('ravfeat', 'unknown')}) or a newer one"
        )
    if document.pop("sha256", None) != _digest(document):
        raise HeadError(f"{path} does not match its own digest; it was changed or is damaged: {_REMEDY}")
    for name, digest in document["files"].items():
        _check_file(folder, name, digest)
    return document


def read_json(path: Path) -> Any:
    """Read a JSON file whose digest was checked."""
    return json.loads(path.read_text(encoding="utf-8"))


def _check_file(folder: Path, name: str, digest: str) -> None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise HeadError(f"{folder / HEAD_FILE} names '{name}', which lies outside its folder; {_REMEDY}")
    if not (folder / name).is_file():
        raise HeadError(f"{folder / name} is missing; {_REMEDY}")
    if sha256_of(folder / name) != digest:
        raise HeadError(f"{folder / name} does not match its digest in {HEAD_FILE}; it is damaged: {_REMEDY}")


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()
