"""Hostile, damaged and newer tables of a remote cache: nothing of them is believed."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ravfeat
from ravfeat.cache.format import IDENTITY_FILE, INDEX_FILE, SUMS_FILE
from ravfeat.cache.index import read_sums, sums_text
from ravfeat.cache.layer_table import LAYERS_FILE, LayerTable, layer_table_bytes, parse_layer_table
from ravfeat.errors import CacheError, RemoteError
from ravfeat.manifest import parquet_bytes
from ravfeat.remote.listing import describe_remote
from ravfeat.remote.publish import prepare_publication, publish
from ravfeat.remote.pull import pull_whole
from ravfeat.remote.reading import open_cache, open_mirror
from ravfeat.remote.store import open_store
from tests.remote.conftest import CARD, WebServer


def replace_table(folder: Path, name: str, data: bytes) -> None:
    """Another table under a right digest, as a stranger can write it."""
    (folder / name).write_bytes(data)
    sums = read_sums(folder) | {name: hashlib.sha256(data).hexdigest()}
    (folder / SUMS_FILE).write_text(sums_text(sums))


def test_a_listing_reads_tables_alone(served: WebServer) -> None:
    listing = describe_remote(open_store(served.url))
    assert (listing.corpus, listing.encoder, listing.layers) == ("toy", "toy", (0, 1, 2, 3, 4))
    assert (listing.clips, listing.failed, listing.shards, listing.licence) == (24, 0, 4, "apache-2.0")
    assert not served.of_shards()


def test_a_table_that_is_not_the_one_of_the_sums_is_refused(served: WebServer) -> None:
    with (served.folder / IDENTITY_FILE).open("ab") as file:
        file.write(b" ")
    with pytest.raises(RemoteError, match=r"identity.json does not match its digest: it is damaged there"):
        open_cache(served.url)


def test_damage_is_told_by_the_address_and_not_to_be_repaired_here(served: WebServer) -> None:
    replace_table(served.folder, IDENTITY_FILE, b'{"stream": "x"}')
    with pytest.raises(CacheError, match=rf"^{served.url}: identity.json.*; ask its owner to publish it again$") as got:
        open_cache(served.url)
    assert "rebuild-index" not in str(got.value)


def test_a_file_that_its_owner_deleted_is_published_again(
    served: WebServer, local: Path, published: Path, tmp_path: Path
) -> None:
    path = served.folder / "shard-00002.h5"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RemoteError, match="ask its owner to delete that file there and to publish the cache again"):
        pull_whole(*open_mirror(open_store(served.url)), tmp_path / "cache")
    path.unlink()
    publish(prepare_publication(ravfeat.open_cache(local)), open_store(served.folder), CARD)
    assert path.read_bytes() == (published / path.name).read_bytes()


@pytest.mark.parametrize("name", ["../../.bashrc", "/etc/passwd", ".ssh", "shard-1.h5", "a b"])
def test_names_that_are_none_of_a_cache_are_refused(served: WebServer, name: str) -> None:
    sums = read_sums(served.folder) | {name: "0" * 64}
    (served.folder / SUMS_FILE).write_text(sums_text(sums))
    with pytest.raises(CacheError, match="is no file of a cache"):
        open_cache(served.url)


def test_sums_without_end_are_refused(served: WebServer) -> None:
    with (served.folder / SUMS_FILE).open("ab") as file:
        file.truncate(17 << 20)
    with pytest.raises(RemoteError, match="SHA256SUMS has more than the 16777216 bytes expected"):
        open_cache(served.url)


def test_sizes_that_no_disk_has_are_refused(served: WebServer) -> None:
    table = pq.read_table(pa.BufferReader((served.folder / INDEX_FILE).read_bytes()))
    place = table.schema.get_field_index("shard_bytes")
    table = table.set_column(place, "shard_bytes", pa.array([1 << 45] * len(table), pa.int64()))
    replace_table(served.folder, INDEX_FILE, parquet_bytes(table))
    with pytest.raises(RemoteError, match=f"would have {1 << 45} bytes"):
        open_cache(served.url)


def layers_of(folder: Path) -> LayerTable:
    return parse_layer_table((folder / LAYERS_FILE).read_bytes(), "it", "")


@pytest.mark.parametrize(
    "change",
    [
        lambda shard: replace(shard, offset=0),
        lambda shard: replace(shard, n_bytes=shard.n_bytes - 1),
        lambda shard: replace(shard, layers=(0, 1, 2, 3, 9)),
        lambda shard: replace(shard, shard_sha256="0" * 64),
        lambda shard: replace(shard, clips_sha256=tuple(clips[32:] for clips in shard.clips_sha256)),
    ],
    ids=["offset", "bytes", "layers", "shard", "clips"],
)
def test_layers_that_do_not_fit_the_index_are_refused(served: WebServer, change: Callable[..., object]) -> None:
    table = layers_of(served.folder)
    shards = {number: change(shard) if number == 1 else shard for number, shard in table.shards.items()}
    replace_table(served.folder, LAYERS_FILE, layer_table_bytes(shards, table.about))  # type: ignore[arg-type]
    with pytest.raises(CacheError, match=r"does not fit shard-00001.h5 in index.parquet"):
        open_cache(served.url)


def test_a_newer_table_of_layers_is_refused(served: WebServer) -> None:
    table = pq.read_table(pa.BufferReader((served.folder / LAYERS_FILE).read_bytes()))
    metadata = {b"ravfeat.layers": json.dumps({"version": 2, "about": {}}).encode()}
    replace_table(served.folder, LAYERS_FILE, parquet_bytes(table.replace_schema_metadata(metadata)))
    with pytest.raises(CacheError, match="has version 2, this ravfeat reads 1; upgrade it"):
        open_cache(served.url)
