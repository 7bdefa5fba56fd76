from threading import Lock

import pytest

from ravfeat.heads.parallel import map_jobs


def test_jobs_without_memory_beside_others_are_done_one_by_one() -> None:
    lock, tried = Lock(), []

    def work(job: int) -> int:
        with lock:
            tried.append(job)
            if job % 2 and len(tried) <= 6:
                raise MemoryError("Unable to allocate 2 GiB")
        return job * 10

    assert map_jobs(work, range(6), "solving") == [0, 10, 20, 30, 40, 50]
    assert tried[6:] == [1, 3, 5]


def test_a_job_that_does_not_fit_alone_is_an_error() -> None:
    def work(job: int) -> int:
        raise MemoryError("Unable to allocate 2 GiB")

    with pytest.raises(MemoryError, match="2 GiB"):
        map_jobs(work, range(2), "solving")
