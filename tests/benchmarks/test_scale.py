"""The benchmark of a million clips, on a few hundred."""

from pathlib import Path

from benchmarks import scale
from ravfeat.cache import find_caches, open_cache, verify_cache


def test_a_generated_cache_is_whole_and_what_is_removed_is_filled_in_again(tmp_path: Path) -> None:
    scale.make(tmp_path, 300, 4)
    (folder,) = find_caches(tmp_path / "cache")
    before = open_cache(folder).content_sha256()
    scale.remove_some(tmp_path)
    assert len(list(folder.glob("shard-*.h5"))) == 2
    assert scale.resume(tmp_path)["shards"] == 1
    assert verify_cache(folder) == []
    assert open_cache(folder).content_sha256() == before
    assert len((tmp_path / "chosen.csv").read_text(encoding="utf-8").splitlines()) == 301
