"""``ravfeat importance``."""

import shutil
from pathlib import Path

from tests.audit.runs import caches_in, make_run


def test_the_table_names_every_group_and_the_file_is_beside_the_run(here, tmp_path) -> None:
    voice, _ = caches_in(tmp_path / "caches")
    run = make_run(tmp_path / "run", [voice], protocol="clip6", allow_leak=True, layers="1-2")
    moved = Path(shutil.move(voice, tmp_path / "elsewhere"))
    assert here("importance", run).returncode == 1
    done = here("importance", run, "--cache", moved, "--repeats", 1, "--by", "layer")
    assert done.returncode == 0
    said, first, *rows = done.stdout.splitlines()
    assert said == "4 classes, chance 0.250; features encoded here from recordings, as their caches say  LEAKY"
    assert first.startswith("audio / voice / logreg: UAR 0.")
    assert first.endswith("n=192 test clips  LEAKY")
    assert [row.split("  ")[1] for row in rows[:-1]] == ["shuffled", "all inputs", "layer", "layer 1", "layer 2"]
    assert rows[-1].startswith(f"{run}/importance.json: 1 times each")
    assert "statistic" not in done.stdout


def test_what_is_no_run_ends_in_one_line(here, tmp_path) -> None:
    done = here("importance", tmp_path)
    assert done.returncode == 1
    assert "is not a run" in done.stderr
    assert here("importance", tmp_path, "--by", "column").returncode == 2
