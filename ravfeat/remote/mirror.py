"""A local folder of blocks of a remote cache: sparse shard files that are filled in where something is read.

The folder looks like the cache itself, so that the ordinary reader works on it. What has come is verified, written,
and then noted, so a note never promises what is not there.
"""

import hashlib
import json
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from ravfeat.cache.child_check import ChildProcesses
from ravfeat.cache.format import IDENTITY_FILE, SUMS_FILE, shard_file
from ravfeat.cache.index import IndexedShard, read_index
from ravfeat.cache.layer_table import ShardLayers
from ravfeat.cache.origin_file import ORIGIN_FILE, PublishedOrigin, write_origin
from ravfeat.cache.schemas import read_identity
from ravfeat.documents import Bytes, parse_json
from ravfeat.errors import RemoteError, ShardError
from ravfeat.files import replace_file
from ravfeat.remote.base import NoRangesError, Store, check_size
from ravfeat.remote.blocks import HeldBlocks, delete_unused
from ravfeat.remote.ranges import Range, covers, joined, united
from ravfeat.remote.tables import RemoteTables, changed_or_damaged

try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where one process reads a remote cache at a time
    fcntl = None  # type: ignore[assignment]

__all__ = ["Mirror"]

GAP_BYTES = 1 << 20
"""Bytes that are fetched in vain rather than sent another request for: what comes in about 100 ms at 10 MB/s."""

_AT_ONCE = 4
_MAX_SHARD_BYTES = 1 << 40
_MAX_HEAD_BYTES = 1 << 29  # twice of what a reader takes from it
_WRITE_BYTES = 8 << 20  # what a killed process loses of every range; a note for every clip would cost more than it

_OF_PROCESS = {"_lock", "_writing", "_blocks", "_children"}
"""What neither another process nor a pickle can take over."""


class _State(TypedDict):
    opened: bool
    ranges: list[tuple[Bytes, Bytes]]


