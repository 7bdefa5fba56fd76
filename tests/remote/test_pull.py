"""Pulling caches: whole or in part, equal to what was published or converted, going on after interruptions."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ravfeat.cache import Conversion, convert_cache, open_cache, verify_cache
from ravfeat.cache.format import INDEX_FILE, LOCK_FILE, SUMS_FILE
from ravfeat.cache.index import read_index, read_sums, sums_text
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.origin_file import ORIGIN_FILE, read_origin
from ravfeat.errors import CacheError, RemoteError, UsageError
from ravfeat.files import sha256_of
from ravfeat.manifest import parquet_bytes
from ravfeat.remote import pull, tables
from ravfeat.remote.publish import prepare_publication, publish
from ravfeat.remote.pull import Pulled, choose_clips, pull_part, pull_whole
from ravfeat.remote.reading import open_mirror
from ravfeat.remote.store import open_store
from tests.conftest import command_code
from tests.remote.conftest import CARD, WebServer

ASIDE = {LOCK_FILE, ORIGIN_FILE}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ASIDE}


def whole(address: str, out: Path) -> Pulled:
    return pull_whole(*open_mirror(open_store(address)), out)


def part(address: str, out: Path, layers: tuple[int, ...] | None = None, actors: tuple[str, ...] = ()) -> Pulled:
    cache, mirror = open_mirror(open_store(address))
    return pull_part(cache, mirror, out, layers, choose_clips(cache, actors) if actors else None)


def test_a_whole_cache_is_equal_to_the_published_one(served: WebServer, published: Path, tmp_path: Path) -> None:
    done = whole(served.url, tmp_path / "cache")
    assert done.path.parent == tmp_path / "cache" / "toy"
    assert contents(done.path) == contents(published)
    assert verify_cache(done.path) == []
    assert subprocess.run(["sha256sum", "-c", "--quiet", SUMS_FILE], cwd=done.path, check=False).returncode == 0
    origin = read_origin(done.path)
    assert origin is not None
    assert (origin["address"], origin.get("licence")) == (served.url, "apache-2.0")
    assert not any(tables.blocks_folder().iterdir())
    served.requests.clear()
    assert whole(served.url, tmp_path / "cache").fetched == 0
    assert {name for name, _ in served.of_shards()} == {"shard-00000.h5"}  # its metadata, which name the folder


def test_a_layer_is_what_convert_gives_with_two_requests_per_shard(
    served: WebServer, local: Path, tmp_path: Path
) -> None:
    done = part(served.url, tmp_path / "pulled", layers=(2,))
    expected = convert_cache(open_cache(local), tmp_path / "converted", Conversion(layers=(2,)))
    assert done.path.name == expected.path.name
    assert contents(done.path) == contents(expected.path)
    assert verify_cache(done.path) == []
    assert len(served.of_shards()) == 2 * 4
    assert not any(tables.blocks_folder().iterdir())
    served.requests.clear()
    assert part(served.url, tmp_path / "pulled", layers=(2,)).fetched == 0
    assert len(served.of_shards()) == 1


def test_actors_are_pulled_alone_and_others_added_later(served: WebServer, local: Path, tmp_path: Path) -> None:
    first = part(served.url, tmp_path / "cache", actors=("01", "toy:02"))
    cache = open_cache(first.path)
    assert {clip.actor for clip in cache.planned_manifest} == {"toy:01", "toy:02"}
    assert cache.identity == open_cache(local).identity
    kept = contents(first.path)["shard-00000.h5"]
    again = part(served.url, tmp_path / "cache", actors=("02", "03"))
    assert again.path == first.path
    assert contents(first.path)["shard-00000.h5"] == kept
    assert {clip.actor for clip in open_cache(first.path).planned_manifest} == {"toy:01", "toy:02", "toy:03"}
    assert verify_cache(first.path) == []
    assert part(served.url, tmp_path / "cache", actors=("01",)).fetched == 0
    with pytest.raises(UsageError, match=r"actors \['9'\] are not in this cache; it has 01, 02, 03, 04"):
        part(served.url, tmp_path / "cache", actors=("9",))


FORMATS = Path(__file__).parents[1] / "format"


@pytest.mark.parametrize("kind", ["v1", "v2", "faces"])
def test_older_caches_failed_clips_and_faces_travel_too(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue("whole_face_cache") if kind == "faces" else FORMATS / kind / "cache"
    cache, address = open_cache(source), str(tmp_path / "published")
    publish(prepare_publication(cache), open_store(address), CARD)
    theirs, _ = open_mirror(open_store(address))
    assert theirs.content_sha256() == cache.content_sha256()
    for clip_id in cache.clip_ids:
        assert (theirs.read([clip_id], verify=True)[0] == cache[clip_id]).all()
        assert theirs.columns(clip_id).keys() == cache.columns(clip_id).keys()
    done = whole(address, tmp_path / "whole")
    assert done.failed == cache.failed
    assert [problem.where for problem in verify_cache(done.path)] == list(cache.failed)
    if len(cache.layers) > 1:
        some = part(address, tmp_path / "some", layers=cache.layers[-1:])
        expected = convert_cache(cache, tmp_path / "converted", Conversion(layers=cache.layers[-1:]))
        assert contents(some.path) == contents(expected.path)


def test_an_interrupted_pull_goes_on_where_it_was(
    served: WebServer, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = sum(path.stat().st_size for path in published.iterdir())
    store = type(open_store(served.url))
    read, calls = store.read, []

    def breaking(self: object, name: str, start: int = 0, stop: int | None = None) -> bytes:
        calls.append(name)
        if len(calls) == 40:
            raise RemoteError("the network is gone")
        return read(self, name, start, stop)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "read", breaking)
    with pytest.raises(RemoteError, match="the network is gone"):
        whole(served.url, tmp_path / "cache")
    done = whole(served.url, tmp_path / "cache")
    assert contents(done.path) == contents(published)
    assert served.sent() < total + 8e6


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--layers", "2")], ids=["whole", "layer"])
def test_killed_five_times_less_than_a_shard_is_fetched_twice(
    served: WebServer, published: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    command = [
        sys.executable,
        "-c",
        command_code(),
        "cache",
        "pull",
        served.url,
        "--out",
        str(tmp_path / "out"),
        *options,
    ]
    chance = random.Random(7)
    needed = sum(path.stat().st_size for path in published.iterdir())
    shard = (published / "shard-00000.h5").stat().st_size
    slow = SlowServer(served, chance)
    for _ in range(5):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        slow.wait_for_some(child, needed if not options else needed // 5)
        child.send_signal(signal.SIGKILL)
        child.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = next((tmp_path / "out" / "toy").iterdir())
    assert verify_cache(folder) == []
    once = needed if not options else _once(served, tmp_path)
    assert slow.sent() < once + shard
    assert not list(folder.glob(".*.part"))


class SlowServer:
    """Waits until a child has fetched some random share of what it needs."""

    def __init__(self, server: WebServer, chance: random.Random) -> None:
        self._server, self._chance = server, chance
        self._total = 0

    def wait_for_some(self, child: subprocess.Popen[bytes], needed: int) -> None:
        before = self._server.sent()
        wanted = before + self._chance.uniform(0.05, 0.25) * needed
        deadline = time.monotonic() + 30
        while child.poll() is None and self._server.sent() < wanted and time.monotonic() < deadline:
            time.sleep(0.002)

    def sent(self) -> int:
        return self._server.sent()


def _once(served: WebServer, tmp_path: Path) -> int:
    """Bytes of a pull that nothing interrupts."""
    before = served.sent()
    part(served.url, tmp_path / "again", layers=(2,))
    once = served.sent() - before
    served.requests.append(type(served.requests[0])("", "", None, sent=-once))
    return once


def test_a_flipped_bit_is_named_and_the_shard_not_kept(served: WebServer, local: Path, tmp_path: Path) -> None:
    offset, size = open_cache(local)._index[1].features
    path = served.folder / "shard-00001.h5"
    data = bytearray(path.read_bytes())
    data[offset + 3 * size // 5 + 77] ^= 4
    path.write_bytes(data)
    with pytest.raises(RemoteError, match=r"shard-00001.h5, layer 3, does not match its digest"):
        whole(served.url, tmp_path / "cache")
    folder = next((tmp_path / "cache" / "toy").iterdir())
    assert {path.name for path in folder.iterdir()} == {LOCK_FILE, "shard-00000.h5"}
    with pytest.raises(RemoteError, match=r"shard-00001.h5, layer 3, does not match its digest"):
        part(served.url, tmp_path / "part", layers=(3,))
    assert part(served.url, tmp_path / "part", layers=(2,)).fetched == 4


def test_features_that_were_wrong_when_they_were_signed_are_not_taken(served: WebServer, tmp_path: Path) -> None:
    path, index = served.folder / "shard-00001.h5", served.folder / INDEX_FILE
    sums = read_sums(served.folder)
    offset, size = read_index(served.folder)[1].features
    data = bytearray(path.read_bytes())
    data[offset + size // 2] ^= 4
    path.write_bytes(data)
    table, digest = pq.read_table(index), sha256_of(path)
    signed = [digest if value == sums[path.name] else value for value in table["shard_sha256"].to_pylist()]
    table = table.set_column(table.column_names.index("shard_sha256"), "shard_sha256", pa.array(signed))
    index.write_bytes(parquet_bytes(table))
    del sums["layers.parquet"]
    sums |= {path.name: digest, INDEX_FILE: sha256_of(index)}
    (served.folder / SUMS_FILE).write_text(sums_text(sums))
    with pytest.raises(
        RemoteError, match=r"shard-00001.h5 was damaged before it was published: clip '.*' does not match"
    ):
        whole(served.url, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("shard-00001*"))


def test_a_cache_that_changes_during_a_pull_is_noticed(
    served: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, mirror = open_mirror(open_store(served.url))
    path = served.folder / "shard-00002.h5"
    path.write_bytes(path.read_bytes()[::-1])
    sums = served.folder / SUMS_FILE
    sums.write_bytes(sums.read_bytes() + b"\n")
    with pytest.raises(RemoteError, match="was changed while it was being read"):
        pull_whole(cache, mirror, tmp_path / "cache")


def test_another_cache_in_the_folder_is_never_overwritten(served: WebServer, local: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(local, tmp_path / "cache" / "toy" / local.name))
    with pytest.raises(CacheError, match="holds a cache of the same kind with other contents"):
        whole(served.url, tmp_path / "cache")
    (folder / SUMS_FILE).unlink()
    (folder / "shard-00003.h5").write_bytes(b"mine")
    with pytest.raises(CacheError, match=r"shard-00003.h5 is there and is not the published shard; move it away"):
        whole(served.url, tmp_path / "cache")
    assert (folder / "shard-00003.h5").read_bytes() == b"mine"
    (folder / "shard-00003.h5").rename(folder / "shard-00007.h5")
    with pytest.raises(CacheError, match=r"shard-00007.h5 is there and is not of the published cache; move it away"):
        whole(served.url, tmp_path / "cache")
    assert not (folder / SUMS_FILE).exists()


def test_a_cache_is_not_pulled_onto_itself(local: Path) -> None:
    with pytest.raises(UsageError, match="is the folder that it would be pulled to; choose another --out"):
        whole(str(local), local.parents[1])
    assert read_origin(local) is None


def test_blocks_that_are_deleted_during_a_pull_leave_no_half_cache(
    served: WebServer, published: Path, tmp_path: Path
) -> None:
    cache, mirror = open_mirror(open_store(served.url))
    read_card = pull.read_card

    def deleting(store: object) -> bytes:
        shutil.rmtree(mirror.folder)
        return read_card(store)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pull, "read_card", deleting)
        done = pull_whole(cache, mirror, tmp_path / "cache")
    assert contents(done.path) == contents(published)


def test_a_server_without_ranges_is_said_and_pulled_whole(
    served: WebServer, published: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served.faults.ignore_ranges = True
    done = whole(served.url, tmp_path / "cache")
    assert contents(done.path) == contents(published)
    assert "it is fetched whole, and from its start again if interrupted" in caplog.text


def test_no_room_is_known_before_anything_is_fetched(
    served: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, mirror = open_mirror(open_store(served.url))
    served.requests.clear()
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(pull.shutil, "disk_usage", lambda _: usage)
    for call in (
        lambda: pull_whole(cache, mirror, tmp_path / "a"),
        lambda: pull_part(cache, mirror, tmp_path / "b", (1,), None),
    ):
        with pytest.raises(RemoteError, match=r"needs \d+ MB .*0 MB are free there; make room"):
            call()
    assert not served.of_shards()


def test_a_disk_that_fills_up_keeps_what_has_come(
    served: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, mirror = open_mirror(open_store(served.url))
    fsync: Callable[[int], None] = os.fsync
    calls = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 4:
            raise OSError(28, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RemoteError, match=r"No space left on device.*what has come is kept"):
            pull_whole(cache, mirror, tmp_path / "cache")
    served.requests.clear()
    assert verify_cache(whole(served.url, tmp_path / "cache").path) == []
    assert "shard-00000.h5" not in dict(served.of_shards())


def test_two_pulls_at_once_into_one_folder_are_told_apart(served: WebServer, local: Path, tmp_path: Path) -> None:
    cache, mirror = open_mirror(open_store(served.url))
    folder = tmp_path / "cache" / "toy" / local.name
    folder.mkdir(parents=True)
    code = (
        "import sys, pathlib; from ravfeat.cache.locks import WorkLock\n"
        "lock = WorkLock(pathlib.Path(sys.argv[1])); lock.claim([0]); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        with pytest.raises(CacheError, match="another process"):
            pull_whole(cache, mirror, tmp_path / "cache")
        other.communicate()
    with mirror.pulling(), pytest.raises(RemoteError, match="is being pulled by another process; wait"):
        part(served.url, tmp_path / "cache", layers=(1,))
    with WorkLock(folder):
        pass
