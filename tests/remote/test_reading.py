"""Reading a published cache without pulling it: tables first, then the ranges that are read, each once, verified."""

import pickle
import shutil
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import ravfeat
from ravfeat.cache import reader
from ravfeat.cache.child_check import ChildProcesses
from ravfeat.cache.format import SUMS_FILE
from ravfeat.cache.layer_table import LAYERS_FILE
from ravfeat.cache.origin_file import read_origin
from ravfeat.cache.verified_reads import read_verified
from ravfeat.errors import CacheError, RemoteError, ShardError, UsageError
from ravfeat.remote import base, mirror
from ravfeat.remote.tables import blocks_folder
from tests.remote.conftest import WebServer


def bits(block: np.ndarray) -> np.ndarray:
    return block.view(np.uint16)


def test_a_clip_of_a_layer_is_one_request_of_its_bytes(served: WebServer, local: Path) -> None:
    ours, theirs = reader.open_cache(local), ravfeat.open_cache(served.url)
    assert theirs.clip_ids == ours.clip_ids
    # The tables, and the metadata of the first shard, whose end is in the table of layers.
    assert len(served.requests) == 6
    served.requests.clear()
    (block,) = theirs.read(["clip-000002"], layers=[3], verify=True)
    assert_array_equal(bits(block), bits(ours.read(["clip-000002"], layers=[3])[0]))
    assert len(served.requests) == 1
    assert served.sent() == block.nbytes
    theirs.read(["clip-000002"], layers=[3])
    assert len(served.requests) == 1


def test_one_layer_is_one_request_per_shard_and_neighbours_are_joined(served: WebServer, local: Path) -> None:
    ours, theirs = reader.open_cache(local), ravfeat.open_cache(served.url)
    served.requests.clear()
    blocks = theirs.read(theirs.clip_ids, layers=[1, 2], verify=True)
    expected = ours.read(ours.clip_ids, layers=[1, 2])
    assert all((bits(a) == bits(b)).all() for a, b in zip(blocks, expected, strict=True))
    # One run of layers in each of four shards, and the metadata of the three that were not open.
    assert len(served.requests) == 4 + 3
    heads = sum(ours._index[number].features[0] for number in ours.shards[1:])
    assert served.sent() == sum(block.nbytes for block in blocks) + heads


def test_every_way_of_reading_gives_what_the_cache_holds(served: WebServer, local: Path) -> None:
    ours, theirs = reader.open_cache(local), ravfeat.open_cache(served.url)
    assert_array_equal(
        bits(theirs.map_shard(0, layers=[1, 2]).features), bits(ours.map_shard(0, layers=[1, 2]).features)
    )
    assert_array_equal(
        bits(theirs.read_shard(1, layers=[0, 4]).features), bits(ours.read_shard(1, layers=[0, 4]).features)
    )
    taken = {}
    for _ in read_verified(
        theirs, theirs.clip_ids[:8], [2], lambda clip, _, block: taken.update({clip.clip_id: block.copy()})
    ):
        pass
    assert all(
        (bits(block.transpose(1, 0, 2)) == bits(ours.read([name], layers=[2])[0])).all()
        for name, block in taken.items()
    )
    served.requests.clear()
    for (name, block), (other, expected) in zip(theirs.iter(), ours.iter(), strict=True):
        assert name == other
        assert_array_equal(bits(block), bits(expected))
    assert len(served.requests) <= 3 * len(ours.shards)
    assert theirs.content_sha256() == ours.content_sha256()
    assert_array_equal(theirs.times("clip-000003"), ours.times("clip-000003"))


def test_what_was_read_stays_for_the_next_process(served: WebServer) -> None:
    ravfeat.open_cache(served.url).read(["clip-000001"])
    served.requests.clear()
    again = ravfeat.open_cache(served.url)
    again.read(["clip-000001"])
    assert [name for name, _ in served.asked] == [SUMS_FILE]
    with get_context("fork").Pool(1) as pool:
        pool.map(again.read, [["clip-000001"]])
    pickle.loads(pickle.dumps(again)).read(["clip-000001"])
    assert not served.of_shards()
    with get_context("fork").Pool(1) as pool:
        pool.map(again.read, [["clip-000002"]])
    again.read(["clip-000002"])
    assert len(served.of_shards()) == 5


def test_the_origin_is_named(served: WebServer) -> None:
    origin = read_origin(ravfeat.open_cache(served.url).path)
    assert origin is not None
    assert origin["address"] == served.url


def test_without_a_table_of_layers_shards_are_fetched_whole(served: WebServer, local: Path) -> None:
    (served.folder / LAYERS_FILE).unlink()
    shutil.copy(local / SUMS_FILE, served.folder)
    theirs = ravfeat.open_cache(served.url)
    served.requests.clear()
    assert_array_equal(bits(theirs["clip-000000"]), bits(reader.open_cache(local)["clip-000000"]))
    assert [name for name, _ in served.asked] == ["shard-00000.h5"]


def test_a_server_without_ranges_gives_whole_shards(served: WebServer, local: Path) -> None:
    served.faults.ignore_ranges = True
    theirs = ravfeat.open_cache(served.url)
    assert_array_equal(bits(theirs["clip-000000"]), bits(reader.open_cache(local)["clip-000000"]))
    assert ("shard-00000.h5", "") in served.asked


