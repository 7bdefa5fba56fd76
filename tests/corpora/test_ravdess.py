"""RAVDESS names and folders."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ravfeat.corpora import load_corpus
from ravfeat.corpora.ravdess import parse_stem, scan_performances, scan_ravdess
from ravfeat.errors import CorpusError, UsageError


def put(folder: Path, *names: str, seconds: float = 0.1) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(name)).uniform(-0.5, 0.5, round(16_000 * seconds))
        if path.suffix in {".wav", ".flac"}:
            soundfile.write(path, noise, 16_000)
        else:
            path.write_bytes(b"not media")


def test_a_name_says_who_acts_what() -> None:
    clip = parse_stem("03-01-06-02-02-01-12", path="x/y.wav")
    assert clip is not None
    assert (clip.clip_id, clip.performance_id) == ("03-01-06-02-02-01-12", "01-06-02-02-01-12")
    assert (clip.actor, clip.gender, clip.label, clip.path) == ("ravdess:12", "female", "fearful", "x/y.wav")
    other = parse_stem("01-01-06-02-02-01-11")
    assert other is not None
    assert other.gender == "male"


@pytest.mark.parametrize(
    "stem",
    [
        "03-02-06-01-02-01-12",  # song
        "04-01-06-01-02-01-12",
        "03-01-09-01-02-01-12",
        "03-01-00-01-02-01-12",
        "03-01-06-03-02-01-12",
        "03-01-01-02-02-01-12",  # neutral is never strong
        "03-01-06-01-03-01-12",
        "03-01-06-01-02-03-12",
        "03-01-06-01-02-01-25",
        "03-01-06-01-02-01-00",
        "03-01-06-01-02-01",
        "x03-01-06-01-02-01-12",
        "",
    ],
)
def test_other_names_are_no_speech_clips(stem: str) -> None:
    assert parse_stem(stem) is None


def test_one_file_per_performance_is_taken_the_voice_before_the_video(tmp_path: Path) -> None:
    put(
        tmp_path,
        "Actor_01/03-01-06-01-02-01-01.wav",
        "video/Actor_01/01-01-06-01-02-01-01.mp4",
        "video/Actor_01/02-01-06-01-02-01-01.mp4",
        "video/Actor_02/01-01-05-01-02-01-02.mp4",  # only as video: its voice is taken
        "video/Actor_02/02-01-04-01-02-01-02.mp4",  # only the silent picture
    )
    audio = scan_ravdess(tmp_path)
    assert [clip.clip_id for clip in audio] == ["01-01-05-01-02-01-02", "03-01-06-01-02-01-01"]
    assert audio.skipped == {"unused copies": 2, "performances without a copy for the audio stream": 1}
    face = scan_ravdess(tmp_path, "face")
    assert [clip.clip_id[:2] for clip in face] == ["01", "02", "02"]
    assert face.skipped == {"unused copies": 2}


def test_what_is_not_taken_is_counted(tmp_path: Path) -> None:
    put(
        tmp_path,
        "03-01-06-01-02-01-01.wav",
        "03-02-06-01-02-01-01.wav",
        "deep/er/03-02-05-01-02-01-01.flac",
        "interview.wav",
        "03-01-06-01-02-01-99.wav",
        "._03-01-06-01-02-01-01.wav",
        "README.txt",
    )
    manifest = scan_ravdess(tmp_path)
    assert len(manifest) == 1
    assert manifest.skipped == {"song files": 2, "unknown names": 2}
    assert manifest.clips[0].duration_s == pytest.approx(0.1)


def test_the_same_file_twice_is_one_clip_and_counted(tmp_path: Path) -> None:
    put(tmp_path, "Actor_01/03-01-06-01-02-01-01.wav")
    shutil.copytree(tmp_path / "Actor_01", tmp_path / "audio_speech/Actor_01")
    manifest = scan_ravdess(tmp_path)
    assert [clip.path for clip in manifest] == ["Actor_01/03-01-06-01-02-01-01.wav"]
    assert manifest.skipped == {"files that are there twice": 1}


def test_two_different_files_for_one_clip_are_refused_with_both_paths(tmp_path: Path) -> None:
    put(tmp_path, "a/03-01-06-01-02-01-01.wav", "b/03-01-06-01-02-01-01.flac")
    with pytest.raises(CorpusError, match=r"two clips with one id: '03-01-06-01-02-01-01' is a/03.*wav and b/03.*flac"):
        scan_ravdess(tmp_path)


def test_links_to_folders_are_followed_and_rings_end(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "03-01-06-01-02-01-01.wav")
    root = tmp_path / "root"
    root.mkdir()
    (root / "Actor_01").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "ring").symlink_to(tmp_path / "elsewhere")
    manifest = scan_ravdess(root)
    assert [clip.path for clip in manifest] == ["Actor_01/03-01-06-01-02-01-01.wav"]
    assert manifest.skipped == {}


def test_a_folder_without_clips_says_what_was_expected_and_seen(tmp_path: Path) -> None:
    put(tmp_path, "talk.wav", "02-01-06-01-02-01-01.mp4")
    with pytest.raises(CorpusError, match=r"no RAVDESS speech clip for the audio stream.*03- or 01-; saw 2 other"):
        scan_ravdess(tmp_path)
    with pytest.raises(CorpusError, match=r"nowhere is not a folder"):
        scan_ravdess(tmp_path / "nowhere")


def test_a_performance_is_found_in_any_of_its_copies(tmp_path: Path) -> None:
    put(tmp_path, "a/03-01-06-01-02-01-01.wav", "a/01-01-06-01-02-01-01.mp4", "02-01-06-01-02-01-02.mp4", "talk.mp4")
    put(tmp_path, "03-02-06-01-02-01-01.wav")
    corpus = scan_performances(tmp_path)
    assert [clip.clip_id for clip in corpus] == ["02-01-06-01-02-01-02", "03-01-06-01-02-01-01"]
    assert [clip.actor for clip in corpus] == ["ravdess:02", "ravdess:01"]
    assert corpus.skipped == {"song files": 1, "unknown names": 1}


def test_a_folder_without_performances_says_what_was_expected_and_seen(tmp_path: Path) -> None:
    put(tmp_path, "talk.wav")
    with pytest.raises(CorpusError, match=r"no RAVDESS speech clip below .*; saw 1 other media files"):
        scan_performances(tmp_path)
    with pytest.raises(CorpusError, match="nowhere is not a folder"):
        scan_performances(tmp_path / "nowhere")


def test_a_generated_corpus_does_not_pass_for_the_real_one(generated: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds a generated corpus.*--corpus synth"):
        load_corpus("ravdess", generated)


def test_wrong_calls_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no corpus 'crema'; choose from ravdess, crema-d, .*, folder, synth, or name"
    ):
        load_corpus("crema")
    with pytest.raises(UsageError, match="--name goes with --corpus folder"):
        load_corpus("ravdess", tmp_path, name="x")
    with pytest.raises(UsageError, match="needs --data TABLE"):
        load_corpus("folder")


@pytest.mark.shared
def test_the_real_corpus_is_1440_clips_of_24_actors(shared: Path) -> None:
    manifest = scan_ravdess(shared / "data/ravdess")
    assert len(manifest) == 1440
    assert len(manifest.actors) == 24
    assert manifest.skipped == {}
    labels = Counter(clip.label for clip in manifest)
    assert labels.pop("neutral") == 96
    assert set(labels.values()) == {192}
    assert Counter(clip.gender for clip in manifest) == {"male": 720, "female": 720}
    assert all(2 < clip.duration_s < 6 for clip in manifest)


@pytest.mark.shared
def test_real_videos_are_taken_once_per_performance(shared: Path) -> None:
    audio = scan_ravdess(shared / "data/ravdess_video")
    assert [clip.clip_id[:2] for clip in audio] == ["01"] * 7
    face = scan_ravdess(shared / "data/ravdess_video", "face")
    assert {clip.performance_id for clip in audio} <= {clip.performance_id for clip in face}
