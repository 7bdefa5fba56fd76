"""Pull a published cache: whole, byte for byte, or some layers and actors of it; goes on where it was interrupted."""

import logging
import os
import shutil
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ravfeat.cache.child_check import ChildProcesses
from ravfeat.cache.convert import Conversion, convert_cache
from ravfeat.cache.digests import check_shard
from ravfeat.cache.format import SUMS_FILE, shard_file
from ravfeat.cache.index import present_shards
from ravfeat.cache.layer_table import describe_layers
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.origin_file import write_origin
from ravfeat.cache.reader import Cache, open_cache
from ravfeat.cache.shard import read_header
from ravfeat.cache.writer import find_folder, make_folder
from ravfeat.errors import CacheError, RemoteError, UsageError
from ravfeat.files import flush, replace_file, sha256_of
from ravfeat.progress import ProgressBar
from ravfeat.remote.base import DamagedError, NoRangesError, Store
from ravfeat.remote.card import README_FILE, licence_of_card, read_card
from ravfeat.remote.folder_store import FolderStore
from ravfeat.remote.mirror import Mirror
from ravfeat.remote.tables import TABLES, changed_or_damaged, told_by_address

__all__ = ["Pulled", "choose_clips", "features_bytes", "pull_part", "pull_whole"]

_log = logging.getLogger(__name__)

_AT_ONCE = 4
_PIECES = 24
"""Of a shard: a killed pull loses what is under way, at most a sixth of a shard."""

_LEAST_PIECE = 1 << 18


@dataclass(frozen=True)
class Pulled:
    """Result of a pull.

    Attributes
    ----------
    path : Path
        The cache's folder.
    fetched : int
        Shards of which something was fetched now.
    failed : dict of str to str
        Clips that the cache lacks, with the reason.
    """

    path: Path
    fetched: int
    failed: dict[str, str]


def choose_clips(cache: Cache, actors: Sequence[str]) -> list[str]:
    """Return the ids of the clips of some actors, named with or without the corpus in front.

    Raises
    ------
    UsageError
        For an actor that the cache does not have.
    """
    known = {clip.actor for clip in cache.planned_manifest}
    by_name = {name: actor for actor in known for name in (actor, actor.partition(":")[2])}
    if unknown := [actor for actor in actors if actor not in by_name]:
        names = sorted(actor.partition(":")[2] or actor for actor in known)
        raise UsageError(f"actors {unknown} are not in this cache; it has {', '.join(names[:40])}")
    wanted = {by_name[actor] for actor in actors}
    return [clip.clip_id for clip in cache.planned_manifest if clip.actor in wanted]


def features_bytes(cache: Cache, layers: Sequence[int] | None, clips: Collection[str] | None) -> int:
    """Count the bytes of features in some layers of some clips; None for all."""
    stored = cache.clip_ids if clips is None else [clip_id for clip_id in clips if clip_id in cache]
    n_layers = len(cache.positions(layers))
    return sum(map(cache.n_frames, stored)) * n_layers * cache.dim * cache.dtype.itemsize


# --- all of it


def pull_whole(cache: Cache, mirror: Mirror, out: Path) -> Pulled:
    """Copy a whole cache; the folder is equal to the published one byte for byte.

    Parameters
    ----------
    cache, mirror
        As `ravfeat.remote.reading.open_mirror` gives them.
    out : Path
        Folder of caches, as ``--out`` of ``ravfeat extract``.

    Raises
    ------
    CacheError
        Where the folder holds another cache, or another process works there.
    RemoteError
        Where something cannot be fetched or does not match its digest, or there is no room for it.
    UsageError
        Where the folder is the published one.
    """
    folder = find_folder(out, cache.about, cache.identity)
    _refuse_another(folder, mirror)
    # Now: blocks may be deleted at any time.
    tables = {name: (mirror.folder / name).read_bytes() for name in TABLES if (mirror.folder / name).is_file()}
    with _writing(out):
        make_folder(out, folder)
        lacking = [number for number in cache.shards if not _is_there(folder, mirror, number)]
        _check_room(out, sum(mirror.index[number].n_bytes for number in lacking), "the cache")
        with WorkLock(folder) as lock:
            lock.claim(cache.shards)
            _pull_shards(folder, mirror, lacking)
            if card := read_card(mirror.store):
                replace_file(folder / README_FILE, card)
            for name, data in tables.items():
                replace_file(folder / name, data)
            write_origin(folder, mirror.origin(licence_of_card(card)))
            replace_file(folder / SUMS_FILE, mirror.sums)
    mirror.remove()
    return Pulled(folder, len(lacking), dict(open_cache(folder).failed))


