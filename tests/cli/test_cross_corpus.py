"""``ravfeat fit-heads --train-cache A --test-cache B``."""

import json
from pathlib import Path

import pytest

from tests.twocorpora import write_two

QUICK = ["--head", "logreg", "--layers", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[Path, Path]:
    return write_two(tmp_path_factory.mktemp("two"))


def across(two: tuple[Path, Path]) -> list[object]:
    return ["fit-heads", "--train-cache", two[0], "--test-cache", two[1], *QUICK]


def test_it_names_both_corpora_marks_what_is_transductive_and_its_report_does_too(here, two, tmp_path) -> None:
    done = here(*across(two), "--out", tmp_path / "a", "--select", "nested")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "trained on one (6 actors, 48 clips; chosen on inner folds of them), tested on two (6 actors, 48 clips);"
        " classes calm, happy, sad, angry"
    )
    assert lines[1] == (
        "toy@corpus-normalised: TRANSDUCTIVE, each corpus standardised by all its own unlabelled clips, those of two"
        " among them"
    )
    assert lines[2] == "cross-corpus, select nested, n=48"
    assert lines[4].split()[:4] == ["audio", "toy", "logreg", "0.250"]
    assert not lines[4].endswith("TRANSDUCTIVE")
    assert lines[5].split()[:4] == ["audio", "toy@corpus-normalised", "logreg", "1.000"]
    assert lines[5].endswith("  TRANSDUCTIVE")
    recipe = json.loads((tmp_path / "a" / "recipe.json").read_text())
    assert (recipe["cross_corpus"]["train"], recipe["cross_corpus"]["test"]) == ("one", "two")
    report = here("report", tmp_path / "a")
    assert report.returncode == 0, report.stderr
    page = (tmp_path / "a" / "report" / "report.md").read_text(encoding="utf-8")
    assert "> **TRANSDUCTIVE.** Rows of features named @corpus-normalised saw all unlabelled clips" in page
    assert "audio / toy@corpus-normalised / logreg | cross-corpus one to two |" in page
    assert "trained and chosen on one, tested on two" in page
    assert "(cross-corpus one to two · select nested · 1 seed · n = 48 · partly TRANSDUCTIVE)" in page


def test_left_out_labels_are_listed_and_a_map_is_recorded(here, two, tmp_path) -> None:
    (tmp_path / "map.csv").write_text("label,class\nhappy,up\nangry,up\nsad,down\n", encoding="utf-8")
    done = here(*across(two), "--label-map", tmp_path / "map.csv", "--normalise", "none", "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:4] == [
        "trained on one (6 actors, 36 clips; chosen on 2 of them), tested on two (6 actors, 36 clips);"
        " classes up, down",
        "left out of one: 12 clips of labels in no class (calm 12)",
        "left out of two: 12 clips of labels in no class (calm 12)",
        "cross-corpus, select val, n=36",
    ]
    assert "audio toy: without 0 clips that are not stored and 24 that are in no class" in done.stdout
    assert json.loads((tmp_path / "a" / "recipe.json").read_text())["cross_corpus"]["label_map"].endswith("map.csv")


def test_fused_streams_are_transductive_too_and_with_both_nothing_is_fused(here, two, tmp_path) -> None:
    face = write_two(tmp_path, stream="face", name="seen")
    call = [*across(two), "--train-cache", face[0], "--test-cache", face[1]]
    done = here(*call, "--normalise", "corpus", "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    fused = [line for line in done.stdout.splitlines() if line.startswith("fused")]
    assert len(fused) == 4
    assert all(line.endswith("TRANSDUCTIVE") for line in fused[:3])
    both = here(*call, "--out", tmp_path / "b")
    assert both.returncode == 0, both.stderr
    assert "not fused: normalised and plain systems are never mixed; fuse with --normalise none or" in both.stdout
    assert not (tmp_path / "b" / "fusion.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train-cache", "A"], "expected a --test-cache for every --train-cache, got 1 of --train-cache and 0 of"),
        (["--test-cache", "B"], "got 0 of --train-cache and 1 of --test-cache"),
        (["--normalise", "both"], "--normalise speaks of two corpora"),
        (["--train-cache", "A", "--cache", "C"], "--cache and --train-cache do not go together"),
        (["--train-cache", "A", "--protocol", "group5"], "--protocol and --train-cache do not go together"),
        (["--train-cache", "A", "--concat", "C,D"], "--concat and --train-cache do not go together"),
        (
            ["--train-cache", "A", "--test-cache", "B", "--train-views", "C"],
            "--train-views and --train-cache do not go together",
        ),
        (["--train-cache", "A", "--labels", "x.csv"], "--labels and --train-cache do not go together"),
        (
            ["--train-cache", "A", "--allow-leak", "--protocol", "clip6"],
            "--protocol and --allow-leak and --train-cache do not go together: a test on another corpus has one fold",
        ),
    ],
)
def test_options_that_do_not_go_together_end_with_2(options, message, here, tmp_path) -> None:
    done = here("fit-heads", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "runs").exists()


def test_a_leak_between_the_corpora_ends_with_1_and_a_swapped_encoder_with_2(here, two, tmp_path) -> None:
    other = write_two(tmp_path, name="other")
    done = here("fit-heads", "--train-cache", two[0], "--test-cache", other[1], *QUICK, "--out", tmp_path / "a")
    assert done.returncode == 2
    assert "come from an encoder of another family" in done.stderr
    done = here("fit-heads", "--train-cache", two[0], "--test-cache", two[0], *QUICK, "--out", tmp_path / "a")
    assert done.returncode == 2
    assert "are both of corpus 'one'" in done.stderr


def test_help_says_how_to_test_on_another_corpus(here) -> None:
    said = here("fit-heads", "--help").stdout
    assert "--train-cache cache/crema-d --test-cache cache/ravdess --label-map labels.csv" in said
    assert "TRANSDUCTIVE" in said
