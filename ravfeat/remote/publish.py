"""Publish a cache: verified whole, shards first, then tables and card, and SHA256SUMS last as the mark of the end."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ravfeat.cache.format import IDENTITY_FILE, INDEX_FILE, MANIFEST_FILE, SUMS_FILE, shard_file
from ravfeat.cache.index import MAX_SUMS_BYTES, parse_sums, present_shards, read_index, read_sums, sums_text
from ravfeat.cache.layer_table import LAYERS_FILE, ShardLayers, describe_layers, layer_table_bytes
from ravfeat.cache.manifest import read_planned
from ravfeat.cache.reader import Cache
from ravfeat.cache.verify import verify_cache
from ravfeat.errors import CacheError, RemoteError, UsageError
from ravfeat.progress import ProgressBar
from ravfeat.remote.base import MissingFileError, Store
from ravfeat.remote.card import README_FILE
from ravfeat.remote.folder_store import FolderStore
from ravfeat.remote.tables import MAX_TABLE_BYTES

__all__ = ["Publication", "prepare_publication", "publish"]

PARTIAL_FILE = "SHA256SUMS.partial"
"""What has been sent so far, where the store has no digests of its own: a second publishing goes on from there."""

_GROUP_BYTES, _GROUP_FILES = 1 << 30, 50  # of one commit on a hub
_SHOWN = 5

NOTE_EVERY_S = 5.0
"""Seconds between two notes of what was sent: each lists all shards, of which there may be thousands."""


@dataclass(frozen=True)
class Publication:
    """What is to be published.

    Attributes
    ----------
    shards : mapping of str to Path
        Files by name.
    tables : mapping of str to bytes or Path
        Tables and card.
    sums : mapping of str to str
        Digests of all that ``SHA256SUMS`` names.
    n_bytes : int
        Of all files.
    """

    shards: Mapping[str, Path]
    tables: Mapping[str, bytes | Path]
    sums: Mapping[str, str]
    n_bytes: int


def prepare_publication(cache: Cache, *, verify: bool = True) -> Publication:
    """Verify a cache in full, and make the table of its layers; nothing is sent or changed.

    Parameters
    ----------
    cache : Cache
    verify : bool
        Off for a look at what would be published: then the table of layers is left out too.

    Raises
    ------
    CacheError
        Where clips were not extracted yet, or anything does not match its digest.
    """
    lacking = [clip_id for clip_id in cache.missing if clip_id not in cache.failed]
    if lacking:
        raise CacheError(
            f"{cache.path} is not complete: {len(lacking)} clips are not extracted yet ({', '.join(lacking[:3])} …);"
            " run the same 'ravfeat extract' again, then publish it"
        )
    sums = dict(read_sums(cache.path))
    sums.pop(LAYERS_FILE, None)
    tables: dict[str, bytes | Path] = {name: cache.path / name for name in (IDENTITY_FILE, INDEX_FILE, MANIFEST_FILE)}
    if verify:
        _refuse_damage(cache)
        tables[LAYERS_FILE] = table = layer_table_bytes(_layers(cache), cache.about)
        sums[LAYERS_FILE] = hashlib.sha256(table).hexdigest()
    shards = {path.name: path for path in present_shards(cache.path).values()}
    files = [*shards.values(), *tables.values()]
    n_bytes = sum(map(_size, files))
    return Publication(shards, tables, sums, n_bytes)


def _refuse_damage(cache: Cache) -> None:
    with ProgressBar(total=len(cache.shards), desc="verifying", unit="shard") as bar:

        def advance(_: Path) -> None:
            bar.update()

        problems = verify_cache(cache.path, progress=advance)
    # Clips that failed are lacking for a reason that the cache gives.
    problems = [problem for problem in problems if problem.where not in cache.failed]
    if problems:
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        listing = "\n  ".join(str(problem) for problem in problems[:_SHOWN])
        raise CacheError(f"{cache.path} is not whole, so it is not published:\n  {listing}{more}")


def _layers(cache: Cache) -> dict[int, ShardLayers]:
    described: dict[int, ShardLayers] = {}
    with ProgressBar(total=len(cache.shards), desc="digests of layers", unit="shard") as bar:
        for number, indexed in read_index(cache.path).items():
            n_frames = [row["n_frames"] for row in indexed.rows if row["status"] == "stored"]
            path = cache.path / shard_file(number)
            # Of an index of an older version nobody knows where the features lie: such shards are pulled whole.
            if indexed.head_sha256 is not None:
                layers = describe_layers(path, indexed.sha256, indexed.features, cache.layers, n_frames)
                if layers is not None:
                    described[number] = layers
            bar.update()
    return described


def publish(publication: Publication, store: Store, card: str) -> int:
    """Send what is not there yet; an interrupted publishing goes on when it is called again.

    Parameters
    ----------
    publication : Publication
    store : Store
    card : str
        Text of ``README.md``.

    Returns
    -------
    int
        Files that were sent now.

    Raises
    ------
    RemoteError
        Without network or permission, or where something else lies at the address.
    """
    _refuse_itself(store, publication)
    there = _sent_before(store, publication)
    pending = {name: path for name, path in publication.shards.items() if there.get(name) != publication.sums[name]}
    tables = {name: data for name, data in publication.tables.items() if there.get(name) != publication.sums[name]}
    sums = {SUMS_FILE: sums_text(publication.sums).encode()}
    total = sum(path.stat().st_size for path in pending.values())
    with ProgressBar(total=total, desc="publishing", unit="B", unit_scale=True) as bar:
        if _is_hub(store):  # it knows the digests of what it has, and takes nothing twice
            _send_commits(store, pending, bar)
            store.write_all({**tables, README_FILE: card.encode(), **sums}, "Tables, card and checksums: complete")
        else:
            if pending or tables or SUMS_FILE not in _sizes(store):
                _send_files(store, pending, dict(there), publication, bar)
            store.write_all({**tables, README_FILE: card.encode()}, "Tables and card")
            store.write_all(sums, "Checksums: the cache is complete")
            store.delete(PARTIAL_FILE)
    return len(pending) + len(tables) + 2


def _refuse_itself(store: Store, publication: Publication) -> None:
    tables = (file for file in publication.tables.values() if isinstance(file, Path))
    if isinstance(store, FolderStore) and store.folder.resolve().is_relative_to(next(tables).parent.resolve()):
        raise UsageError(f"{store.address} is the folder of the cache itself, or in it; give another one")


def _is_hub(store: Store) -> bool:
    return store.address.startswith("hf://")


def _sent_before(store: Store, publication: Publication) -> dict[str, str]:
    """Digests of what lies at the address already, as far as its own records say it."""
    sizes = _sizes(store)
    # Folders within may hold caches of their own.
    here = [name for name in sizes if "/" not in name]
    if stray := [name for name in here if name.endswith(".h5") and name not in publication.shards]:
        raise RemoteError(f"{store.address} holds {stray[0]}, which is not of this cache; choose another address")
    complete, partial = _recorded(store, SUMS_FILE), _recorded(store, PARTIAL_FILE)
    _refuse_foreign(store, publication, sizes, complete)
    # Tables are sent after the last note of what was sent.
    recorded = complete | {name: partial[name] for name in publication.shards if name in partial}
    files = {**publication.shards, **publication.tables}
    return {
        name: digest for name, digest in recorded.items() if name in files and sizes.get(name) == _size(files[name])
    }


def _refuse_foreign(
    store: Store, publication: Publication, sizes: Mapping[str, int], complete: Mapping[str, str]
) -> None:
    """Refuse to write over what is not an older state of this cache."""
    if complete and (differs := _what_differs(store, publication, complete)):
        raise RemoteError(f"{store.address} holds a cache of another {differs}; choose another address, or delete it")
    # Of a hub nothing is lost, and it makes a README.md for every new repository.
    if _is_hub(store) or SUMS_FILE in sizes or PARTIAL_FILE in sizes:
        return
    if foreign := [name for name in (*publication.tables, README_FILE) if name in sizes]:
        raise RemoteError(
            f"{store.address} holds {foreign[0]}, which was not published by 'ravfeat cache publish' and would be"
            " replaced; choose an address where nothing is"
        )


def _what_differs(store: Store, publication: Publication, complete: Mapping[str, str]) -> str:
    """Say what of the cache at the address makes it another one; a corpus may have grown."""
    if complete.get(IDENTITY_FILE) != publication.sums[IDENTITY_FILE]:
        return f"encoder or choice of features ({IDENTITY_FILE} differs)"
    ours = publication.tables[MANIFEST_FILE]
    if complete.get(MANIFEST_FILE) == publication.sums[MANIFEST_FILE] or not isinstance(ours, Path):
        return ""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, MANIFEST_FILE)
        path.write_bytes(store.read_whole(MANIFEST_FILE, MAX_TABLE_BYTES))
        corpora = {read_planned(path).manifest.corpus, read_planned(ours).manifest.corpus}
    return f"corpus ({' and '.join(sorted(corpora))})" if len(corpora) > 1 else ""


def _sizes(store: Store) -> Mapping[str, int]:
    try:
        return store.sizes()
    except MissingFileError:
        return {}  # a repository that is not made yet


def _size(file: bytes | Path) -> int:
    return file.stat().st_size if isinstance(file, Path) else len(file)


def _recorded(store: Store, name: str) -> dict[str, str]:
    try:
        data = store.read_whole(name, MAX_SUMS_BYTES)
    except MissingFileError:
        return {}
    try:
        return parse_sums(data, f"{store.address}/{name}", "")
    except CacheError as error:
        raise RemoteError(
            f"{store.address}/{name} is not of a cache, or damaged; choose another address, or delete it there"
        ) from error


def _send_files(
    store: Store, pending: Mapping[str, Path], there: dict[str, str], publication: Publication, bar: ProgressBar
) -> None:
    # The index's line makes the record a SHA256SUMS like any other.
    there = {name: digest for name, digest in there.items() if name in publication.shards}
    there[INDEX_FILE] = publication.sums[INDEX_FILE]
    store.write(PARTIAL_FILE, sums_text(there).encode())
    # What lies there is not a whole cache from now on, and must not look like one.
    store.delete(SUMS_FILE)
    noted = monotonic()
    try:
        for name, path in pending.items():
            store.write(name, path)
            there[name] = publication.sums[name]
            if monotonic() - noted >= NOTE_EVERY_S:
                store.write(PARTIAL_FILE, sums_text(there).encode())
                noted = monotonic()
            bar.update(path.stat().st_size)
    except BaseException:
        with suppress(RemoteError):  # the first error says why
            store.write(PARTIAL_FILE, sums_text(there).encode())
        raise
    store.write(PARTIAL_FILE, sums_text(there).encode())


def _send_commits(store: Store, pending: Mapping[str, Path], bar: ProgressBar) -> None:
    groups = list(_groups(pending))
    if groups and SUMS_FILE in _sizes(store):
        store.delete(SUMS_FILE)  # a commit between the old cache and the new one is neither
    for number, group in enumerate(groups, 1):
        store.write_all(group, f"Shards, {number} of {len(groups)}")
        bar.update(sum(path.stat().st_size for path in group.values()))


def _groups(files: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    group: dict[str, Path] = {}
    size = 0
    for name, path in files.items():
        n_bytes = path.stat().st_size
        if group and (size + n_bytes > _GROUP_BYTES or len(group) == _GROUP_FILES):
            yield group
            group, size = {}, 0
        group[name] = path
        size += n_bytes
    if group:
        yield group
