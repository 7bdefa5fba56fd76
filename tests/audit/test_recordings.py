"""Recordings of RAVDESS under other names: by digest, and by length where digests are unknown."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ravfeat.audit.recordings import check_inputs, check_records
from ravfeat.audit.verdicts import Line
from ravfeat.cache import open_cache
from ravfeat.cache.format import ClipRecord, StoreRecipe
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.ravdess_recordings import PICTURE_S, ravdess_recordings
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.extract import Extraction, run_extraction

LENGTHS = {name: recording.pictures * PICTURE_S for name, recording in ravdess_recordings().items()}
TAKES = [name for name in LENGTHS if name[:-2].endswith("02-01-01-")]
"""One sentence of every actor and emotion but neutral, said strongly."""


def record(
    name: str, *, digest_of: str = "", seconds: float = 0.0, rate_hz: float = 48_000.0, **facts: str
) -> ClipRecord:
    digest = ravdess_recordings()[digest_of].digest if digest_of else name.replace("-", "")
    known = {"clip_id": f"03-{name}", "performance_id": name, "actor": f"ravdess:{name[-2:]}"} | facts
    n_samples = round((seconds or LENGTHS[digest_of or name]) * rate_hz)
    return ClipRecord(
        **known, gender="", label="sad", n_samples=n_samples, rate_hz=rate_hz, input_sha256=digest.ljust(64, "0"),
        features_sha256="", frame_start=0, n_frames=1,
    )  # fmt: skip


def only(lines: list[Line]) -> Line:
    (line,) = lines
    return line


def swapped(names: list[str]) -> dict[str, str]:
    """Who bears whose name: everybody in a take the next actor's."""
    return {name: f"{name[:-2]}{int(name[-2:]) % 24 + 1:02d}" for name in names}


def test_the_copies_of_the_table_are_known_by_digest() -> None:
    line = only(check_records([record(name, digest_of=name) for name in TAKES], "audio", ""))
    assert (line.verdict, line.evidence["known_digest"]) == ("pass", len(TAKES))
    assert line.finding.startswith(f"{len(TAKES)} of {len(TAKES)} clips have the digest")


@pytest.mark.parametrize("rate_hz", [8_000.0, 22_050.0, 44_100.0, 48_000.0])
def test_another_copy_is_known_by_its_lengths(rate_hz: float) -> None:
    line = only(check_records([record(name, rate_hz=rate_hz) for name in TAKES], "audio", ""))
    assert line.verdict == "pass"
    assert line.finding.endswith("none is a copy known by digest")


def test_the_sound_of_a_video_may_be_padded_and_pictures_may_be_one_less() -> None:
    sounds = [record(name, seconds=LENGTHS[name] + 0.06, clip_id=f"01-{name}") for name in TAKES]
    faces = [record(name, seconds=LENGTHS[name] - PICTURE_S, rate_hz=1 / PICTURE_S) for name in TAKES]
    assert only(check_records(sounds, "audio", "")).verdict == "pass"
    assert only(check_records(faces, "face", "")).verdict == "pass"


def test_another_actors_recording_is_a_leak_with_both_names() -> None:
    records = [record(name, digest_of=other) for name, other in swapped(TAKES).items()]
    line = only(check_records(records, "audio", "cache"))
    assert (line.verdict, line.subject) == ("leak", "cache")
    assert f"03-{TAKES[0]} is the recording {swapped(TAKES)[TAKES[0]]}" in line.finding
    assert line.evidence["other_actor"] == len(TAKES)


def test_another_take_of_the_same_actor_is_edited() -> None:
    sad, happy = "01-04-02-01-01-09", "01-03-02-01-01-09"
    line = only(check_records([record(sad, digest_of=happy), record(happy, digest_of=happy)], "audio", ""))
    assert (line.verdict, line.evidence["misnamed"]) == ("edited", 1)


def test_the_two_takes_that_are_one_recording_may_bear_each_others_names() -> None:
    one, other = "01-03-01-02-01-07", "01-03-01-02-02-07"
    records = [record(one, digest_of=other), record(other, digest_of=one)]
    assert only(check_records(records, "audio", "")).verdict == "pass"


def test_a_corpus_of_other_names_has_everybody_once() -> None:
    def clips(actor_of: Callable[[str], str]) -> list[ClipRecord]:
        return [
            record(name, digest_of=name, clip_id=f"clip{number}", actor=actor_of(name))
            for number, name in enumerate(TAKES)
        ]

    assert check_records(clips(lambda name: f"mine:{name[-2:]}"), "audio", "") == []
    groups = clips(lambda name: f"mine:{int(name[-2:]) % 6}")  # coarser: no person is on two sides
    assert check_records(groups, "audio", "") == []
    line = only(check_records(clips(lambda name: f"mine:{name[-2:]}{'ab'[name[3:5] < '05']}"), "audio", ""))
    assert line.verdict == "leak"
    assert "24 people have more than one name here: RAVDESS's actor 01 is mine:01a and mine:01b" in line.finding


