"""What a remote cache holds, told by its tables alone."""

from dataclasses import dataclass

from ravfeat.remote.base import Store
from ravfeat.remote.card import licence_of_card, read_card
from ravfeat.remote.tables import fetch_tables, read_tables

__all__ = ["RemoteListing", "describe_remote"]


@dataclass(frozen=True)
class RemoteListing:
    """A remote cache.

    Attributes
    ----------
    corpus : str
    encoder : str
        Empty where the cache was not published by ravfeat, and only its shards know.
    stream, store : str
    layers : tuple of int
    clips, failed : int
        Stored ones, and those that could not be.
    shards, n_bytes : int
    licence : str
        As its card says; empty where it says none.
    version : str
        Commit on a hub.
    """

    corpus: str
    encoder: str
    stream: str
    store: str
    layers: tuple[int, ...]
    clips: int
    failed: int
    shards: int
    n_bytes: int
    licence: str
    version: str


def describe_remote(store: Store) -> RemoteListing:
    """Describe the cache in a store without reading a shard.

    Raises
    ------
    RemoteError
        Where there is none, or it cannot be read.
    CacheError
        Where its tables are damaged or of a newer version.
    """
    tables = fetch_tables(store)
    contents = read_tables(tables)
    layers = tables.layers(contents.index, tuple(contents.identity["layers"]))
    rows = [row["status"] == "stored" for shard in contents.index.values() for row in shard.rows]
    return RemoteListing(
        corpus=contents.corpus,
        encoder=str(layers.about["encoder"]) if layers is not None else "",
        stream=str(contents.identity["stream"]),
        store=str(contents.identity["store"]),
        layers=tuple(contents.identity["layers"]),
        clips=sum(rows),
        failed=len(rows) - sum(rows),
        shards=len(contents.index),
        n_bytes=sum(shard.n_bytes for shard in contents.index.values()),
        licence=licence_of_card(read_card(store)),
        version=store.version(),
    )
