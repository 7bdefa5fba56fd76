"""Fetch one file over HTTP that is what somebody promised.

A file appears under its name only when it is whole and its checksum is right. Until then it lies
beside it as ``NAME.<start of checksum>.part``, and the next run continues there if the server can.
"""

import hashlib
import http.client
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ravfeat.errors import DownloadError

__all__ = ["Checksum", "read_json", "transfer"]

ALGORITHMS = {"md5": 32, "sha256": 64, "sha512": 128}  # and the number of hexadecimal digits
CHUNK = 1 << 18
TIMEOUT_S = 60.0
JSON_LIMIT = 16 << 20


@dataclass(frozen=True)
class Checksum:
    """A promised checksum, such as ``md5:bc69…``."""

    algorithm: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> "Checksum":
        """Read ``algorithm:hexadecimal digits``.

        Raises
        ------
        DownloadError
            The algorithm is not md5, sha256 or sha512, or the digits are not its.
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
            # zenodo.org promises md5: good against accidents, and all there is.
            total = hashlib.file_digest(file, lambda: hashlib.new(self.algorithm, usedforsecurity=False))
        return Checksum(self.algorithm, total.hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


def transfer(url: str, dest: Path, checksum: Checksum, *, size: int | None = None) -> bool:
    """Fetch a file, continue a broken transfer, or find it there already.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    dest : Path
        Its folder is made if need be.
    checksum : Checksum
        What the whole file must have.
    size : int, optional
        Promised length in bytes.

    Returns
    -------
    bool
        False when `dest` was there already, with the right checksum.

    Raises
    ------
    DownloadError
        The server cannot be reached or refuses, the transfer breaks off (what came is kept and
        continued next time), the checksum is wrong (the file is removed), the disk is full, or
        another file is in the way. Every message says how to fetch the file by hand.
    """
    with _disk(dest):
        if dest.exists():
            _compare(dest, checksum, f"remove {dest} and run this again")
            return False
        dest.parent.mkdir(parents=True, exist_ok=True)
        part = dest.with_name(f"{dest.name}.{checksum.digest[:8]}.part")
        have = part.stat().st_size if part.exists() else 0
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


def read_json(url: str, by_hand: str) -> Any:
    """Read a small JSON document.

    Raises
    ------
    DownloadError
        The server cannot be reached or refuses, or the answer is no JSON; ends with `by_hand`.
    """
    with _network(url, by_hand), _open(url, {"Accept": "application/json"}) as response:
        text = response.read(JSON_LIMIT)
    try:
        return json.loads(text)
    except ValueError as error:
        raise DownloadError(f"{url}: expected JSON, got {text[:40]!r} …; {by_hand}") from error


def _receive(url: str, dest: Path, part: Path, have: int, size: int | None) -> None:
    """Add to `part` what is missing, or write it anew where the server cannot continue."""
    by_hand = _by_hand(url, dest)
    with _network(url, by_hand):
        try:
            response = _open(url, {"Range": f"bytes={have}-"} if have else {})
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
                raise
            error.close()
            return  # nothing is left to send; the checksum decides whether that is true
    with response:
        if response.headers.get("Content-Range", "").split("-")[0] != f"bytes {have}":
            have = 0
        length = response.headers.get("Content-Length")
        total = size if size is not None else have + int(length) if length else None
        _check_space(dest, (total or 0) - have)
        got = _copy(response, dest, part, have, total)
    if total is not None and got < total:
        raise DownloadError(
            f"{url} broke off after {got} of {total} bytes; what came is kept, run this again to continue, or {by_hand}"
        )


def _copy(response: http.client.HTTPResponse, dest: Path, part: Path, have: int, total: int | None) -> int:
    bar = tqdm(total=total, initial=have, desc=dest.name, unit="B", unit_scale=True, disable=None)
    with _disk(dest), part.open("ab" if have else "wb") as file, bar:
        while total is None or have <= total:  # never fill a disk with more than was promised
            with _network(response.url, _by_hand(response.url, dest)):
                chunk = _read(response)
            if not chunk:
                break
            file.write(chunk)
            have += len(chunk)
            bar.update(len(chunk))
    return have


def _read(response: http.client.HTTPResponse) -> bytes:
    """Read on; an end that comes too early is an end, whatever the Python version makes of it."""
    try:
        return response.read(CHUNK)
    except http.client.IncompleteRead as error:
        return error.partial


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"expected an http:// or https:// address, got {url!r}")
    request = urllib.request.Request(url, headers={"User-Agent": "ravfeat", **headers})
    response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    return response


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
    """Turn what can go wrong on the way into one sentence."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}; {by_hand}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{url} could not be read: {reason}; check the network and run this again, or {by_hand}"
        ) from error


@contextmanager
def _disk(dest: Path) -> Iterator[None]:
    """Turn what can go wrong on the disk into one sentence."""
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"{dest} could not be written or read: {error.strerror or error}; "
            "free some space, check who may write there, or choose another folder"
        ) from error