class Mirror:
    """The blocks of one remote cache at one version; a `ravfeat.cache.features.Fetcher`.

    Several threads and processes may use one at a time; a shard is fetched by one of them.

    Parameters
    ----------
    tables : RemoteTables

    Attributes
    ----------
    folder : Path
        Of the cache, as far as it is there.
    store : Store
    sums : bytes
        Of ``SHA256SUMS``.
    index : dict of int to IndexedShard
    layers : dict of int to ShardLayers
        Empty where there is no table of layers: then shards are fetched whole.

    Raises
    ------
    CacheError
        Where the tables are damaged.
    """

    def __init__(self, tables: RemoteTables) -> None:
        self.store: Store = tables.store
        self.folder = tables.folder
        self.sums = tables.files[SUMS_FILE]
        with _disk(self.folder):
            delete_unused(self.folder.parent)
        self._reset()
        with _disk(self.folder):
            self._write_tables(tables)
        self.index: dict[int, IndexedShard] = read_index(self.folder)
        for number, shard in self.index.items():
            if shard.n_bytes > _MAX_SHARD_BYTES:
                raise RemoteError(f"{self.store.address}: {shard_file(number)} would have {shard.n_bytes} bytes")
        layers = tuple(read_identity(self.folder / IDENTITY_FILE)["layers"])
        table = tables.layers(self.index, layers)
        self.layers: dict[int, ShardLayers] = {} if table is None else dict(table.shards)
        self._n_frames = {
            number: sum(row["n_frames"] for row in shard.rows if row["status"] == "stored")
            for number, shard in self.index.items()
        }

    def _reset(self) -> None:
        with _disk(self.folder):
            self._blocks = HeldBlocks(self.folder)
        # What is there is noted in the blocks, and read again.
        self._there: dict[int, list[Range]] = {}
        self._opened: set[int] = set()
        self._lock, self._writing = threading.RLock(), threading.Lock()
        self._children: ChildProcesses | None = None
        self._process = os.getpid()

    def _write_tables(self, tables: RemoteTables) -> None:
        if not (self.folder / SUMS_FILE).is_file():
            for name, data in sorted(tables.files.items(), key=lambda item: item[0] == SUMS_FILE):
                replace_file(self.folder / name, data)  # the sums last
        if not (self.folder / ORIGIN_FILE).is_file():
            write_origin(self.folder, self.origin())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _OF_PROCESS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def origin(self, licence: str = "") -> PublishedOrigin:
        """Say where the cache was published."""
        commit = self.store.version() or hashlib.sha256(self.sums).hexdigest()
        origin: PublishedOrigin = {"address": self.store.place, "commit": commit}
        return {**origin, "licence": licence} if licence else origin

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Hold the whole folder for a pull.

        Raises
        ------
        RemoteError
            Where another process pulls the same.
        """
        with _disk(self.folder), (self.folder / ".blocks" / "pull.lock").open("ab") as lock:
            if fcntl is not None:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise RemoteError(
                        f"{self.store.address} is being pulled by another process; wait until it has ended"
                    ) from error
            yield

    def remove(self) -> None:
        """Delete all blocks, unless others read them."""
        self._blocks.delete()

    # --- what the reader asks for

    def head(self, number: int) -> None:
        """Fetch all of a shard but its features, and let a child process open it.

        Raises
        ------
        RemoteError
            Where it cannot be fetched, or does not match its digest.
        ShardError
            Where HDF5 cannot open it safely.
        """
        self._check_blocks()
        if number in self._opened:
            return
        with self._held(number) as path:
            if number in self._opened:
                return
            shard = self.index[number]
            if shard.head_sha256 is None or not shard.features[1]:
                self._fetch_whole(number, path)
            elif not all(covers(self._there[number], *part) for part in self._head_ranges(number)):
                self._fetch_head(number, path)
            # The digests are the stranger's own: they say that nothing was lost, not that HDF5 may trust it.
            try:
                self._checking().read_header(path)
            except ShardError as error:
                raise ShardError(f"{self.store.address}: {error}") from error
            self._opened.add(number)
            self._note(number)

    def _checking(self) -> ChildProcesses:
        """One child process for all shards: to start one takes half a second."""
        if self._children is None:
            self._children = ChildProcesses()
            weakref.finalize(self, _end_of_children, self._children, os.getpid())
        return self._children

    def features(self, number: int, positions: Sequence[int], frames: Sequence[slice]) -> None:
        """Fetch ranges of frames of some layer positions of a shard, verified; neighbours with one request.

        Raises
        ------
        RemoteError
            Where it cannot be fetched, or does not match its digest; shard and layer are named.
        """
        self._check_blocks()
        # Without looking at clips: this is asked before every read.
        if all(covers(self._there.get(number, ()), *part) for part in self._asked(number, positions, frames)):
            return
        units = self._units(number, positions, frames)
        with self._held(number) as path:
            lacking = [unit for unit in units if not covers(self._there[number], *unit)]
            if not lacking:
                return
            if number not in self.layers:
                self._fetch_whole(number, path)
                return
            try:
                self._fetch_ranges(number, path, joined(lacking, GAP_BYTES))
            except NoRangesError:
                self._fetch_whole(number, path)

    # --- what is fetched

    def _head_ranges(self, number: int) -> list[Range]:
        offset, size = self.index[number].features
        return [(0, offset), (offset + size, self.index[number].n_bytes)]

    def _fetch_head(self, number: int, path: Path) -> None:
        name, shard = shard_file(number), self.index[number]
        (_, offset), (after, end) = self._head_ranges(number)
        check_size(self.store.address, f"{name}, metadata", offset + end - after, _MAX_HEAD_BYTES)
        try:
            front = self.store.read(name, 0, offset)
            listed = self.layers.get(number)
            tail = listed.tail if listed is not None else None
            # What follows the features is in the table, where it is small: one request less.
            if tail is None or len(tail) != end - after:
                tail = self.store.read(name, after, end) if end > after else b""
        except NoRangesError:
            self._fetch_whole(number, path)
            return
        if hashlib.sha256(front + tail).hexdigest() != shard.head_sha256:
            raise changed_or_damaged(self.store, f"the metadata of {name}", self.sums)
        self._store_parts(number, path, [(0, front), (after, tail)])

    def _fetch_whole(self, number: int, path: Path) -> None:
        name, shard = shard_file(number), self.index[number]
        data = self.store.read_whole(name, shard.n_bytes)
        if hashlib.sha256(data).hexdigest() != shard.sha256:
            raise changed_or_damaged(self.store, name, self.sums)
        self._store_parts(number, path, [(0, data)])

    def _fetch_ranges(self, number: int, path: Path, ranges: Sequence[Range]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda part: self._fetch_range(number, path, part), ranges))

    def _fetch_range(self, number: int, path: Path, part: Range) -> None:
        """Verify every layer, or clip of a layer, as it comes; keep those that are right."""
        good: list[tuple[int, bytes]] = []
        wrong = ""
        data, at = bytearray(), part[0]  # what has come and is not verified yet, and its first byte
        blocks = self.store.stream(shard_file(number), *part)
        for start, stop, digest, what in self._verifiable(number, part):
            check_size(self.store.address, shard_file(number), stop - start)
            while at + len(data) < stop:
                data += next(blocks)
            piece = bytes(data[start - at : stop - at])
            del data[: stop - at]
            at = stop
            if hashlib.sha256(piece).digest() == digest:
                good.append((start, piece))
            else:
                wrong = wrong or what
            if sum(len(held) for _, held in good) >= _WRITE_BYTES:
                self._store_parts(number, path, good)
                good = []
        self._store_parts(number, path, good)
        if wrong:
            raise changed_or_damaged(self.store, f"{shard_file(number)}, {wrong},", self.sums)

    # --- what can be verified by itself

    def _asked(self, number: int, positions: Sequence[int], frames: Sequence[slice]) -> Iterator[Range]:
        layers = self.layers.get(number)
        if layers is None:
            yield 0, self.index[number].n_bytes
            return
        width = layers.n_bytes // self._n_frames[number]
        for position in positions:
            start = layers.offset + position * layers.n_bytes
            yield from ((start + span.start * width, start + span.stop * width) for span in frames)

    def _units(self, number: int, positions: Sequence[int], frames: Sequence[slice]) -> list[Range]:
        """List the smallest verifiable ranges that hold some frames of some layers."""
        layers = self.layers.get(number)
        if layers is None:
            return [(0, self.index[number].n_bytes)]
        spans = united((span.start, span.stop) for span in frames if span.stop > span.start)
        units: list[Range] = []
        for position in positions:
            start = layers.offset + position * layers.n_bytes
            if layers.clips_sha256 is None and spans:
                units.append((start, start + layers.n_bytes))
            units += [
                (first, last)
                for first, last, _, clip in self._clips(number, layers, position)
                if any(clip.start < stop and begin < clip.stop for begin, stop in spans)
            ]
        return units

    def _clips(self, number: int, layers: ShardLayers, position: int) -> Iterator[tuple[int, int, bytes, slice]]:
        """Bytes, digest and frames of every clip of a layer."""
        if layers.clips_sha256 is None:
            return
        width = layers.n_bytes // self._n_frames[number]
        start = layers.offset + position * layers.n_bytes
        digests = layers.clips_sha256[position]
        stored = [row for row in self.index[number].rows if row["status"] == "stored"]
        for place, row in enumerate(stored):
            first, count = row["frame_start"], row["n_frames"]
            digest = digests[32 * place : 32 * place + 32]
            yield start + first * width, start + (first + count) * width, digest, slice(first, first + count)

    def _verifiable(self, number: int, part: Range) -> Iterator[tuple[int, int, bytes, str]]:
        """Clips of layers that lie wholly in a range, layers where clips have no digests: bytes, digest, what it is."""
        layers = self.layers[number]
        for position, layer in enumerate(layers.layers):
            start = layers.offset + position * layers.n_bytes
            stop = start + layers.n_bytes
            whole = part[0] <= start and stop <= part[1]
            if layers.clips_sha256 is None:
                if whole:
                    yield start, stop, layers.sha256[position], f"layer {layer}"
            elif start < part[1] and part[0] < stop:
                for first, last, digest, _ in self._clips(number, layers, position):
                    if part[0] <= first and last <= part[1]:
                        yield first, last, digest, f"layer {layer}" if whole else f"a clip in layer {layer}"

    # --- what is there

    def _check_blocks(self) -> None:
        if self._process != os.getpid():
            self._reset()  # locks and children of before a fork are the parent's
        if not self._blocks.are_there():
            raise RemoteError(f"{self.folder} was deleted while the cache was open; open it again")

    @contextmanager
    def _held(self, number: int) -> Iterator[Path]:
        """Hold a shard against other threads and processes; what they fetched meanwhile is known in the block."""
        path = self.folder / shard_file(number)
        with self._lock, _disk(path), (self.folder / ".blocks" / f"{path.name}.lock").open("ab") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.is_symlink() or not path.is_file() or path.stat().st_size != self.index[number].n_bytes:
                path.unlink(missing_ok=True)  # a link would lead elsewhere
                with path.open("xb") as file:
                    file.truncate(self.index[number].n_bytes)  # sparse: it takes no room before something is written
                self._state_path(number).unlink(missing_ok=True)
            self._read_state(number)
            yield path

    def _state_path(self, number: int) -> Path:
        return self.folder / ".blocks" / f"{shard_file(number)}.json"

    def _read_state(self, number: int) -> None:
        path = self._state_path(number)
        self._there[number] = []
        if not path.is_file():
            return
        state = parse_json(path.read_bytes(), _State, str(path), RemoteError, f"delete {self.folder}")
        self._there[number] = united(state["ranges"])
        if state["opened"]:
            self._opened.add(number)

    def _store_parts(self, number: int, path: Path, parts: Sequence[tuple[int, bytes]]) -> None:
        if not parts:
            return
        with self._writing, path.open("r+b") as file:
            for start, data in parts:
                file.seek(start)
                file.write(data)
            file.flush()
            os.fdatasync(file.fileno())
            there = [*self._there[number], *((start, start + len(data)) for start, data in parts)]
            self._there[number] = united(there)
            self._note(number)

    def _note(self, number: int) -> None:
        state = {"opened": number in self._opened, "ranges": self._there[number]}
        replace_file(self._state_path(number), json.dumps(state).encode())


def _end_of_children(children: ChildProcesses, process: int) -> None:
    if process == os.getpid():
        children.__exit__(None, None, None)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RemoteError(
            f"{path} cannot be written ({error.strerror or error}); make room, or set RAVFEAT_CACHE_HOME to another"
            " folder, and run this again"
        ) from error