@pytest.mark.parametrize("layer", [0, 3])
def test_a_flipped_bit_is_named_with_shard_and_layer(served: WebServer, local: Path, layer: int) -> None:
    cache = reader.open_cache(local)
    offset, size = cache._index[2].features
    path = served.folder / "shard-00002.h5"
    data = bytearray(path.read_bytes())
    data[offset + layer * size // 5 + 1000] ^= 1
    path.write_bytes(data)
    theirs = ravfeat.open_cache(served.url)
    with pytest.raises(RemoteError, match=rf"shard-00002.h5, layer {layer}, does not match its digest: it is damaged"):
        theirs.read(theirs.clip_ids, layers=[layer])
    with pytest.raises(RemoteError, match=rf"shard-00002.h5, a clip in layer {layer}, does not match its digest"):
        theirs.read(["clip-000012"], layers=[layer])
    theirs.read(theirs.clip_ids, layers=[1])
    theirs.read(["clip-000017"], layers=[layer])


def test_damaged_metadata_never_reach_hdf5(served: WebServer) -> None:
    path = served.folder / "shard-00000.h5"
    data = bytearray(path.read_bytes())
    data[900] ^= 1
    path.write_bytes(data)
    with pytest.raises(RemoteError, match=r"the metadata of shard-00000.h5 does not match its digest"):
        ravfeat.open_cache(served.url)


def test_metadata_are_opened_in_a_child_process_first(served: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(self: ChildProcesses, path: Path) -> None:
        raise ShardError(f"{path} is damaged: HDF5 crashes on it")

    monkeypatch.setattr(ChildProcesses, "read_header", crash)
    with pytest.raises(ShardError, match=r"http://.*: .*HDF5 crashes on it"):
        ravfeat.open_cache(served.url)


def test_a_cache_that_changes_meanwhile_is_noticed(served: WebServer) -> None:
    theirs = ravfeat.open_cache(served.url)
    path = served.folder / "shard-00001.h5"
    path.write_bytes(bytes(len(path.read_bytes())))
    (served.folder / SUMS_FILE).write_bytes((served.folder / SUMS_FILE).read_bytes().replace(b"0", b"1"))
    with pytest.raises(RemoteError, match="was changed while it was being read; run this again"):
        theirs.read(["clip-000006"])


def test_what_came_before_a_range_broke_off_is_not_fetched_again(
    served: WebServer, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = ravfeat.open_cache(served.url)
    monkeypatch.setattr(mirror, "_WRITE_BYTES", 1)
    monkeypatch.setattr(base, "WAITS_S", [])
    layer = open_layer_bytes(local)
    served.faults.drop_after, served.faults.drops = 2 * layer + layer // 2, 1
    with pytest.raises(RemoteError, match="broke off after"):
        theirs.read([f"clip-00000{i}" for i in range(6)])
    served.requests.clear()
    theirs.read([f"clip-00000{i}" for i in range(6)])
    assert served.sent() < 3 * layer
    assert theirs.content_sha256() == reader.open_cache(local).content_sha256()


def test_a_range_that_breaks_off_goes_on_where_it_was(served: WebServer, local: Path) -> None:
    theirs = ravfeat.open_cache(served.url)
    served.requests.clear()
    layer = open_layer_bytes(local)
    served.faults.drop_after, served.faults.drops = layer, 1
    theirs.read([f"clip-00000{i}" for i in range(6)], verify=True)
    assert [request.sent for request in served.requests] == [layer, 4 * layer]


def open_layer_bytes(local: Path) -> int:
    return reader.open_cache(local)._index[0].features[1] // 5


def test_one_child_process_opens_all_shards(served: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(ChildProcesses, "__init__", lambda self: (calls.append(1), setattr(self, "_idle", []))[0])
    monkeypatch.setattr(ChildProcesses, "read_header", lambda *_: None)
    theirs = ravfeat.open_cache(served.url)
    for number in theirs.shards:
        theirs.header(number)
    assert calls == [1]


def test_a_full_disk_is_said(served: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    theirs = ravfeat.open_cache(served.url)
    monkeypatch.setattr(mirror.os, "fdatasync", full)
    with pytest.raises(RemoteError, match=r"No space left on device.*; make room, or set RAVFEAT_CACHE_HOME"):
        theirs.read(["clip-000001"])


def test_folders_open_as_before(local: Path) -> None:
    assert len(ravfeat.open_cache(local)) == 24
    with pytest.raises(UsageError, match="is a folder, which has no revisions"):
        ravfeat.open_cache(local, revision="main")
    with pytest.raises(CacheError, match="does not exist"):
        ravfeat.open_cache(local / "nowhere")


def test_an_address_without_a_cache_says_so(web: WebServer) -> None:
    with pytest.raises(RemoteError, match="has no SHA256SUMS: there is no cache, or its publishing has not ended"):
        ravfeat.open_cache(web.url)


def test_blocks_lie_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert blocks_folder() == tmp_path / "home" / "remote"
    monkeypatch.delenv("RAVFEAT_CACHE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert blocks_folder() == Path.home() / ".cache" / "ravfeat" / "remote"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert blocks_folder() == tmp_path / "ravfeat" / "remote"
