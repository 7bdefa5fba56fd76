"""Recordings of single clips in the page."""

import base64
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ravfeat.errors import UsageError
from ravfeat.media.sound import read_waveform, resample
from ravfeat.report.clips.audio import RATE_HZ, players_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two recordings, one in a folder, one whose sound is silence, and a text."""
    rng = np.random.default_rng(0)
    (tmp_path / "data/Actor_01").mkdir(parents=True)
    soundfile.write(tmp_path / "data/Actor_01/a.wav", 0.1 * rng.normal(size=(48_000, 2)), 48_000)
    soundfile.write(tmp_path / "data/b.flac", 0.1 * rng.normal(size=16_000), 16_000)
    soundfile.write(tmp_path / "data/silent.wav", np.zeros(1600), 16_000)
    (tmp_path / "data/c.txt").write_text("no recording")
    return tmp_path / "data"


def decoded(uri: str) -> np.ndarray:
    kind, _, text = uri.partition(",")
    assert kind == "data:audio/wav;base64"
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(text)))
    assert rate == RATE_HZ
    return np.asarray(samples)


def test_a_recording_is_found_by_its_name_and_plays_what_it_holds(data: Path) -> None:
    players = players_of(["a", "b", "silent", "c", "gone"], data)
    assert sorted(players) == ["a", "b"]  # nothing to hear of the others
    for name, path in (("a", data / "Actor_01/a.wav"), ("b", data / "b.flac")):
        np.testing.assert_allclose(decoded(players[name]), resample(read_waveform(path), RATE_HZ), atol=2 / 2**15)


def test_a_clip_may_be_named_with_its_folders(data: Path) -> None:
    shutil.copytree(data / "Actor_01", data / "Actor_02")
    assert list(players_of(["Actor_02/a"], data)) == ["Actor_02/a"]


def test_a_long_recording_is_cut(data: Path) -> None:
    soundfile.write(data / "long.wav", 0.1 * np.random.default_rng(0).normal(size=8000 * 31), 8000)
    assert len(decoded(players_of(["long"], data)["long"])) == 30 * RATE_HZ


def test_two_files_of_one_name_are_refused(data: Path) -> None:
    shutil.copy(data / "Actor_01/a.wav", data)
    with pytest.raises(UsageError, match=r"clip a may be .*Actor_01/a\.wav or .*/a\.wav; give a folder"):
        players_of(["a"], data)


def test_a_folder_without_the_clips_is_refused(data: Path) -> None:
    with pytest.raises(UsageError, match=r"none of 2 clips \(03-01, …\) is a file below .*'ravfeat extract' read"):
        players_of(["03-02", "03-01"], data)
    with pytest.raises(UsageError, match=r"--with-audio: .*b\.flac is no folder; give the one that holds"):
        players_of(["b"], data / "b.flac")
