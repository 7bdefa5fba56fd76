"""``ravfeat cache import``."""

import sys

import numpy as np
import pytest

import ravfeat as package
from ravfeat.cli.cache_import import command
from ravfeat.cli.errors import reporting

STEMS = [f"02-01-{emotion:02}-01-01-01-{actor:02}" for actor in (1, 2) for emotion in (1, 3, 5)]


@pytest.fixture
def bring(tmp_path, capsys, monkeypatch):
    """Run the command beside a data folder with the voices of six performances."""
    voices = tmp_path / "data/ravdess"
    voices.mkdir(parents=True)
    for stem in STEMS:
        (voices / f"03{stem[2:]}.wav").write_bytes(stem.encode())
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            with reporting():
                command.main([*map(str, arguments)], prog_name="ravfeat cache import", standalone_mode=False)
                sys.exit(0)
        except SystemExit as end:
            said = capsys.readouterr()
            return end.code, said.out.splitlines(), said.err.splitlines()

    return run


def save(path, names=tuple(STEMS), **arrays):
    np.savez(path, names=np.array(names), offsets=np.arange(len(names) + 1) * 2, **arrays)
    return path


def points(n_clips):
    return np.random.default_rng(0).integers(0, 500, (2 * n_clips, 68, 2), dtype=np.int16)


def test_it_says_what_matched_and_how_it_was_treated_and_what_was_written(bring, tmp_path) -> None:
    copies = [*STEMS, *(f"01{stem[2:]}" for stem in STEMS[:2])]
    path = save(tmp_path / "f.npz", copies, xy=points(8), frame=np.tile([0, 1], 8))
    code, said, wrong = bring(path, "--name", "landmarks68")
    assert (code, wrong) == (0, [])
    assert said[:4] == [
        "ravdess: 6 performances of 2 actors",
        "1 npz files: 8 names, xy, 68 x 2 numbers a row",
        "matched: 6 clips; 2 other copies, not used",
        "transform: similarity (landmarks); times: frame number / 29.97 Hz",
    ]
    assert said[4].startswith("cache/ravdess/face-landmarks68-")
    assert ": 1 shards written (6 clips), 0 were there, in " in said[4]
    assert len(package.open_cache(tmp_path / "cache")) == 6
    assert ": 0 shards written (0 clips), 1 were there, in " in bring(path, "--name", "landmarks68")[1][4]


def test_an_incomplete_match_writes_nothing_unless_it_is_allowed(bring, tmp_path) -> None:
    path = save(tmp_path / "f.npz", [*STEMS[:5], "talk"], x=np.ones((12, 3)))
    code, _, wrong = bring(path, "--name", "x")
    assert (code, wrong) == (
        1,
        [
            "ravfeat: the match is incomplete; nothing was written: give --allow-missing to import the rest",
            "  1 names match no performance of the corpus: talk",
            "  1 performances have no features: 01-05-01-01-01-02",
        ],
    )
    assert not (tmp_path / "cache").exists()
    code, said, wrong = bring(path, "--name", "x", "--allow-missing")
    assert (code, wrong) == (
        0, ["left out: talk", "without features, in the cache as failed: 01-05-01-01-01-02"]
    )  # fmt: skip
    assert said[2] == "matched: 5 clips; 1 names of no performance, left out, 1 performances without features"
    cache = package.open_cache(tmp_path / "cache")
    assert len(cache) == 5
    # Who reads the cache later is told what it lacks.
    assert cache.missing == ("02-01-05-01-01-01-02",)
    assert cache.failed == {cache.missing[0]: f"'{cache.missing[0]}': no features were brought for this performance"}


def test_a_bad_clip_costs_only_itself_and_the_exit_code_says_so(bring, tmp_path) -> None:
    x = np.ones((12, 3))
    x[3] = np.nan
    code, said, wrong = bring(save(tmp_path / "f.npz", x=x), "--name", "x")
    assert code == 3
    assert ": 1 shards written (5 clips)" in said[-1]
    assert wrong == [
        "1 clips could not be stored:",
        f"  {STEMS[1]}: f.npz: '{STEMS[1]}': 1 of 2 rows cannot be used, the first is row 1: they are NaN or infinite",
        "features that were repaired are other features: importing them makes a cache of its own",
    ]


