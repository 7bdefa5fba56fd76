"""Which shards are verified: a share, a number, or those written lately."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ravfeat.cache import verify_cache
from ravfeat.cache.format import shard_file
from ravfeat.cache.sampling import ALL, ShardChoice, parse_sample, parse_since
from ravfeat.errors import UsageError

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)


@pytest.fixture
def shards(tmp_path: Path) -> dict[int, Path]:
    paths = {number: tmp_path / shard_file(number) for number in range(100)}
    for number, path in paths.items():
        path.touch()
        os.utime(path, times=(0, (NOW - timedelta(days=number)).timestamp()))
    return paths


def test_a_sample_is_drawn_by_its_seed_and_has_at_least_one_shard(shards: dict[int, Path]) -> None:
    draws = [ShardChoice(share=0.1, seed=seed).choose(shards) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert [len(draw) for draw in draws] == [10, 10, 10]
    assert list(draws[0]) == sorted(draws[0])
    assert len(ShardChoice(share=0.0001).choose(shards)) == 1
    assert len(ShardChoice(count=1000).choose(shards)) == 100
    assert ALL.choose(shards) == shards
    assert ShardChoice(share=0.5).choose({}) == {}


def test_only_shards_written_since_then_are_chosen(shards: dict[int, Path]) -> None:
    since = ShardChoice(since=parse_since("7d", NOW))
    assert list(since.choose(shards)) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert len(ShardChoice(count=3, since=since.since).choose(shards)) == 3
    assert ShardChoice(since=NOW + timedelta(hours=1)).choose(shards) == {}


@pytest.mark.parametrize(("text", "sample"), [("1%", (0.01, None)), ("0.5 %", (0.005, None)), ("20", (None, 20))])
def test_samples_are_shares_or_numbers(text: str, sample: tuple[float | None, int | None]) -> None:
    assert parse_sample(text) == sample


@pytest.mark.parametrize("text", ["", "0", "0%", "-1", "1.5", "x%", "101%"])
def test_what_is_no_sample_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--sample '.*': expected "):
        parse_sample(text)


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("12h", datetime(2026, 3, 8, tzinfo=UTC)),
        ("4w", datetime(2026, 2, 8, 12, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:00+01:00", datetime(2026, 3, 1, 11, tzinfo=UTC)),
    ],
)
def test_times_are_dates_or_how_long_ago(text: str, since: datetime) -> None:
    assert parse_since(text, NOW) == since


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--since 'lately': expected a date"):
        parse_since("lately", NOW)


@pytest.mark.parametrize("choice", [{"share": 1.5}, {"count": 0}, {"share": 0.5, "count": 2}])
def test_a_choice_of_nothing_is_refused(choice: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="expected one of both"):
        ShardChoice(**choice)  # type: ignore[arg-type]


def test_a_sample_reads_its_shards_and_the_sizes_of_the_others(cache_copy: Path) -> None:
    choice, seen = ShardChoice(count=2, seed=3), []
    assert verify_cache(cache_copy, choice=choice, progress=lambda path: seen.append(path.name)) == []
    assert len(seen) == 2
    read, other = cache_copy / seen[0], next(path for path in sorted(cache_copy.glob("*.h5")) if path.name not in seen)
    for path in (read, other):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    assert {problem.where for problem in verify_cache(cache_copy, choice=choice)} == {read.name}
    with other.open("ab") as file:
        file.write(b"x")
    assert {problem.where for problem in verify_cache(cache_copy, choice=choice)} == {read.name, other.name}


def test_a_shard_that_the_index_lacks_is_read_whatever_the_sample(cache_copy: Path) -> None:
    (cache_copy / "index.parquet").unlink()
    problems = verify_cache(cache_copy, choice=ShardChoice(count=1))
    assert [problem.where for problem in problems] == ["index.parquet"]
