"""``ravfeat stress``."""

import shutil
from pathlib import Path

import pytest


def test_the_table_has_a_row_for_every_strength_and_the_file_is_beside_the_run(here, spoken, tmp_path) -> None:
    run = Path(shutil.copytree(spoken.run, tmp_path / "run"))
    options = ("--data", spoken.data, "--clips", 16, "--condition", "snr:10", "--condition", "trim")
    done = here("stress", run, *options)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("audio / logmel / logreg: UAR 0."))
    assert lines[at].endswith("16 of 192 test clips of 16 actors, as many of every actor and class as can be")
    assert lines[at + 1].split() == ["condition", "UAR,", "95", "%", "over", "actors", "change", "ECE", "n"]
    assert lines[at + 2].startswith("  noise 10 dB SNR  0.")
    assert lines[at + 3].startswith("  silence trimmed  0.")
    assert any(line.endswith("(by point estimates)") for line in lines)
    assert lines[-2].startswith("unchanged recordings get the run's own predictions: 32 rows")
    assert lines[-1].startswith(f"{run}/stress.json: 2 conditions, in ")


def test_a_clip_that_cannot_be_read_ends_with_exit_code_3(here, spoken, tmp_path) -> None:
    run = Path(shutil.copytree(spoken.run, tmp_path / "run"))
    data = Path(shutil.copytree(spoken.data, tmp_path / "data"))
    for recording in data.glob("*-07.mp4"):  # of one of 24 actors
        recording.unlink()
    done = here("stress", run, "--data", data, "--clips", 24, "--condition", "trim")
    assert done.returncode == 3
    assert "-07.mp4 is not there" in done.stderr


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--condition", "fog"), "no condition 'fog'; choose from snr"),
        (("--clips", 0), "0 is not in the range"),
        (("--model", "tiny"), "expected NAME=MODEL"),
    ],
)
def test_a_wrong_option_is_one_line(here, spoken, options, text) -> None:
    done = here("stress", spoken.run, "--model", f"tiny={spoken.net}", *options)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