def test_openface_files_become_a_face_cache(bring, tmp_path) -> None:
    (tmp_path / "of").mkdir()
    for number, stem in enumerate(STEMS):
        rows = [f"{t + 1}, 0, {t / 25:.3f}, 0.9, {t != 1:d}, {t * 0.1 % 0.3:.1f}, {number}, 400.0" for t in range(4)]
        header = "frame, face_id, timestamp, confidence, success, AU01_r, AU04_r, x_0"
        (tmp_path / "of" / f"{stem}.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    code, said, wrong = bring(tmp_path / "of", "--name", "aus", "--array", "AU", "--dtype", "float32")
    assert (code, wrong) == (0, [])
    assert said[1] == "6 CSV files: 6 names, AU, 2 numbers a row"
    assert said[2] == "columns taken: AU01_r, AU04_r"
    assert said[4] == "transform: none (neither landmarks nor probabilities); times as in the file"
    cache = package.open_cache(tmp_path / "cache")
    np.testing.assert_allclose(cache[STEMS[2]][:, 0], [[0, 2], [0.1, 2], [0.2, 2], [0, 2]], atol=1e-6)
    np.testing.assert_allclose(cache.times(STEMS[2]), [0, 0.04, 0.08, 0.12])
    assert cache.columns(STEMS[2])["found"].tolist() == [1, 0, 1, 1]


def test_one_row_per_clip_of_any_corpus_is_joined_to_its_table(bring, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("path,actor,label\na/1.wav,1,x\nb/1.wav,2,y\n", encoding="utf-8")
    (tmp_path / "f.csv").write_text("file,loudness,pitch\na/1.wav,0.5,200\nb/1.wav,0.7,100\n", encoding="utf-8")
    mine = ["--corpus", "folder", "--data", "t.csv", "--corpus-name", "my"]
    code, said, wrong = bring("f.csv", "--name", "egemaps", "--stream", "audio", *mine)
    assert (code, wrong) == (0, [])
    assert said[0] == "my: 2 performances of 2 actors"
    assert said[2] == "columns taken: loudness, pitch"
    assert said[5].startswith("cache/my/audio-egemaps-")
    cache = package.open_cache(tmp_path / "cache")
    assert cache.clip_ids == ("a/1", "b/1")
    assert cache["b/1"].tolist() == [[[pytest.approx(0.7, abs=1e-3), 100]]]


def test_targets_and_indices_are_named_and_not_taken(bring, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("path,person,label,note\na.wav,1,x,-\nb.wav,2,y,-\n", encoding="utf-8")
    (tmp_path / "f.csv").write_text(",file,class_id,loudness\n0,a.wav,0,0.5\n1,b.wav,1,0.7\n", encoding="utf-8")
    mine = ["--corpus", "folder", "--data", "t.csv", "--corpus-columns", "actor=person", "--name", "x"]
    code, said, wrong = bring("f.csv", "--stream", "audio", *mine)
    assert (code, wrong) == (0, [])
    assert said[1] == "further columns: note"
    assert said[3:5] == [
        "columns taken: loudness",
        "columns not taken: (without a name), class_id; --columns takes those that it names",
    ]
    code, said, wrong = bring("f.csv", "--stream", "audio", *mine, "--columns", "class_id,loudness")
    assert (code, wrong) == (0, [])
    assert said[3] == "columns taken: class_id, loudness"
    code, _, wrong = bring("f.csv", "--stream", "audio", *mine, "--columns", "pitch")
    assert code == 2
    assert "no column is called pitch (--columns)" in wrong[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--array", "y"], "--array y names no array of numbers of 12 rows; there are x float64 (12, 3)"),
        (["--transform", "similarity"], "--transform similarity takes rows of 68 or 478 points"),
        (["--transform", "geometry"], "--transform geometry takes rows of 68 or 478 points"),
        (["--transform", "log-softmax"], "is no distribution"),
        (["--modality", "04"], "--modality 04: choose from 01"),
        (["--fps", "-1"], "--fps -1: expected a number above 0"),
        (["--name", "a/b"], "--name 'a/b' becomes a part of the cache's folder"),
        (["--corpus", "crema"], "no corpus 'crema'; choose from ravdess, crema-d, emodb"),
        (["--columns", "x"], "--columns goes with tables; npz files have arrays"),
        (["--as-written", "3"], "--corpus-columns and --as-written go with --corpus folder"),
        (["--corpus-name", "mine"], "--corpus-name goes with --corpus folder"),
        (["--stream", "fused"], "is not one of 'audio', 'face'"),
        (["--transform", "pca"], "is not one of 'auto', 'similarity', 'geometry', 'log-softmax', 'none'"),
    ],
)
def test_options_that_cannot_be_end_with_2(options, message, bring, tmp_path) -> None:
    path = save(tmp_path / "f.npz", x=np.ones((12, 3)))
    code, _, wrong = bring(path, "--name", "x", *options)
    assert code == 2, wrong
    assert message in "\n".join(wrong)
    assert not (tmp_path / "cache").exists()


def test_a_path_that_is_not_there_and_a_missing_name_are_said(bring) -> None:
    code, _, wrong = bring("nowhere", "--name", "x")
    assert (code, wrong) == (1, ["ravfeat: nowhere does not exist; expected a file or folder of features"])
    code, _, wrong = bring("nowhere")
    assert code == 2
    assert "Missing option '--name'" in wrong[-1]
