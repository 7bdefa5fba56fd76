"""The table of RAVDESS's recordings, against the real ones."""

from configparser import ConfigParser
from importlib import resources
from pathlib import Path

import pytest

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.corpora.ravdess_recordings import DIGITS, PICTURE_S, by_digest, ravdess_recordings
from ravfeat.media.sound import read_waveform


def row_of(path: Path) -> str:
    """What the table says of a recording: performance, length in pictures, digest."""
    waveform = read_waveform(path)
    pictures = round(len(waveform.samples) / waveform.sample_rate_hz / PICTURE_S)
    return f"{path.stem[3:]}\t{pictures}\t{waveform.sha256[:DIGITS]}"


def test_every_performance_has_a_length_and_a_digest() -> None:
    recordings = ravdess_recordings()
    assert len(recordings) == 1440
    assert all(parse_stem(f"03-{name}") for name in recordings)
    assert all(85 < recording.pictures < 160 and len(recording.digest) == DIGITS for recording in recordings.values())


def test_two_takes_are_one_recording_as_published() -> None:
    twice = [recordings for recordings in by_digest().values() if len(recordings) > 1]
    names = [[recording.performance_id for recording in recordings] for recordings in twice]
    assert names == [["01-03-01-02-01-07", "01-03-01-02-02-07"]]


def test_the_table_goes_into_the_wheel() -> None:
    setup = ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    assert setup["options.package_data"]["ravfeat.corpora"] == "*.tsv"


def stored() -> list[str]:
    text = resources.files("ravfeat.corpora").joinpath("ravdess_recordings.tsv").read_text(encoding="ascii")
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.shared
def test_real_recordings_have_the_rows_of_the_table(shared: Path) -> None:
    paths = sorted((shared / "data" / "ravdess").rglob("*.flac"))[::120]
    assert set(map(row_of, paths)) <= set(stored())


@pytest.mark.slow
@pytest.mark.shared
def test_the_table_is_that_of_all_recordings(shared: Path) -> None:
    assert sorted(map(row_of, (shared / "data" / "ravdess").rglob("*.flac"))) == stored()
