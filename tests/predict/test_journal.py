"""Predictions of an unfinished command."""

from pathlib import Path

import pytest

from ravfeat.errors import PredictionsError
from ravfeat.predict.journal import Journal

NAMES = ["a.wav", "b.wav", "c.wav"]
ROWS = [{"file": "a.wav", "p_happy": 1 / 3, "domain": None, "status": "ok"}]


def interrupted(out: Path, about: dict[str, object]) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, Journal(out, about, NAMES) as journal:  # noqa: PT012
        journal.add("a.wav", ROWS)
        raise KeyboardInterrupt
    assert "1 recordings are kept" in caught.value.__notes__[0]


def test_an_interrupted_command_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    interrupted(out, {"window": 4})
    unfinished = tmp_path / ".out.csv.unfinished"
    with unfinished.open("a") as file:
        file.write('["b.wav", [], [{"fi')  # killed within a line
    with Journal(out, {"window": 4}, NAMES) as journal:
        assert journal.done == {"a.wav": ROWS}
        journal.add("c.wav", ROWS)
        assert len(unfinished.read_text().splitlines()) == 3
    assert not unfinished.exists()


def test_recordings_that_changed_or_had_no_answer_are_predicted_again(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.wav" for name in ("same", "changed", "failed", "b\udcff")}
    for path in files.values():
        path.write_bytes(b"sound")
    names = list(map(str, files.values()))
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "out.csv", {}, names) as journal:  # noqa: PT012
        for name, path in files.items():
            journal.add(str(path), [{"status": "failed" if name == "failed" else "ok"}])
        raise KeyboardInterrupt
    files["changed"].write_bytes(b"another")
    with Journal(tmp_path / "out.csv", {}, names) as journal:
        assert set(journal.done) == {str(files["same"]), str(files["b\udcff"])}


def test_a_journal_of_another_command_is_not_continued(tmp_path: Path) -> None:
    interrupted(tmp_path / "out.csv", {"window": 4})
    with Journal(tmp_path / "out.csv", {"window": 5}, NAMES) as journal:
        assert journal.done == {}


def test_recordings_that_are_not_asked_for_any_more_are_left_out(tmp_path: Path) -> None:
    interrupted(tmp_path / "new" / "out.csv", {})
    with Journal(tmp_path / "new" / "out.csv", {}, ["c.wav"]) as journal:
        assert journal.done == {}


def test_without_a_file_nothing_is_kept() -> None:
    with Journal(None, {}, NAMES) as journal:
        journal.add("a.wav", ROWS)
    assert journal.done == {"a.wav": ROWS}


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path / "out.csv", {})
    unfinished = tmp_path / ".out.csv.unfinished"
    unfinished.write_text(unfinished.read_text() + "[1]\n")
    with pytest.raises(PredictionsError, match=r"line 3.*remove it"), Journal(tmp_path / "out.csv", {}, NAMES):
        pass
