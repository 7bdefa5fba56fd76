"""Caches at an object store: a real S3 server on this machine, real requests, conditional puts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache import verify_cache
from ravfeat.cache.format import shard_file
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.engines.base import EngineOptions
from ravfeat.engines.run import extract_with
from ravfeat.errors import CacheError, RemoteError
from ravfeat.extract import Extraction, open_caches, run_extraction
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.run import finish, run_shards
from ravfeat.extract.stored_folder import StoredFolder
from ravfeat.extract.work_plan import LoadedWork, plan_work
from ravfeat.remote.store import open_store
from tests.objectstore import ObjectStore

pytestmark = pytest.mark.usefixtures("small_shards")


class Counting(LogMelEncoder):
    """The real encoder; counts clips, and changes features by a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.encoded, self.factor = 0, factor

    def encode(self, batch: Sequence[EncoderInput]) -> list[Any]:
        self.encoded += len(batch)
        return [states * states.dtype.type(self.factor) for states in super().encode(batch)]


@pytest.fixture
def out(objects: ObjectStore, tmp_path: Path) -> str:
    """An address that no other test uses."""
    objects.asked.clear()
    return f"s3://shelf/{tmp_path.name}"


@pytest.fixture
def downloaded(tmp_path: Path) -> Callable[[str], Path]:
    """Copy everything under an address into a folder of the cache's name."""

    def fetch(address: str) -> Path:
        store, folder = open_store(address), tmp_path / "downloaded" / address.rpartition("/")[2]
        folder.mkdir(parents=True)
        for name in store.sizes():
            (folder / name).write_bytes(store.read(name))
        return folder

    return fetch


def asked(objects: ObjectStore, method: str) -> list[str]:
    """Names of the shards that were asked for, whole."""
    return sorted(
        path.rpartition("/")[2]
        for kind, path, wanted, _ in objects.asked
        if kind == method and "/shard-" in path and wanted != "bytes=0-0"
    )


SHARDS = [shard_file(number) for number in range(6)]


def test_a_cache_at_a_store_is_that_of_a_folder_and_every_shard_is_put_once(
    corpus: Any, out: str, objects: ObjectStore, whole_cache: Path, contents: Any, downloaded: Any
) -> None:
    encoder = Counting()
    result = run_extraction(corpus.extraction(encoder=encoder), out)
    assert (result.written, result.present, result.encoded) == (6, 0, 22)
    assert result.address == f"{out}/synth/{whole_cache.name}"
    assert (asked(objects, "PUT"), asked(objects, "GET")) == (SHARDS, [])
    assert contents(downloaded(result.address)) == contents(whole_cache)
    assert not result.path.exists()  # the temporary folder
    objects.asked.clear()
    again = run_extraction(corpus.extraction(encoder=encoder), out)
    assert (again.written, again.present, encoder.encoded) == (0, 6, 22)
    assert (asked(objects, "PUT"), asked(objects, "GET")) == ([], [])


def test_what_a_killed_run_has_put_is_fetched_once_and_not_encoded_again(
    corpus: Any, out: str, objects: ObjectStore, whole_cache: Path, contents: Any, downloaded: Any
) -> None:
    work = LoadedWork([corpus.extraction()])
    run_shards(work, ((0, 1, 2),), plan_work(work, out))  # killed before it could end
    encoder = Counting()
    result = run_extraction(corpus.extraction(encoder=encoder), out)
    assert (result.written, result.present, encoder.encoded) == (3, 3, 10)
    assert {name: asked(objects, "GET").count(name) for name in SHARDS[:3]} == {
        SHARDS[0]: 2,
        SHARDS[1]: 1,
        SHARDS[2]: 2,
    }
    assert contents(downloaded(result.address)) == contents(whole_cache)


