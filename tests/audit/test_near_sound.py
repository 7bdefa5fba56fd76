"""Changed copies are found by their sound where the recordings are; other recordings than the cache's are told."""

import shutil
from pathlib import Path

import pytest

from ravfeat.audit import audit_run
from ravfeat.audit.context import open_run
from ravfeat.audit.near_sound import CHECK, DIGESTS, check_near_sound, find_all_recordings
from ravfeat.audit.verdicts import Line
from ravfeat.errors import UsageError
from tests.cheats.material import Honest, command, extract, make_honest
from tests.cheats.recordings import noisy_row
from tests.scorefiles.made import write_rows

FOLDS = ("--protocol", "group4")


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    """Recordings of eight people, their cache and a run. Read only."""
    return make_honest(tmp_path_factory.mktemp("heard") / "voices", actors=8)


@pytest.fixture(scope="module")
def run(voices: Honest) -> Path:
    return voices.fit(voices.folder / "run4", voices.cache, *FOLDS)


def lines_of(run: Path, *data: Path) -> dict[str, Line]:
    return {line.check: line for line in check_near_sound(find_all_recordings(open_run(run), data))}


def test_honest_recordings_pass_and_are_those_of_the_cache(run, voices) -> None:
    lines = lines_of(run, voices.table)
    assert {name: line.verdict for name, line in lines.items()} == {DIGESTS: "pass", CHECK: "pass"}
    assert lines[DIGESTS].finding == "240 recordings have the digests that the cache keeps"
    assert lines[CHECK].finding.startswith(
        "240 clips by their sound: no two on two sides of a fold are as alike as copies"
    )


def test_noisy_copies_in_the_name_of_another_are_named(voices, tmp_path) -> None:
    folder = Path(shutil.copytree(voices.folder, tmp_path / "mine", ignore=shutil.ignore_patterns("cache", "run*")))
    some = [row for row in voices.rows if row["actor"] == "p02"][:2]
    genders = {row["actor"]: row["gender"] for row in voices.rows}
    added = [
        noisy_row(voices, folder, row, snr_db) | {"actor": actor, "gender": genders[actor]}
        for row, actor, snr_db in zip(some, ("p03", "p02"), (10, 20), strict=True)  # they are tested apart
    ]
    cache = extract(write_rows(folder / "mine.csv", [*voices.rows, *added]), tmp_path / "cache")
    line = lines_of(voices.fit(tmp_path / "run", cache, *FOLDS), folder)[CHECK]
    assert line.verdict == "warn"
    assert [pair["clips"] for pair in line.evidence["pairs"]] == [[some[0]["clip_id"], added[0]["clip_id"]]]
    named = f"1 pair on two sides of a fold is as alike as copies (a correlation from 0.85): {some[0]['clip_id']} and"
    assert named in line.finding


def test_other_recordings_and_broken_ones_are_told(run, voices, tmp_path) -> None:
    moved = Path(shutil.copytree(voices.folder, tmp_path / "moved"))
    first, second, third = (row["path"] for row in voices.rows[:3])
    shutil.copy(moved / second, moved / first)
    (moved / third).write_bytes(b"no sound")
    lines = lines_of(run, moved)
    assert lines[DIGESTS].verdict == "warn"
    assert f"1 of 239 recordings are other ones than the cache was made of: {moved / first};" in lines[DIGESTS].finding
    assert lines[CHECK].finding.startswith("239 of 240 clips by their sound (1 could not be compared, ")
    for path in sorted(moved.glob("*.wav"))[:130]:
        path.write_bytes(b"no sound")
    (line,) = check_near_sound(find_all_recordings(open_run(run), [moved]))
    assert line.verdict == "not possible"
    assert "130 of 240 recordings cannot be compared" in line.finding


def test_a_wrong_folder_is_refused_before_anything_is_written(run, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"such as .*\.wav, are not under .*--data"):
        audit_run(run, data=[tmp_path], quick=True)


def test_systems_of_the_same_performances_are_listened_to_once(voices, tmp_path) -> None:
    pooled = tmp_path / "cache"
    command("extract", "--corpus", "folder", "--data", voices.table, "--encoder", "logmel", "--device", "cpu",
            "--store", "pooled", "--out", pooled)  # fmt: skip
    run = voices.fit(tmp_path / "run", voices.cache, *FOLDS, "--cache", pooled)
    context = open_run(run)
    assert context.prepared is not None
    assert len(context.prepared.systems) == 2
    assert len(find_all_recordings(context, [voices.table])) == 1


def test_of_imported_features_nobody_knows_the_recordings(voices, tmp_path) -> None:
    run = voices.fit_imported(tmp_path / "imported", voices.pooled, *FOLDS)
    (line,) = check_near_sound(find_all_recordings(open_run(run), [voices.table]))
    assert (line.check, line.verdict) == (CHECK, "not possible")


def test_two_corpora_are_found_in_two_folders(voices, tmp_path) -> None:
    other = make_honest(tmp_path / "strangers", actors=4, seed=1, name="strangers")
    corpora = ("--train-cache", voices.cache, "--test-cache", other.cache, "--normalise", "none")
    run = other.fit(tmp_path / "run", voices.cache, *corpora)
    lines = lines_of(run, voices.table, other.table)
    assert lines[DIGESTS].finding == "360 recordings have the digests that the cache keeps"
    assert lines[CHECK].verdict == "pass"