def _refuse_another(folder: Path, mirror: Mirror) -> None:
    path, store = folder / SUMS_FILE, mirror.store
    if isinstance(store, FolderStore) and store.folder.resolve() == folder.resolve():
        raise UsageError(f"{store.address} is the folder that it would be pulled to; choose another --out")
    if stray := sorted(present_shards(folder).keys() - mirror.index.keys()):
        raise CacheError(
            f"{folder / shard_file(stray[0])} is there and is not of the published cache; move it away, or choose"
            " another --out; nothing was changed"
        )
    if path.is_file() and path.read_bytes() != mirror.sums:
        raise CacheError(
            f"{folder} holds a cache of the same kind with other contents (another {SUMS_FILE}); choose another --out,"
            " or move it away"
        )


def _is_there(folder: Path, mirror: Mirror, number: int) -> bool:
    path, indexed = folder / shard_file(number), mirror.index[number]
    if not path.exists():
        return False
    if not path.is_file() or path.stat().st_size != indexed.n_bytes or sha256_of(path) != indexed.sha256:
        raise CacheError(
            f"{path} is there and is not the published shard; move it away, or choose another --out; nothing was"
            " changed"
        )
    return True


def _pull_shards(folder: Path, mirror: Mirror, numbers: Sequence[int]) -> None:
    total = sum(mirror.index[number].n_bytes for number in numbers)
    bar = ProgressBar(total=total, desc="pulling", unit="B", unit_scale=True)
    with bar, ChildProcesses() as children:
        for number in numbers:
            part = _fetch_shard(folder, mirror, number, bar)
            # The stranger's digests say that it came as it was sent, not that HDF5 may open it.
            children.read_header(part)
            # Nor that the features are those that the shard itself has digests of.
            if problems := check_shard(part, read_header(part)).problems:
                part.unlink()
                raise DamagedError(
                    f"{mirror.store.address}: {shard_file(number)} was damaged before it was published: {problems[0]};"
                    " ask its owner to verify and publish it again"
                )
            part.rename(folder / shard_file(number))
            flush(folder)


def _fetch_shard(folder: Path, mirror: Mirror, number: int, bar: ProgressBar) -> Path:
    """Fetch a shard into a hidden file, from where the last run ended; give it where its digest is right."""
    name, indexed = shard_file(number), mirror.index[number]
    part = folder / f".{name}.{indexed.sha256[:8]}.part"
    if part.is_symlink():
        part.unlink()
    have = part.stat().st_size if part.is_file() else 0
    if have > indexed.n_bytes:
        part.unlink()
        have = 0
    bar.update(have)
    with part.open("ab") as file:
        try:
            for piece in _pieces(mirror.store, name, have, indexed.n_bytes):
                file.write(piece)
                file.flush()
                bar.update(len(piece))
        except NoRangesError as error:
            _log.warning("%s: it is fetched whole, and from its start again if interrupted", error)
            file.truncate(0)
            file.write(mirror.store.read_whole(name, indexed.n_bytes))
            bar.update(indexed.n_bytes - have)
        file.flush()
        os.fsync(file.fileno())
    if part.stat().st_size != indexed.n_bytes or sha256_of(part) != indexed.sha256:
        wrong = _wrong_layer(mirror, number, part)
        part.unlink()
        raise changed_or_damaged(mirror.store, f"{name}{wrong}", mirror.sums)
    return part