def test_two_that_write_one_shard_do_not_replace_each_other(
    corpus: Any, out: str, monkeypatch: pytest.MonkeyPatch, downloaded: Any
) -> None:
    work = LoadedWork([corpus.extraction()])
    first, second = plan_work(work, out), plan_work(work, out)
    put = run_shards(work, ((0, 1),), first).caches[0].written
    assert run_shards(work, ((0,),), second).caches[0].written == {}  # it is there
    with monkeypatch.context() as patch:  # it was not, when this one looked
        patch.setattr(StoredFolder, "holds", lambda *_: False)
        late = LoadedWork([corpus.extraction(encoder=Counting(1.0001))])
        report = run_shards(late, ((1,),), second)
    assert report.caches[0].written == {1: put[1]}
    run_shards(work, ((2, 3, 4, 5),), second)
    (result,) = finish(second, [report])
    assert verify_cache(downloaded(result.address)) == []


def test_a_mended_clip_replaces_its_shard(clips: Path, out: str, downloaded: Any) -> None:
    bad = clips / scan_ravdess(clips).clips[5].path
    good = bad.read_bytes()
    bad.write_bytes(b"")
    whole = scan_ravdess(clips)
    assert list(run_extraction(Extraction(whole, clips, LogMelEncoder()), out).failed) == [bad.stem]
    assert list(run_extraction(Extraction(whole, clips, LogMelEncoder()), out).failed) == [bad.stem]
    bad.write_bytes(good)
    result = run_extraction(Extraction(scan_ravdess(clips), clips, LogMelEncoder()), out)
    assert (result.written, result.failed) == (1, {})
    assert verify_cache(downloaded(result.address)) == []


def test_other_features_are_refused_at_a_store_too(corpus: Any, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work = LoadedWork([corpus.extraction()])
    finish(plan := plan_work(work, out), [run_shards(work, ((0, 1),), plan)])
    original = open_caches.provenance_of
    monkeypatch.setattr(open_caches, "provenance_of", lambda request: original(request) | {"soxr": "9.9"})
    with pytest.raises(CacheError, match="come out differently now"):
        run_extraction(corpus.extraction(encoder=Counting(1.01)), out)
    assert run_extraction(corpus.extraction(encoder=Counting(1.0001)), out).written == 4


def test_a_grown_corpus_extends_the_stored_plan(corpus: Any, out: str, downloaded: Any) -> None:
    half = corpus.manifest.with_clips(corpus.manifest.clips[::2])
    run_extraction(corpus.extraction(manifest=half), out)
    result = run_extraction(corpus.extraction(), out)
    assert (result.written, result.present) == (3, 3)
    assert verify_cache(downloaded(result.address)) == []


def test_two_processes_fill_a_cache_at_a_store(
    corpus: Any,
    out: str,
    contents: Any,
    downloaded: Any,
    tmp_path: Path,
    objects: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", str(temporary := tmp_path / "temporary"))  # of the workers
    temporary.mkdir()
    work = NamedWork(corpus.root, ("logmel",), corpus.manifest, device="cpu")
    done = extract_with("local", work, out, EngineOptions(workers=2))
    alone = run_extraction(corpus.extraction(encoder=load_encoder("logmel", "cpu")), tmp_path / "alone").path
    assert contents(downloaded(done.results[0].address)) == contents(alone)
    assert list(temporary.glob("ravfeat-out-*")) == []
    assert asked(objects, "PUT") == SHARDS


@pytest.mark.parametrize("address", ["hf://datasets/somebody/features", "https://host/folder"])
def test_where_no_shard_can_be_put_it_says_so(corpus: Any, address: str) -> None:
    with pytest.raises(CacheError, match=r"writes to folders and object stores \(s3://…\).*'ravfeat cache publish'"):
        run_extraction(corpus.extraction(), address)


def test_a_bucket_that_is_not_there_is_one_message(corpus: Any, objects: ObjectStore) -> None:
    with pytest.raises(RemoteError, match=r"s3://no-such-bucket/out/synth"):
        run_extraction(corpus.extraction(), "s3://no-such-bucket/out")
