"""From a table of files, speakers and emotions to a report, by what the commands themselves say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ravfeat.corpora.synth import generate

LABELS = {"01": "neutral", "03": "happy", "04": "sad", "05": "angry"}


@pytest.mark.usefixtures("blank_figures")
def test_four_commands_lead_from_a_table_to_a_report(here: Callable[..., Any], tmp_path: Path) -> None:
    generate(tmp_path / "wav", actors=4, seed=1)
    rows = [
        f"{path.relative_to(tmp_path)};{path.stem[-2:]};{LABELS[path.stem[6:8]]};{path.stem[-8]}"
        for path in sorted((tmp_path / "wav").rglob("*.wav"))
        if path.stem[6:8] in LABELS
    ]
    (tmp_path / "clips.csv").write_text("\n".join(["file;speaker;emotion;take", *rows]), encoding="utf-8")

    def run(*command: object) -> Any:
        return here(*command, cwd=tmp_path)

    done = run("extract", "--corpus", "folder", "--data", "clips.csv", "--encoder", "logmel")
    assert done.returncode == 0, done.stderr
    assert f"{len(rows)} clips of 4 actors\nclasses: angry 16, happy 16, neutral 8, sad 16\n" in done.stdout
    assert "further columns: take\n" in done.stdout
    wrong = run("fit-heads", "--head", "logreg", "--out", "run")
    assert wrong.returncode == 1
    assert "the cache has 4 actors" in wrong.stderr
    advice = wrong.stderr.partition("use --protocol ")[2].split()[0].strip(";,.")
    done = run("fit-heads", "--head", "logreg", "--out", "run", "--protocol", advice)
    assert done.returncode == 0, done.stderr
    assert "'ravfeat report run' makes the report" in done.stdout
    done = run("audit", "run")
    assert done.returncode == 0, done.stdout
    assert run("report", "run").returncode == 0
    assert "UAR" in (tmp_path / "run/report/report.html").read_text(encoding="utf-8")
