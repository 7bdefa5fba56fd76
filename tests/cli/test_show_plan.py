"""``ravfeat extract --dry-run``: what it prints, and that it leaves nothing."""

import re
import shutil
from types import SimpleNamespace

import pytest

from tests.tinyfaces import write_net, write_videos

STEMS = [f"02-01-0{emotion}-01-01-01-0{actor}" for emotion in (1, 3, 5) for actor in (1, 2)]


@pytest.fixture
def clips(generated, tmp_path):
    """A dozen clips and six videos."""
    folder = tmp_path / "clips"
    write_videos(folder, STEMS)
    for path in sorted(generated.rglob("03-*.wav"))[::5]:
        shutil.copy(path, folder)
    return folder


def test_it_says_what_an_extraction_would_do_and_does_nothing(here, clips, tmp_path) -> None:
    call = ("extract", "--data", clips, "--encoder", "logmel")
    done = here(*call, "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "cache").exists()
    manifest, _, path, *lines, time, disk, last = done.stdout.splitlines()
    assert manifest.startswith("ravdess: 12 clips of 2 actors")
    assert re.fullmatch(r"cache/ravdess/audio-logmel-\w{12}", path)
    assert re.fullmatch(
        r"  clips    12 to encode, 0 stored\n"
        r"  length   0:00:0\d of sound\n"
        r"  shards   1 to write, 0 there\n"
        r"  size     \d\d\d kB\n"
        r"  batches  at most 8 clips or 32 s on cpu\n"
        r"  memory   unknown: measured only where torch computes on a CUDA device",
        "\n".join(lines),
    )
    assert re.fullmatch(r"time: about [\d:]+, [\d.e+]+ x real time over \d+ clips in \d+\.\d s", time)
    assert re.fullmatch(r"disk: \d\d\d kB to write at cache, [\d.]+ [TGM]B free", disk)
    assert last == "nothing was written"
    assert all(len(line) <= 80 for line in [time, disk, *lines])
    made = here(*call, cwd=tmp_path).stdout
    assert f"{path}: 1 shards written (12 clips)" in made
    again = here(*call, "--dry-run", cwd=tmp_path).stdout
    assert "  clips    0 to encode, 12 stored\n" in again
    assert "  shards   0 to write, 1 there\n" in again
    assert "time: nothing to encode\n" in again


def test_it_plans_voices_and_faces_together(here, clips, tmp_path) -> None:
    net = write_net(tmp_path / "tiny.onnx")
    call = ("extract", "--data", clips, "--encoder", "logmel", "--encoder", net, "--cropped", "--dry-run")
    done = here(*call, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"of video, about \d\d pictures \(1\d(\.\d+)? a second, measured\)\n", done.stdout)
    assert "  batches  at most 64 pictures on cpu\n" in done.stdout
    assert "\ntime of pass 1: about " in done.stdout
    assert "\ntime of pass 2: about " in done.stdout
    assert sum(line.startswith("disk: ") for line in done.stdout.splitlines()) == 1
    assert not (tmp_path / "cache").exists()


def test_failed_clips_are_named_as_such(here, clips, tmp_path) -> None:
    next(clips.glob("03-*.wav")).write_bytes(b"RIFF")
    call = ("extract", "--data", clips, "--encoder", "logmel")
    assert here(*call, cwd=tmp_path).returncode == 3
    done = here(*call, "--dry-run", cwd=tmp_path)
    assert "  clips    0 to encode, 11 stored, 1 failed before and tried again\n" in done.stdout


def test_a_disk_that_is_too_small_is_shown_and_ends_with_1(here, clips, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000, total=10**6))
    done = here("extract", "--data", clips, "--encoder", "logmel", "--dry-run", cwd=tmp_path)
    assert done.returncode == 1
    assert " to write at cache, 1 kB free\nnothing was written\n" in done.stdout
    assert done.stderr.startswith("ravfeat: the disk is too small: ")


def test_without_a_clip_that_can_be_encoded_there_is_no_time(here, clips, tmp_path) -> None:
    for path in clips.glob("03-*.wav"):
        path.write_bytes(b"RIFF")
    done = here("extract", "--data", clips, "--encoder", "logmel", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert "  length   0:06:00 of sound, 12 clips of unknown length as 30 s each\n" in done.stdout
    assert "time: not known: no clip of a few could be encoded\n" in done.stdout
