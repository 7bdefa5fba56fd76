"""File names, format version and digests of a published head's folder.

``head.toml`` says what it is and holds the SHA-256 of every file beside it and of itself (without that line);
``learned.json`` holds temperatures and weights, ``clips.json`` the clips that every fold tested, ``folds/`` and
``refit/`` the heads. Where the caches were at hand, ``recordings.json`` holds digests of the training recordings, and
``domain/`` what their features were like. ``card.md`` is for people and may be added to.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from ravfeat.documents import MAX_TOML_BYTES, check_value, parse_json, parse_toml
from ravfeat.errors import HeadError
from ravfeat.files import canonical_json, check_name, read_limited, replace_file, sha256_of
from ravfeat.model_origin import COMMIT
from ravfeat.published.documents import HeadFile, PublishedFormat

__all__ = [
    "CARD_FILE",
    "CLIPS_FILE",
    "FORMAT",
    "FORMAT_VERSION",
    "HEAD_FILE",
    "LEARNED_FILE",
    "RECORDINGS_FILE",
    "REMEDY",
    "HeadFolder",
    "domain_file",
    "head_folder",
    "is_head_file",
    "open_folder",
    "read_inside",
    "write_document",
]

FORMAT = "ravfeat-published-head"
FORMAT_VERSION = 2
"""Raised when a reader of the old version would misread the new one: it would not average over views. Heads that do not
average are still written as version 1."""

HEAD_FILE = "head.toml"
CARD_FILE = "card.md"
LEARNED_FILE = "learned.json"
CLIPS_FILE = "clips.json"
RECORDINGS_FILE = "recordings.json"

REMEDY = "fetch or export it again"

_OPEN = (HEAD_FILE, CARD_FILE)
_REPOSITORY = re.compile("(models|datasets)--")

T = TypeVar("T")


def domain_file(fingerprint: str) -> str:
    """Name the file that says what the features of a cache with this fingerprint were like.

    Raises
    ------
    HeadError
        Where it cannot be the name of a file.
    """
    return f"domain/{check_name(fingerprint, 'the fingerprint of a cache', HeadError, REMEDY)}.safetensors"


_FILES = re.compile(
    r"(learned|clips|recordings)\.json|domain/[^/]+\.safetensors|(folds|refit)/[^/]+/[^/]+\.(safetensors|toml)"
)


def is_head_file(name: str) -> bool:
    """Whether a name is that of a file which ``head.toml`` may list: nothing else is published or fetched."""
    return _FILES.fullmatch(name) is not None


def write_document(folder: Path, document: Mapping[str, Any]) -> None:
    """Write ``head.toml``, with the digests of all files that lie in the folder.

    Raises
    ------
    HeadError
        For values that TOML cannot hold.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = {name: sha256_of(folder / name) for name in names if name not in _OPEN}
    version = FORMAT_VERSION if any("average_views" in system for system in document.get("systems", ())) else 1
    whole = {"format": FORMAT, "format_version": version, **document, "files": files}
    try:
        text = tomli_w.dumps({"sha256": _digest(whole), **whole})
    except (TypeError, ValueError) as error:  # JSON knows null, and so may the recipe of a run that somebody edited
        raise HeadError(f"{HEAD_FILE} cannot hold what the run's recipe says ({error}); make the run again") from error
    replace_file(folder / HEAD_FILE, text.encode())


@dataclass(frozen=True)
class HeadFolder:
    """A published head's folder, whose files are held against their digests before anything in them is looked at.

    Attributes
    ----------
    path : Path
    about : dict
        ``head.toml``, with keys that this version does not know.
    document : HeadFile
        The same, checked.
    """

    path: Path
    about: dict[str, Any]
    document: HeadFile

    def read(self, path: Path, limit: int) -> bytes:
        """Read a file of the folder.

        Parameters
        ----------
        path : Path
        limit : int
            Largest size in bytes.

        Raises
        ------
        HeadError
            For a file that ``head.toml`` does not list, that is not the one that was written, is larger, leads out of
            the folder, or is no regular file.
        """
        name = path.relative_to(self.path).as_posix()
        digest = self.document["files"].get(name)
        if digest is None:
            raise HeadError(f"{self.path / HEAD_FILE} does not list '{name}', which the head needs; {REMEDY}")
        data = read_inside(self.path, path, limit)
        if hashlib.sha256(data).hexdigest() != digest:
            raise HeadError(f"{path} does not match its digest in {HEAD_FILE}; it is damaged: {REMEDY}")
        return data

    def read_json(self, name: str, kind: type[T], limit: int) -> T:
        """Read a JSON file of the folder; see `read`.

        Raises
        ------
        HeadError
            As `read` does, and where it does not fit the schema.
        """
        path = self.path / name
        return parse_json(self.read(path, limit), kind, str(path), HeadError, REMEDY)


def open_folder(folder: Path) -> HeadFolder:
    """Read ``head.toml`` and hold it against its own digest.

    Raises
    ------
    HeadError
        For no such folder, a newer format, or a document that was changed or does not fit its schema.
    """
    path = folder / HEAD_FILE
    if not path.exists():
        raise HeadError(f"no published head at {folder}: {HEAD_FILE} is missing; 'ravfeat export-heads' makes one")
    return head_folder(folder, read_inside(folder, path, MAX_TOML_BYTES), str(path))


def head_folder(folder: Path, data: bytes, where: str) -> HeadFolder:
    """Hold the bytes of ``head.toml`` against their own digest; `where` says in messages what they are.

    Raises
    ------
    HeadError
        As `open_folder`.
    """
    about = parse_toml(data, dict[str, Any], where, HeadError, REMEDY)
    version = check_value(about, PublishedFormat, where, HeadError, REMEDY)
    if version["format"] != FORMAT or version["format_version"] not in range(1, FORMAT_VERSION + 1):
        raise HeadError(
            f"{where} has format {version['format']!r} version {version['format_version']}, this ravfeat reads {FORMAT}"
            f" version {FORMAT_VERSION}; use the ravfeat that wrote it ({version.get('ravfeat', 'unknown')!r}) or a"
            " newer one"
        )
    del about["sha256"]
    if version["sha256"] != _digest(about):
        raise HeadError(f"{where} does not match its own digest; it was changed or is damaged: {REMEDY}")
    document = check_value(about, HeadFile, where, HeadError, REMEDY)
    if version["format_version"] < FORMAT_VERSION and any("average_views" in part for part in document["systems"]):
        raise HeadError(
            f"{where} averages over views and has version {version['format_version']}, whose readers do not; expected"
            f" version {FORMAT_VERSION}: {REMEDY}"
        )
    return HeadFolder(folder, about, document)


def read_inside(folder: Path, path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes that lies in the folder.

    Raises
    ------
    HeadError
    """
    # What a link leads to is not what was fetched with the folder, whatever its digest.
    place = Path(os.path.realpath(path))
    if not any(place.is_relative_to(os.path.realpath(root)) for root in (folder, *_blob_folders(folder))):
        raise HeadError(f"{path} is a link that leads out of the folder; copy the files that it means, or {REMEDY}")
    return read_limited(path, limit, HeadError, REMEDY)


def _blob_folders(folder: Path) -> tuple[Path, ...]:
    """Where the hub's client keeps the files of a snapshot, which is a folder of links that the client made."""
    commit, snapshots, repository = (Path(os.path.realpath(folder)), *Path(os.path.realpath(folder)).parents)[:3]
    if not (COMMIT.fullmatch(commit.name) and snapshots.name == "snapshots" and _REPOSITORY.match(repository.name)):
        return ()
    return repository / "blobs", repository.parent / "blobs"


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()
