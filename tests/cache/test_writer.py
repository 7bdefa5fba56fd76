"""Making a cache: its folder, its plan."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache import child_check, writer
from ravfeat.cache.format import IDENTITY_FILE, MANIFEST_FILE, MAX_SHARD_BYTES, MAX_SHARD_CLIPS, shard_file
from ravfeat.cache.manifest import read_planned
from ravfeat.cache.writer import CacheFolder, plan_cache, plan_shards, prepare_cache
from ravfeat.errors import CacheError, CorpusError
from ravfeat.manifest import Clip, Manifest

IDENTITY = {"weights": "none", "layers": [0]}
ABOUT = {"corpus": "c", "synthetic": False, "stream": "audio", "encoder": "test"}


def clips(*ids: str, label: str = "sad") -> tuple[Clip, ...]:
    return tuple(Clip(i, f"p-{i}", "c:1", "", label, f"{i}.wav", 1.0) for i in ids)


def prepare(out: Path, *ids: str, **about: Any) -> CacheFolder:
    manifest = Manifest("c", ("calm", "sad"), clips(*ids))
    return prepare_cache(out, manifest, ABOUT | about, IDENTITY, lambda _: 1)


def test_shards_are_filled_up_to_their_limits() -> None:
    many = clips(*(f"{i:04d}" for i in range(300)))
    assert plan_shards(many, lambda _: 1) == [i // MAX_SHARD_CLIPS for i in range(300)]
    assert plan_shards(many[:5], lambda _: MAX_SHARD_BYTES // 2) == [0, 0, 1, 1, 2]
    assert plan_shards(many[:3], lambda _: MAX_SHARD_BYTES + 1, first=7) == [7, 8, 9]
    assert plan_shards([], lambda _: 1) == []


def test_a_new_cache_has_its_plan_and_is_kept_out_of_git_and_backups(tmp_path: Path) -> None:
    folder = prepare(tmp_path / "new" / "cache", "b", "a")
    assert folder.path.parent == tmp_path / "new" / "cache" / "c"
    assert folder.path.name.startswith("audio-test-")
    assert (tmp_path / "new/cache/.gitignore").read_text() == "*\n"
    assert (tmp_path / "new/cache/CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    planned = read_planned(folder.path / "manifest.parquet")
    assert planned == folder.planned
    assert planned.shards == {"a": 0, "b": 0}


def test_a_stored_shard_is_tried_in_a_child_before_it_is_opened(
    cache_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[Path]()
    monkeypatch.setattr(child_check, "headers_in_child", tried.extend)
    folder = CacheFolder(cache_copy, ABOUT, IDENTITY, read_planned(cache_copy / MANIFEST_FILE))
    assert [folder.fetched(2)] == tried == [cache_copy / shard_file(2)]


def test_an_existing_folder_gets_no_ignore_file(tmp_path: Path) -> None:
    prepare(tmp_path, "a")
    assert not (tmp_path / ".gitignore").exists()


def test_another_process_may_make_the_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as it was a moment ago
    assert prepare(tmp_path, "a").path.is_dir()


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    folder = prepare(tmp_path, "a", "b").path
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    again = prepare(tmp_path, "b")  # a part of it is no reason to forget the rest
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    assert len(again.planned.manifest) == 2


def test_a_grown_corpus_gets_new_shards_after_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_SHARD_CLIPS", 2)
    assert prepare(tmp_path, "b", "d", "f").planned.shards == {"b": 0, "d": 0, "f": 1}
    grown = prepare(tmp_path, "a", "c", "e", "f").planned
    assert grown.shards == {"a": 2, "b": 0, "c": 2, "d": 0, "e": 3, "f": 1}
    assert grown.numbers == (0, 1, 2, 3)
    assert [clip.clip_id for clip in grown.clips_of(2)] == ["a", "c"]


@pytest.mark.parametrize("name", ["actor", "label", "performance_id", "gender"])
def test_a_clip_is_never_relabelled_silently(tmp_path: Path, name: str) -> None:
    prepare(tmp_path, "a", "b")
    values = {"actor": "c:2", "label": "calm", "performance_id": "p", "gender": "male"}
    changed = tuple(replace(clip, **{name: values[name]}) if clip.clip_id == "b" else clip for clip in clips("a", "b"))
    with pytest.raises(CorpusError, match=f"clip 'b' has {name} '{values[name]}' now, the cache .* says"):
        prepare_cache(tmp_path, Manifest("c", ("calm", "sad"), changed), ABOUT, IDENTITY, lambda _: 1)


def test_another_copy_of_a_performance_does_not_join_the_one_that_is_there(tmp_path: Path) -> None:
    prepare(tmp_path, "a", "b")
    other = (*clips("a"), replace(clips("b")[0], clip_id="b2"))
    with pytest.raises(CorpusError, match=r"performance 'p-b' is clip 'b2' now, the cache .* holds it as 'b'"):
        prepare_cache(tmp_path, Manifest("c", ("calm", "sad"), other), ABOUT, IDENTITY, lambda _: 1)


def test_another_name_for_the_same_encoder_is_the_same_cache(tmp_path: Path) -> None:
    first = prepare(tmp_path, "a")
    second = prepare(tmp_path, "a", encoder="my-copy")
    assert second.path == first.path
    assert second.about == first.about  # so that all shards agree


def test_a_changed_identity_file_is_refused_with_its_remedy(tmp_path: Path) -> None:
    path = prepare(tmp_path, "a").path / IDENTITY_FILE
    path.write_text(path.read_text().replace("none", "other"))
    with pytest.raises(CacheError, match="does not hold the identity that its folder's name stands for; delete it"):
        prepare(tmp_path, "a")
    path.unlink()
    prepare(tmp_path, "a")
    assert "none" in path.read_text()


def test_tables_left_by_a_killed_run_are_removed(tmp_path: Path) -> None:
    folder = prepare(tmp_path, "a").path
    left = [folder / f".{name}.host-1.tmp" for name in ("manifest.parquet", "index.parquet", "SHA256SUMS")]
    other = folder / ".shard-00000.h5.host-1.tmp"  # somebody may be writing this one
    for path in (*left, other):
        path.write_bytes(b"x")
    again = prepare(tmp_path, "a")
    assert not any(path.exists() for path in left)
    assert other.exists()
    again.remove_leftovers([1])
    assert other.exists()
    again.remove_leftovers([0])
    assert not other.exists()


@pytest.mark.parametrize("at", ["file", "file/below"])
def test_an_out_that_cannot_be_a_folder_is_refused(tmp_path: Path, at: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CacheError, match=r"file.* cannot be written .*choose another --out"):
        prepare(tmp_path / at, "a")


def test_an_out_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "locked"
    out.mkdir(mode=0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may write everywhere
    try:
        with pytest.raises(CacheError, match=r"locked cannot be written \(Permission denied\); check the folder or"):
            prepare(out, "a")
    finally:
        if root:
            os.seteuid(0)


def test_a_plan_is_what_would_be_prepared_and_writes_nothing(tmp_path: Path) -> None:
    def plan(*ids: str) -> CacheFolder:
        return plan_cache(tmp_path / "out", Manifest("c", ("calm", "sad"), clips(*ids)), ABOUT, IDENTITY, lambda _: 1)

    planned = plan("a", "b")
    assert not (tmp_path / "out").exists()
    assert planned == prepare(tmp_path / "out", "a", "b")
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    grown = plan("a", "b", "c")
    assert grown.planned.shards == {"a": 0, "b": 0, "c": 1}
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == files
    assert grown == prepare(tmp_path / "out", "a", "b", "c")
