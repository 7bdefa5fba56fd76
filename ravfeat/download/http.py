"""Download one file over HTTP, resume an interrupted transfer, verify its checksum.

A file gets its name only when it is complete and its checksum is right. Until then it is
``NAME.<start of checksum>.part`` in the same folder, and the next run continues there if the server supports it.

No transfer is endless: its size is bounded by the promised size or by a limit, its time by `ravfeat.download.answer`.
"""

import hashlib
import http.client
import shutil
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ravfeat.documents import parse_json
from ravfeat.download.answer import Answer
from ravfeat.errors import DownloadError
from ravfeat.progress import ProgressBar

__all__ = ["Checksum", "read_json", "transfer"]

ALGORITHMS = {"md5": 32, "sha256": 64, "sha512": 128}  # number of hexadecimal digits
JSON_LIMIT = 16 << 20
LIMIT = 1 << 30
"""Largest file in bytes where no size is promised."""

T = TypeVar("T")


@dataclass(frozen=True)
class Checksum:
    """An expected checksum, such as ``md5:bc69…``."""

    algorithm: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> "Checksum":
        """Parse ``algorithm:hexadecimal digits``.

        Raises
        ------
        DownloadError
            The algorithm is not md5, sha256 or sha512, or the digits do not fit it.
        """
        algorithm, _, digest = text.lower().partition(":")
        if len(digest) != ALGORITHMS.get(algorithm) or not set(digest) <= set("0123456789abcdef"):
            raise DownloadError(
                f"expected a checksum like sha256:<64 hexadecimal digits> (or md5, sha512), got {text!r}"
            )
        return cls(algorithm, digest)

    def of(self, path: Path) -> "Checksum":
        """Compute the same kind of checksum of a file."""
        with path.open("rb") as file:
            # zenodo.org publishes md5 only, which detects accidental damage, not forgery.
            total = hashlib.file_digest(file, lambda: hashlib.new(self.algorithm, usedforsecurity=False))
        return Checksum(self.algorithm, total.hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


def transfer(url: str, dest: Path, checksum: Checksum, *, size: int | None = None) -> bool:
    """Download a file, or continue an interrupted transfer; do nothing if the file is complete.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    dest : Path
        Its folder is created if needed.
    checksum : Checksum
        Of the complete file.
    size : int, optional
        Expected length in bytes; without it, at most `LIMIT` are read.

    Returns
    -------
    bool
        False if `dest` existed already, with the right checksum.

    Raises
    ------
    DownloadError
        The server cannot be reached or refuses, the transfer breaks off or is too slow (the received part is kept, and
        continued next time), more comes than promised, the checksum is wrong (the file is removed), the disk is full,
        or another file has the name. Every message says how to download the file by hand.
    """
    with _disk(dest):
        if dest.exists():
            _check_regular(dest)
            _compare(dest, checksum, f"remove {dest} and run this again")
            return False
        dest.parent.mkdir(parents=True, exist_ok=True)
        # The checksum in the name keeps parts of two versions of a file apart: they must never be concatenated.
        part = dest.with_name(f"{dest.name}.{checksum.digest[:8]}.part")
        _check_regular(part)
        have = part.stat().st_size if part.exists() else 0
    # A part of full length lacks nothing but its name: the last run ended before it could rename it.
    if have == 0 or have != size:
        _receive(url, dest, part, have, size)
    with _disk(dest):
        try:
            _compare(part, checksum, f"it was removed; run this again, or {_by_hand(url, dest)}")
        except DownloadError:
            part.unlink()
            raise
        part.rename(dest)
    return True


def read_json(url: str, kind: type[T], by_hand: str) -> T:
    """Download a small JSON document and hold it against a schema; see `ravfeat.documents`.

    Raises
    ------
    DownloadError
        The server cannot be reached or refuses, or the answer is no such document; the message ends with `by_hand`.
    """
    data = bytearray()
    with _network(url, by_hand), Answer(url, {"Accept": "application/json"}) as answer:
        for block in answer.blocks():
            data += block
            # A wrong address may lead to a file of any size.
            if len(data) > JSON_LIMIT:
                raise DownloadError(f"{url}: expected a JSON document, got over {JSON_LIMIT} bytes; {by_hand}")
    return parse_json(bytes(data), kind, url, DownloadError, by_hand)


def _receive(url: str, dest: Path, part: Path, have: int, size: int | None) -> None:
    """Append the missing bytes to `part`, or rewrite it where the server cannot resume."""
    by_hand = _by_hand(url, dest)
    with _network(url, by_hand):
        try:
            answer = Answer(url, {"Range": f"bytes={have}-"} if have else {})
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
                raise
            error.close()
            return  # the server has nothing after these bytes; the checksum decides whether the part is complete
    with answer:
        # Servers without support for ranges answer with the whole file, which must not be appended.
        if answer.headers.get("Content-Range", "").split("-")[0] != f"bytes {have}":
            have = 0
        length = _length(answer, url, by_hand)
        announced = None if length is None else have + length
        limit = LIMIT if size is None else size
        if announced is not None and announced > limit:
            raise DownloadError(f"{url}: expected at most {limit} bytes, the server announces {announced}; {by_hand}")
        total = announced if size is None else size
        _check_space(dest, (total or 0) - have)
        got = _copy(answer, url, dest, part, have, total, limit)
    if got > limit:
        with _disk(dest):
            part.unlink()
        raise DownloadError(f"{url} gave more than the {limit} bytes expected; they were removed; {by_hand}")
    if total is not None and got < total:
        raise DownloadError(
            f"{url} broke off after {got} of {total} bytes; what came is kept, run this again to continue, or {by_hand}"
        )


def _length(answer: Answer, url: str, by_hand: str) -> int | None:
    """Return the length that a server announces; None where it does not."""
    text = answer.headers.get("Content-Length")
    if text is None or answer.headers.get("Transfer-Encoding"):
        return None
    if not (text.isascii() and text.isdecimal()):
        raise DownloadError(f"{url}: expected a length in bytes, the server announces {text[:40]!r}; {by_hand}")
    return int(text[:20])  # longer ones are as impossible


def _copy(answer: Answer, url: str, dest: Path, part: Path, have: int, total: int | None, limit: int) -> int:
    bar = ProgressBar(total=total, initial=have, desc=dest.name, unit="B", unit_scale=True)
    blocks = answer.blocks()
    with _disk(dest), part.open("ab" if have else "wb") as file, bar:
        while have <= limit:  # a server that sends more than announced must not fill the disk
            # The inner block: errors of the network are OSErrors too, and are not the disk's.
            with _network(url, _by_hand(url, dest)):
                block = next(blocks, b"")
            if not block:
                break
            file.write(block)
            have += len(block)
            bar.update(len(block))
    return have


def _check_regular(path: Path) -> None:
    # A pipe would be waited for, a link followed to wherever it leads.
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise DownloadError(f"{path} is in the way and is no regular file; remove it and run this again")


def _compare(path: Path, expected: Checksum, remedy: str) -> None:
    got = expected.of(path)
    if got != expected:
        raise DownloadError(f"{path}: expected checksum {expected}, got {got}; {remedy}")


def _check_space(dest: Path, needed: int) -> None:
    with _disk(dest):
        free = shutil.disk_usage(dest.parent).free
    if needed > free:
        raise DownloadError(
            f"{dest} needs {needed / 1e6:.0f} MB more, {dest.parent} has {free / 1e6:.0f} MB free; "
            "free some space or choose another folder"
        )


def _by_hand(url: str, dest: Path) -> str:
    return f"fetch {url} by hand, save it as {dest} and run this again"


@contextmanager
def _network(url: str, by_hand: str) -> Iterator[None]:
    """Convert network errors of the block into a `DownloadError` of one sentence."""
    try:
        yield
    # Before OSError, of which it is a kind.
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}; {by_hand}") from error
    # ValueError: an address that is none, such as http://[.
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{url} could not be read: {reason}; check the network and run this again, or {by_hand}"
        ) from error


@contextmanager
def _disk(dest: Path) -> Iterator[None]:
    """Convert disk errors of the block into a `DownloadError` of one sentence."""
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"{dest} could not be written or read: {error.strerror or error}; "
            "free some space, check who may write there, or choose another folder"
        ) from error
