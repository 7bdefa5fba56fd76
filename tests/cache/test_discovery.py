"""Finding caches."""

import shutil
from pathlib import Path

import pytest

from ravfeat.cache import find_caches, open_cache, require_caches, resolve_cache
from ravfeat.cache.format import IDENTITY_FILE
from ravfeat.errors import CacheError


def test_a_folder_with_exactly_one_cache_stands_for_it(cache_copy: Path, tmp_path: Path) -> None:
    assert resolve_cache(tmp_path) == resolve_cache(cache_copy) == cache_copy
    assert open_cache(str(tmp_path)).path == cache_copy


def test_two_caches_are_listed(cache_copy: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(cache_copy, tmp_path / "other"))
    assert find_caches(tmp_path) == sorted([cache_copy, other])
    with pytest.raises(CacheError, match="holds 2 caches; name one of them") as caught:
        resolve_cache(tmp_path)
    assert str(cache_copy) in str(caught.value)
    assert str(other) in str(caught.value)


def test_a_cache_that_lost_its_identity_file_is_found(cache_copy: Path, tmp_path: Path) -> None:
    (cache_copy / IDENTITY_FILE).unlink()
    assert find_caches(tmp_path) == [cache_copy]


def test_no_cache_says_what_is_there_and_what_to_give(cache_copy: Path, tmp_path: Path) -> None:
    empty, run, other = (tmp_path / name for name in ("empty", "run", "other"))
    for folder, name in ((empty, ".hidden"), (run, "recipe.json"), (other, "notes.txt")):
        folder.mkdir()
        (folder / name).touch()
    cases = {
        empty: r"no cache at or below .*empty: it is empty; expected the folder of a cache, .*'ravfeat extract' makes",
        run: r"no cache at or below .*run: it is the folder of a run; give the cache that the run was trained on",
        other: r"no cache at or below .*other: it holds notes\.txt; expected the folder of a cache",
        other / "notes.txt": r"notes\.txt: it is a file; expected the folder of a cache",
        cache_copy / IDENTITY_FILE: rf"it is a file; give the folder {cache_copy}$",
        tmp_path / "nowhere": rf"nowhere does not exist; {tmp_path} holds {cache_copy}$",
        tmp_path / "no" / "where": "where does not exist; expected the folder of a cache",
    }
    for path, message in cases.items():
        for find in (resolve_cache, require_caches, open_cache):
            with pytest.raises(CacheError, match=message):
                find(path)
