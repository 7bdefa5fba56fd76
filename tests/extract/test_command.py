"""``ravfeat extract`` as people call it: mistakes get one message, an exit code, no traceback."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache import open_cache, verify_cache


def test_one_bad_clip_costs_only_itself(clips: Path, corpus: Any, tmp_path: Path, here: Any) -> None:
    bad = corpus.manifest.clips[3]
    (clips / bad.path).write_text("this is no sound")
    shutil.copy(clips / corpus.manifest.clips[0].path, clips / "holiday.wav")
    arguments = ("extract", "--data", clips, "--encoder", "logmel", "--device", "cpu", "--out", tmp_path / "out")
    done = here(*arguments)
    assert done.returncode == 3
    assert "22 clips of 2 actors; not taken: 1 unknown names" in done.stdout
    assert f"  {bad.clip_id}: {bad.path} cannot be decoded as audio" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(open_cache(tmp_path / "out")) == 21
    done = here("cache", "verify", tmp_path / "out")
    assert done.returncode == 1
    assert f"{bad.clip_id}: is missing (failed in extraction: {bad.path} cannot be decoded" in done.stderr

    shutil.copy(corpus.root / bad.path, clips / bad.path)
    assert here(*arguments).returncode == 0
    assert verify_cache(open_cache(tmp_path / "out").path) == []


MISTAKES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no such folder": (("--data", "nowhere"), 1, "nowhere is not a folder"),
    "no clips": (("--data", "empty"), 1, "no RAVDESS speech clip"),
    "out is a file": (("--data", "clips", "--out", "file"), 1, "file is a file and can hold no caches"),
    "out cannot be made": (("--data", "clips", "--out", "/proc/ravfeat"), 1, "cannot be written"),
    "no such corpus": (("--corpus", "crema"), 2, "no corpus 'crema'; choose from"),
    "a table without actors": (("--corpus", "folder", "--data", "no-actor.csv"), 1, "row 3: 'actor' is empty"),
    "a table with one id twice": (("--corpus", "folder", "--data", "twice.csv"), 1, "two clips with one id: 'a'"),
    "a name with a slash": (
        ("--corpus", "folder", "--data", "good.csv", "--name", "../x"), 1, "cannot be a corpus's name"
    ),
    "no such layer": (("--data", "clips", "--layers", "0-9"), 2, "layers '0-9': there are"),
    "an index too high": (("--data", "clips", "--shard-index", "1"), 2, "the index counts from 0 to 0"),
    "a generated corpus as the real one": (("--data", "synthetic"), 1, "--corpus synth"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message(clips: Path, tmp_path: Path, here: Any, mistake: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "synthetic").mkdir()
    (tmp_path / "synthetic/SYNTHETIC").write_text("{}")
    (tmp_path / "file").write_text("x")
    (tmp_path / "good.csv").write_text("path,actor,label\na.wav,1,sad\n")
    (tmp_path / "no-actor.csv").write_text("path,actor,label\na.wav,1,sad\nb.wav,,sad\n")
    (tmp_path / "twice.csv").write_text("path,actor,label\na.wav,1,sad\na.flac,1,sad\n")
    options, code, message = MISTAKES[mistake]
    done = here("extract", "--encoder", "logmel", "--device", "cpu", *options, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "cache").exists()
