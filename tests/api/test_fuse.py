"""`ravfeat.fuse`: what the command does, from Python."""

import pytest

import ravfeat
from ravfeat.errors import CorpusError, UsageError


def test_it_writes_what_the_command_writes(toy_run, here, tmp_path, capsys) -> None:
    line = f"--scores {toy_run.path} --fusion linear --out fused"
    assert here("fuse", *line.split(), cwd=tmp_path).returncode == 0
    capsys.readouterr()
    fused = ravfeat.fuse(toy_run, fusion="linear", out=tmp_path / "mine")
    assert capsys.readouterr() == ("", "")
    for name in ("predictions.parquet", "metrics.json", "fusion.json"):
        assert (tmp_path / "fused" / name).read_bytes() == (fused.path / name).read_bytes()
    assert not fused.heads


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ([], {}, "expected at least one --scores, got none"),
        (["nowhere.csv", "there.csv"], {}, "nowhere.csv is not a file"),
        ("x.csv", {"fusion": "best"}, "fusion is \"best\", expected 'auto', 'linear' or 'loglinear'"),
        (3, {}, "scores: 3 is not a path"),
    ],
)
def test_what_is_wrong_is_refused(scores, options, message, tmp_path) -> None:
    with pytest.raises((UsageError, CorpusError), match=message):
        ravfeat.fuse(scores, out=tmp_path / "run", **options)
