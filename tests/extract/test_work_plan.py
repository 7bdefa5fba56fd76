"""The contract of an extraction: planned once, written by shards in any process, ended once."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache import verify_cache
from ravfeat.cache.format import StoreRecipe, shard_file
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import UsageError
from ravfeat.extract import Extraction, resume, run_extraction
from ravfeat.extract.run import ShardWorker, finish, run_shards
from ravfeat.extract.work_plan import LoadedWork, WorkPlan, plan_work

pytestmark = pytest.mark.usefixtures("small_shards")


class Counting(LogMelEncoder):
    """The real encoder; counts clips."""

    encoded = 0

    def encode(self, batch: Sequence[EncoderInput]) -> list[Any]:
        self.encoded += len(batch)
        return super().encode(batch)


def planned(corpus: Any, out: Path, **changes: Any) -> tuple[LoadedWork, WorkPlan]:
    work = LoadedWork([corpus.extraction(**changes)])
    return work, plan_work(work, out)


def test_shards_written_in_any_order_by_any_number_of_workers_are_those_of_one_run(
    corpus: Any, whole_cache: Path, tmp_path: Path, contents: Any
) -> None:
    work, plan = planned(corpus, tmp_path)
    assert plan.caches[0].absent == plan.caches[0].to_do == (0, 1, 2, 3, 4, 5)
    reports = [run_shards(work, (numbers,), plan) for numbers in ((4, 5), (0,), (1, 2, 3))]
    (result,) = finish(plan, reports)
    assert contents(result.path) == contents(whole_cache)
    assert (result.written, result.present, result.encoded, result.failed) == (6, 0, 22, {})


def test_a_call_may_be_repeated_and_writes_nothing_twice(corpus: Any, tmp_path: Path) -> None:
    work, plan = planned(corpus, tmp_path, encoder=(encoder := Counting()))
    worker = ShardWorker(work, plan)
    assert sorted(worker.run(((1, 2),)).caches[0].written) == [1, 2]
    assert worker.run(((1, 2),)).caches[0].written == {}
    assert sorted(worker.run(((2, 3),)).caches[0].written) == [3]
    assert encoder.encoded == 12


def test_only_headers_that_the_plan_needs_are_read_and_none_by_the_worker(
    corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_extraction(corpus.extraction(), tmp_path).path
    for number in (2, 3):
        (folder / shard_file(number)).unlink()
    work, plan = planned(corpus, tmp_path)

    def no_header(path: Path) -> Any:
        raise AssertionError(path)

    monkeypatch.setattr(resume, "read_header", no_header)
    index = (folder / "index.parquet").read_bytes()
    report = run_shards(work, ((2, 3),), plan)
    assert sorted(report.caches[0].written) == [2, 3]
    assert (folder / "index.parquet").read_bytes() == index


def test_the_plan_is_small_and_survives_a_process_without_the_manifest(corpus: Any, tmp_path: Path) -> None:
    work, plan = planned(corpus, tmp_path)
    sent = pickle.dumps(plan.to_send())
    assert len(sent) < 3000
    assert len(sent) < len(pickle.dumps(plan))
    report = run_shards(work, ((0,),), pickle.loads(sent))
    (result,) = finish(plan, [pickle.loads(pickle.dumps(report))])
    assert result.written == 1


def test_moved_and_lacking_clips_are_named_by_the_plan(clips: Path, tmp_path: Path) -> None:
    whole = scan_ravdess(clips)
    run_extraction(Extraction(whole, clips, LogMelEncoder()), tmp_path / "out")
    first, second = whole.clips[:2]
    (clips / "elsewhere").mkdir()
    (clips / first.path).rename(clips / "elsewhere" / Path(first.path).name)
    now = scan_ravdess(clips)
    work = LoadedWork(
        [Extraction(now.with_clips(c for c in now if c.clip_id != second.clip_id), clips, LogMelEncoder())]
    )
    (plan,) = plan_work(work, tmp_path / "out").caches
    assert plan.moved == {first.clip_id: f"elsewhere/{Path(first.path).name}"}
    assert plan.lacking == {second.clip_id}
    available = plan.available(plan.folder().planned.manifest).by_id()
    assert available[first.clip_id] == replace(first, path=f"elsewhere/{Path(first.path).name}")
    assert second.clip_id not in available


def test_failed_clips_are_tried_again_by_whoever_gets_their_shard(clips: Path, tmp_path: Path) -> None:
    bad = clips / scan_ravdess(clips).clips[5].path
    good = bad.read_bytes()
    bad.write_bytes(b"")
    work = LoadedWork([Extraction(scan_ravdess(clips), clips, LogMelEncoder())])
    folder = run_extraction(work.requests[0], tmp_path / "out").path
    plan = plan_work(work, tmp_path / "out")
    assert (plan.caches[0].absent, plan.caches[0].to_do) == ((), (1,))
    assert list(plan.caches[0].failed[1]) == [bad.stem]
    (result,) = finish(plan, [run_shards(work, ((0, 1),), plan)])
    assert (result.written, list(result.failed)) == (0, [bad.stem])
    bad.write_bytes(good)
    (result,) = finish(plan, [run_shards(work, ((0, 1),), plan)])
    assert (result.written, result.present, result.failed) == (1, 5, {})
    assert verify_cache(folder) == []


def test_a_shard_that_no_report_tells_of_is_read_and_indexed(
    corpus: Any, tmp_path: Path, whole_cache: Path, contents: Any
) -> None:
    work, plan = planned(corpus, tmp_path)
    run_shards(work, ((0, 1, 2),), plan)  # by a process that died before it could say so
    (result,) = finish(plan, [run_shards(work, ((3, 4, 5),), plan)])
    assert contents(result.path) == contents(whole_cache)
    assert (result.written, result.present) == (3, 3)


def test_shards_that_another_process_wrote_meanwhile_are_left_alone_and_their_failures_told(
    clips: Path, tmp_path: Path
) -> None:
    (clips / scan_ravdess(clips).clips[0].path).write_bytes(b"")
    work = LoadedWork([Extraction(scan_ravdess(clips), clips, Counting())])
    plan = plan_work(work, tmp_path / "out")
    run_extraction(Extraction(scan_ravdess(clips), clips, LogMelEncoder()), tmp_path / "out")
    report = run_shards(work, ((0, 1),), plan)
    assert report.caches[0].written == {}
    assert {number: list(failed) for number, failed in report.caches[0].failed.items()} == {
        0: [scan_ravdess(clips).clips[0].clip_id],
        1: [],
    }
    assert work.requests[0].encoder.encoded == 0


def test_the_same_encoder_twice_is_refused(corpus: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'logmel' and 'logmel' are the same; name every --encoder once"):
        plan_work(LoadedWork([corpus.extraction(), corpus.extraction()]), tmp_path)


def test_each_cache_of_a_pass_has_its_own_numbers(corpus: Any, tmp_path: Path) -> None:
    work = LoadedWork([corpus.extraction(), corpus.extraction(recipe=StoreRecipe(store="pooled"))])
    plan = plan_work(work, tmp_path)
    report = run_shards(work, ((0,), (3, 4)), plan)
    assert [sorted(cache.written) for cache in report.caches] == [[0], [3, 4]]