def test_labels_that_part_recordings_of_one_emotion_are_told_and_merged_classes_are_not() -> None:
    names = [f"01-{emotion}-01-{statement}-01-{n:02d}" for emotion in ("03", "04") for statement in ("01", "02")
             for n in range(1, 25)]  # fmt: skip
    records = [record(name, digest_of=name, clip_id=f"c{n}", actor=f"mine:{name[-2:]}") for n, name in enumerate(names)]
    assert check_records(records, "audio", "") == []  # "sad" all
    line = only(check_records([replace(records[0], label="happy"), *records[1:]], "audio", ""))
    assert (line.verdict, line.evidence["labelled_otherwise"]) == ("warn", 1)
    assert "1 of 96 recordings of RAVDESS have another label" in line.finding
    assert "c0 happy, not sad" in line.finding


def test_lengths_tell_a_swap_where_digests_are_unknown() -> None:
    records = [record(name, seconds=LENGTHS[other]) for name, other in swapped(TAKES).items()]
    line = only(check_records(records, "audio", ""))
    assert line.verdict == "warn"
    assert line.evidence["other_length"] > 0.8 * len(TAKES)
    assert "as if clips bore each other's names" in line.finding
    half = [record(name) for name in TAKES[: len(TAKES) // 2]] + records[len(TAKES) // 2 :]
    assert only(check_records(half, "audio", "")).verdict == "warn"


def test_some_cut_clips_are_said_and_where_all_are_nothing_can_be_told() -> None:
    rng = np.random.default_rng(0)
    cut = [record(name, seconds=LENGTHS[name] - rng.uniform(0.3, 1.2)) for name in TAKES]
    some = only(check_records([*cut[:5], *(record(name) for name in TAKES[5:])], "audio", ""))
    assert (some.verdict, some.evidence["other_length"]) == ("warn", 5)
    assert re.search(
        rf"5 of {len(TAKES)} clips are not as long .* s instead of .* cut, or other recordings", some.finding
    )
    assert only(check_records(cut, "audio", "")).verdict == "not possible"


def test_odd_rates_and_parts_of_files_are_no_reason_to_fail() -> None:
    odd = [replace(record(TAKES[0]), rate_hz=rate) for rate in (0.0, float("nan"), float("inf"), 1e-300, -1.0)]
    assert only(check_records(odd, "audio", "")).verdict == "not possible"
    part: Mapping[str, float] = {"start_s": 1.0, "end_s": float("nan")}
    assert check_records([replace(record(TAKES[0]), further=part)], "audio", "") == []
    assert check_records([], "audio", "") == []


def extracted(folder: Path, names: Mapping[str, Path]) -> Path:
    data = folder / "data"
    data.mkdir(parents=True)
    for name, path in names.items():
        shutil.copy(path, data / f"03-{name}{path.suffix}")
    return run_extraction(Extraction(scan_ravdess(data), data, LogMelEncoder(), StoreRecipe()), folder / "cache").path


def test_files_of_the_published_lengths_pass_and_swapped_ones_do_not(tmp_path: Path) -> None:
    names = TAKES[:6]
    for name in names:
        noise = 0.1 * np.random.default_rng(int(name[-2:])).standard_normal(round(LENGTHS[name] * 48_000))
        soundfile.write(tmp_path / f"{name}.wav", noise, 48_000)
    honest = extracted(tmp_path / "honest", {name: tmp_path / f"{name}.wav" for name in names})
    renamed = {name: tmp_path / f"{other}.wav" for name, other in zip(names, names[1:] + names[:1], strict=True)}
    assert only(check_inputs(open_cache(honest))).verdict == "pass"
    assert only(check_inputs(open_cache(extracted(tmp_path / "renamed", renamed)))).verdict == "warn"


@pytest.mark.shared
def test_real_recordings_are_known_and_a_swap_of_two_is_a_leak(tmp_path: Path, shared: Path) -> None:
    one, other = "01-05-02-01-01-09", "01-05-02-01-01-12"
    real = {name: shared / "data" / "ravdess" / f"Actor_{name[-2:]}" / f"03-{name}.flac" for name in (one, other)}
    line = only(check_inputs(open_cache(extracted(tmp_path / "honest", real))))
    assert (line.verdict, line.evidence["known_digest"]) == ("pass", 2)
    line = only(check_inputs(open_cache(extracted(tmp_path / "swapped", {one: real[other], other: real[one]}))))
    assert line.verdict == "leak"
    assert f"03-{one} is the recording {other}; 03-{other} is the recording {one}" in line.finding
