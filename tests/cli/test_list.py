"""``ravfeat list``."""

from pathlib import Path


def test_a_list_has_a_line_for_each_name(here) -> None:
    done = here("list", "corpora")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ravdess      RAVDESS: English, 24 actors")
    assert any(line.startswith("crema-d      CREMA-D: English, 91 actors") for line in lines)


def test_what_is_broken_is_named_and_does_not_end_the_list(here, tmp_path: Path, monkeypatch) -> None:
    info = tmp_path / "gone-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gone\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ravfeat.heads]\ngone = gone_module:head\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    done = here("list", "heads")
    assert done.returncode == 0
    assert "gone" in done.stdout.splitlines()[-1]
    assert "BROKEN: " in done.stdout
    assert "(gone_module:head)" in done.stdout


def test_another_list_is_a_wrong_call(here) -> None:
    assert here("list", "cats").returncode == 2