def _pieces(store: Store, name: str, start: int, stop: int) -> Iterator[bytes]:
    """Read a file from a byte on, some ranges at once; yield them in order."""
    size = max(stop // _PIECES, _LEAST_PIECE)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting: deque[Future[bytes]] = deque()
        try:
            for first in range(start, stop, size):
                waiting.append(pool.submit(store.read, name, first, min(first + size, stop)))
                if len(waiting) == _AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:  # after an error
                future.cancel()


def _wrong_layer(mirror: Mirror, number: int, path: Path) -> str:
    """Name the layers of a damaged shard that do not match the table of layers."""
    listed, indexed = mirror.layers.get(number), mirror.index[number]
    if listed is None or path.stat().st_size != indexed.n_bytes:
        return ""
    n_frames = [row["n_frames"] for row in indexed.rows if row["status"] == "stored"]
    found = describe_layers(path, indexed.sha256, indexed.features, listed.layers, n_frames)
    if found is None:
        return ""
    pairs = zip(listed.layers, found.sha256, listed.sha256, strict=True)
    wrong = [layer for layer, ours, theirs in pairs if ours != theirs]
    return f", layer {', '.join(map(str, wrong))}," if wrong else ", in its metadata,"


# --- a part of it


def pull_part(
    cache: Cache, mirror: Mirror, out: Path, layers: tuple[int, ...] | None, clips: Collection[str] | None
) -> Pulled:
    """Fetch some layers, or some clips, and write the cache that an extraction with these options gives.

    Parameters
    ----------
    cache, mirror
        As `ravfeat.remote.reading.open_mirror` gives them.
    out : Path
        Folder of caches.
    layers : tuple of int, optional
        Layer numbers; None for all.
    clips : collection of str, optional
        Ids; None for all.

    Raises
    ------
    CacheError, RemoteError
        As `pull_whole`.
    """
    wanted = sorted(clips) if clips is not None else [clip.clip_id for clip in cache.planned_manifest]
    if present := _present(cache, out, layers, wanted):
        mirror.remove()
        return Pulled(present, 0, dict(open_cache(present).failed))
    stored = [clip_id for clip_id in wanted if clip_id in cache]
    with mirror.pulling(), _writing(out):
        write_origin(mirror.folder, mirror.origin(licence_of_card(read_card(mirror.store))))
        numbers = cache.shards_of(wanted)
        size = features_bytes(cache, layers, stored)
        _check_room(mirror.folder, size, "what is fetched")
        _check_room(out, size, "the cache")
        with ProgressBar(total=size, desc="fetching", unit="B", unit_scale=True) as bar:
            for number in numbers:
                mirror.head(number)
                some = sorted(cache.clips_of(number) & set(stored))
                cache.fetch(some, layers)
                bar.update(features_bytes(cache, layers, some))
        with told_by_address(mirror.store.address, mirror.folder):
            done = convert_cache(cache, out, Conversion(layers=layers), clips=clips)
    mirror.remove()
    return Pulled(done.path, len(numbers), done.failed)


def _present(cache: Cache, out: Path, layers: tuple[int, ...] | None, wanted: Collection[str]) -> Path | None:
    """Return the folder where all of it is already."""
    identity = {**cache.identity, "layers": list(layers or cache.layers)}
    folder = find_folder(out, cache.about, identity)
    if not (folder / SUMS_FILE).is_file():
        return None
    there = open_cache(folder)
    return folder if all(clip_id in there or clip_id in there.failed for clip_id in wanted) else None


def _check_room(folder: Path, needed: int, what: str) -> None:
    # The folder is made when something is written.
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise RemoteError(
            f"{what} needs {needed / 1e6:.0f} MB in {folder}, {free / 1e6:.0f} MB are free there; make room, or choose"
            " another --out (RAVFEAT_CACHE_HOME is where a part of a cache is fetched to); nothing was fetched"
        )


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RemoteError(
            f"{error.filename or out} cannot be written ({error.strerror or error}); make room or check who may write"
            " there, and run the same command again: what has come is kept"
        ) from error
