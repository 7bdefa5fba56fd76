"""Open files of a cache: shared by threads, bounded in number, reopened after a fork or `close`."""

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.reader import Cache


@pytest.fixture
def cache(whole_cache: Path) -> Cache:
    return open_cache(whole_cache)


def reopened(cache: Cache, inherited: h5py.File, queue: Any) -> None:
    cache.read(cache.clip_ids[:1])
    queue.put(cache._files._files[0] is not inherited)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_opens_its_own_files(cache: Cache) -> None:
    cache.read(cache.clip_ids[:1])
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=reopened, args=(cache, cache._files._files[0], queue))
    worker.start()
    assert queue.get(timeout=60)
    worker.join()


def test_threads_share_a_cache_with_more_shards_than_open_files(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ravfeat.cache.file_pool._MAX_OPEN", 2)
    expected = dict(cache.iter())
    wrong: list[str] = []

    def read(seed: int) -> None:
        for clip_id in np.random.default_rng(seed).permutation(cache.clip_ids).tolist() * 3:
            if not np.array_equal(cache[clip_id], expected[clip_id]):
                wrong.append(clip_id)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache._files) == 2


def test_a_closed_cache_opens_its_files_again(cache: Cache) -> None:
    before = cache[cache.clip_ids[0]]
    cache.close()
    assert not cache._files
    np.testing.assert_array_equal(cache[cache.clip_ids[0]], before)
