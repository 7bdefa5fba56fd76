"""Heads of generated voices and faces on changed recordings of them."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache.format import StoreRecipe
from ravfeat.errors import CacheError, HeadError, PredictionsError, UsageError
from ravfeat.media.conditions import Condition
from ravfeat.predictions import System
from ravfeat.report.graded import grade
from ravfeat.report.stress.section import stress_section
from ravfeat.runs.read import read_run
from ravfeat.runs.stress_file import Stress, read_stress
from ravfeat.stress import stress_run
from ravfeat.stress.encode import StreamRecordings
from ravfeat.stress.open_run import open_stressed, sampled
from ravfeat.stress.score import probs_of
from tests.audit.runs import make_run, takes
from tests.processes import die_at
from tests.spoken import Spoken
from tests.writtencaches import write_cache

VOICE, FACE = System("audio", "logmel", "logreg"), System("face", "tiny", "logreg")
CONDITIONS = [Condition("snr", 5), Condition("telephone"), Condition("dark", 4)]


def stress(run: Path, spoken: Spoken, *conditions: Condition, **options: object) -> Stress:
    given = {"data": [spoken.data], "models": spoken.models, "clips": 24} | options
    return stress_run(run, conditions=conditions or CONDITIONS, **given)


@pytest.fixture(scope="module")
def stressed(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stressed. Read only."""
    run = Path(shutil.copytree(spoken.run, tmp_path_factory.mktemp("stressed") / "run"))
    stress(run, spoken)
    return run


@pytest.fixture
def run(spoken: Spoken, tmp_path: Path) -> Path:
    return Path(shutil.copytree(spoken.run, tmp_path / "run"))


@pytest.fixture(scope="module")
def found(stressed: Path) -> Stress:
    read = read_stress(stressed)
    assert read is not None
    return read


def test_unchanged_recordings_get_the_runs_own_predictions(found, stressed) -> None:
    assert found.check.startswith("unchanged recordings get the run's own predictions: 48 rows, largest difference")
    assert all(float(part.rpartition(" ")[2]) < 1e-6 for part in found.check.split("; "))
    assert found.sample == "24 of 192 test clips of 24 actors, as many of every actor and class as can be"
    assert not found.stale
    assert not list((stressed / "stress").glob("cache/**/*.h5"))


def test_a_run_that_is_put_together_again_has_its_own_probabilities(spoken) -> None:
    opened = open_stressed(spoken.run, (), clips=None, device="cpu")
    again = probs_of(opened, None, opened.performances)
    assert again.keys() == opened.run.calibrations.keys()
    for system, calibration in opened.run.calibrations.items():
        assert again[system].clip_ids.tolist() == calibration.test.clip_ids.tolist()
        np.testing.assert_allclose(again[system].probs, calibration.test.probs, atol=1e-12)


def test_a_condition_changes_the_systems_that_read_its_stream_and_what_mixes_them(found) -> None:
    changed = {
        (score.recipe, score.stream): score.uar.value != score.uar_clean or score.ece.value != score.ece_clean
        for score in found.scores
        if score.head != "attentive"
    }
    assert changed == {
        **dict.fromkeys([("snr", "audio"), ("telephone", "audio"), ("dark", "face")], True),
        **dict.fromkeys([("snr", "face"), ("telephone", "face"), ("dark", "audio")], False),
        **{(recipe, stream): True for recipe in ("snr", "telephone", "dark") for stream in ("fused", "fused-linear")},
        **{(recipe, "fused-loglinear"): True for recipe in ("snr", "telephone", "dark")},
    }
    for score in found.scores:
        assert score.difference.value == pytest.approx(score.uar.value - score.uar_clean)
        assert score.n == sum(recall.n for recall in score.recalls) == 24
        assert np.mean([recall.value for recall in score.recalls]) == pytest.approx(score.uar.value)


def test_crossings_are_said_for_every_recipe_of_which_both_streams_have_scores(found) -> None:
    assert [crossing.recipe for crossing in found.crossings] == ["snr", "telephone", "dark"]
    assert all("audio / logmel" in crossing.words and "face / tiny" in crossing.words for crossing in found.crossings)


def test_what_was_done_is_not_done_again(spoken, stressed, tmp_path, monkeypatch) -> None:
    copy = Path(shutil.copytree(stressed, tmp_path / "run"))
    before = (copy / "stress.json").read_bytes()
    encode, calls = StreamRecordings.encode, []

    def counting(self, condition, folder):
        calls.append(condition)
        return encode(self, condition, folder)

    monkeypatch.setattr(StreamRecordings, "encode", counting)
    stress(copy, spoken)
    assert calls == []
    assert (copy / "stress.json").read_bytes() == before
    next(copy.glob("stress/*/audio-stress.snr-1_5.parquet")).unlink()
    stress(copy, spoken, cache_dir=tmp_path / "kept")
    assert calls == [Condition("snr", 5)]
    assert (copy / "stress.json").read_bytes() == before
    assert len(list((tmp_path / "kept").glob("*/synth/audio-logmel-stress.snr-1-5-*"))) == 1


def test_stored_logits_that_are_not_those_of_the_sample_are_refused(spoken, stressed, tmp_path) -> None:
    copy = Path(shutil.copytree(stressed, tmp_path / "run"))
    tables = {path.name: path for path in copy.glob("stress/*/*.parquet")}
    shutil.copy(tables["face-clean.parquet"], tables["audio-stress.snr-1_5.parquet"])
    with pytest.raises(
        PredictionsError, match=r"it holds other classes, clips or seeds than were scored; remove .* and"
    ):
        stress(copy, spoken)
    tables["audio-clean.parquet"].write_bytes(b"junk")
    with pytest.raises(
        PredictionsError, match=r"cannot be read as Parquet.*; remove .* and call 'ravfeat stress' again"
    ):
        stress(copy, spoken)


def test_heads_that_are_not_those_of_the_run_are_refused(spoken, run) -> None:
    folds = sorted((run / "heads" / "audio-logmel-logreg").glob("fold-*.safetensors"))
    folds[0].write_bytes(folds[1].read_bytes())
    folds[0].with_suffix(".toml").write_text(folds[1].with_suffix(".toml").read_text())
    message = (
        r"recordings that are not changed do not get the run's own predictions: audio / logmel / logreg differs by"
    )
    with pytest.raises(PredictionsError, match=message):
        stress(run, spoken, Condition("telephone"))
    assert not (run / "stress.json").exists()


def test_other_recordings_under_the_same_names_are_refused(spoken, run, tmp_path) -> None:
    data = Path(shutil.copytree(spoken.data, tmp_path / "data"))
    names = sorted(path.name for path in data.glob("*.mp4"))
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        shutil.copy(spoken.data / name, data / other)
    with pytest.raises(PredictionsError, match="The recordings, the encoder or the heads are others"):
        stress(run, spoken, Condition("telephone"), data=[data])
    stress(run, spoken, Condition("telephone"), data=[spoken.data])
    with pytest.raises(PredictionsError, match="The recordings, the encoder or the heads are others"):
        stress(run, spoken, Condition("gain", -6), data=[data])  # those that were stored are not of these recordings


def test_a_clip_that_cannot_be_read_is_named_and_left_out_on_both_sides(spoken, run, tmp_path) -> None:
    data = Path(shutil.copytree(spoken.data, tmp_path / "data"))
    opened = open_stressed(run, (), clips=24, device="cpu")
    lost, broken = sorted(clip.clip_id for clips in opened.systems[0].clips.values() for clip in clips)[:2]
    (data / f"{lost}.mp4").unlink()
    (data / f"{broken}.mp4").write_bytes(b"no video")
    done = stress(run, spoken, Condition("telephone"), data=[data])
    (telephone,) = done.conditions
    assert (telephone.n, len(telephone.failed)) == (22, 2)
    assert done.sample.endswith("as can be; 2 of them could not be read")
    assert all("mp4" in reason for reason in telephone.failed.values())
    assert {score.n for score in (*done.clean, *done.scores)} == {22}


def test_a_class_of_which_no_recording_can_be_read_is_not_passed_over(spoken, run, tmp_path) -> None:
    data = Path(shutil.copytree(spoken.data, tmp_path / "data"))
    for recording in data.glob("01-01-04-*"):
        recording.unlink()
    with pytest.raises(UsageError, match="no recording of the class sad could be read"):
        stress(run, spoken, Condition("trim"), data=[data])


def test_recordings_elsewhere_and_models_of_no_encoder_are_refused(spoken, run, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"recordings of the stream 'audio', such as .*mp4, are not under .*--data"):
        stress(run, spoken, data=[tmp_path])
    with pytest.raises(UsageError, match="reads no features of 'other'"):
        stress(run, spoken, models={"other": "x"})
    with pytest.raises(CacheError, match="no cache of the run is at or below it"):
        stress(run, spoken, caches=[tmp_path])
    with pytest.raises(UsageError, match="--clips 7: a sample needs at least one clip of each of the 8 classes"):
        stress(run, spoken, clips=7)


def test_a_moved_cache_is_found_and_one_that_is_gone_is_asked_for(spoken, run, tmp_path) -> None:
    recipe = json.loads((run / "recipe.json").read_text())
    text = (run / "recipe.json").read_text().replace(str(spoken.voice.parent), str(tmp_path / "gone"))
    (run / "recipe.json").write_text(text)
    assert recipe != json.loads(text)
    with pytest.raises(CacheError, match=r"which is not there any more; say where it lies now with --cache DIR$"):
        stress(run, spoken, Condition("telephone"))
    done = stress(run, spoken, Condition("telephone"), caches=[spoken.voice.parent])
    assert len(done.conditions) == 1


def test_imported_features_are_left_out_and_named(tmp_path) -> None:
    from ravfeat.encoders.base import EncoderSpec

    def imported(name: str) -> EncoderSpec:
        return EncoderSpec(name, "audio", "0" * 64, "as imported/1", ("as imported/1",), 3, 8, 0.0)

    cache = write_cache(tmp_path / "cache", takes(), spec=imported("theirs"), stream="audio")
    run = make_run(tmp_path / "run", [cache])
    message = (
        r"none of its systems can be stressed like this \(audio / theirs / logreg, audio: its features 'theirs' were"
    )
    with pytest.raises(HeadError, match=message):
        stress_run(run)
    with pytest.raises(HeadError, match="the conditions are of streams that it does not read"):
        stress_run(run, conditions=[Condition("dark", 1)])


def test_a_stress_of_other_files_is_stale_and_a_damaged_one_is_refused(stressed, tmp_path) -> None:
    copy = Path(shutil.copytree(stressed, tmp_path / "run"))
    metrics = copy / "metrics.json"
    metrics.write_text(metrics.read_text() + "\n")
    read = read_stress(copy)
    assert read is not None
    assert read.stale == ("metrics.json",)
    section = stress_section(grade([read_run(copy)]))
    assert section is not None
    assert section.paragraphs[2].startswith("STALE: metrics.json changed since")
    (copy / "stress.json").write_text(
        (copy / "stress.json").read_text().replace('"format_version": 1', '"format_version": 2')
    )
    with pytest.raises(PredictionsError, match=r"format_version is 2.*remove it; 'ravfeat stress' makes it again"):
        read_stress(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stress: stress["clean"].clear(), "there are no scores of its clean clips"),
        (
            lambda stress: stress["scores"][0]["recalls"][0].update(label="bored"),
            "recall of 'bored', which is no class",
        ),
        (lambda stress: stress["scores"][0]["recalls"][0].update(value=1.5), "expected recalls from 0 to 1"),
        (lambda stress: stress["scores"][0]["uar"].update(value=1e300), "expected scores from 0 to 1"),
        (lambda stress: stress["scores"][0]["ece"].update(ci_low=-0.1), "expected scores from 0 to 1"),
        (lambda stress: stress["clean"][0]["uar"].update(value=0.99, ci_high=0.5), "each within its interval"),
        (lambda stress: stress["scores"][0]["uar"].update(value="0.5"), 'uar.value is "0.5", expected a number'),
        (lambda stress: stress.update(scores={}), "scores is .*, expected a list"),
        (lambda stress: stress.pop("check"), "lacks 'check'"),
    ],
)
def test_an_edited_file_is_refused(change, message, stressed, tmp_path) -> None:
    edited = json.loads((stressed / "stress.json").read_text())
    change(edited)
    (tmp_path / "stress.json").write_text(json.dumps(edited))
    with pytest.raises(PredictionsError, match=message):
        read_stress(tmp_path)


def test_the_section_draws_every_stream_and_says_where_they_cross(stressed, found) -> None:
    section = stress_section(grade([read_run(stressed)]))
    assert section is not None
    titles = [figure.title for figure in section.figures]
    assert titles[:2] == ["UAR on a changed voice", "ECE on a changed voice"]
    assert titles.count("UAR on a changed face") == 1
    assert {figure.title for figure in section.figures} == {
        *(f"{what} on a changed {stream}" for what in ("UAR", "ECE", "Recall by class") for stream in ("voice", "face"))
    }
    assert section.points == tuple(f"{crossing.words}." for crossing in found.crossings)
    table = section.figures[0].table
    assert len(table.rows) == 2 * 4
    assert section.figures[0].caption.endswith(" · n = 24")  # of the sample, not of the run
    uar = next(score for score in found.scores if score.recipe == "snr" and score.system == VOICE).uar
    assert any(row.cells[2] == f"{uar.value:.3f} [{uar.ci_low:.3f}, {uar.ci_high:.3f}]" for row in table.rows)


def test_a_sample_has_as_many_of_every_actor_and_class_as_can_be() -> None:
    facts = {
        f"{actor}-{label}-{take}": (str(actor), str(label))
        for actor in range(6)
        for label in range(4)
        for take in range(5)
    }
    for n in (4, 12, 24, 30, 120):
        chosen = sampled(facts, n)
        assert len(chosen) == n
        counts = [sum(facts[name][1] == str(label) for name in chosen) for label in range(4)]
        assert max(counts) - min(counts) <= 1
        heard = [sum(facts[name][0] == str(actor) for name in chosen) for actor in range(6)]
        assert max(heard) - min(heard) <= 1
    assert {facts[name] for name in sampled(facts, 24)} == set(facts.values())
    assert sampled(facts, 24) == sampled(dict(reversed(facts.items())), 24)


def test_changed_recordings_are_extracted_by_this_command_alone(corpus) -> None:
    with pytest.raises(UsageError, match="changed as they are read: 'ravfeat stress' makes it"):
        corpus.extraction(recipe=StoreRecipe(view="stress.snr-1:10"))


@pytest.mark.slow  # five processes that encode
def test_killed_again_and_again_and_gone_on_it_equals_an_uninterrupted_one(run, spoken, stressed, ravfeat) -> None:
    conditions = ("--condition", "snr:5", "--condition", "telephone", "--condition", "dark:4")
    given = ("--data", spoken.data, "--model", f"tiny={spoken.net}", "--clips", 24, *conditions)
    for call in (3, 7, 12, 20):  # while it writes shards, index, or what was scored: each time another file
        killed = ravfeat("stress", run, *given, before=die_at(call))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not (run / "stress.json").exists()
    done = ravfeat("stress", run, *given)
    assert (done.returncode, done.stderr) == (0, "")
    assert (run / "stress.json").read_bytes() == (stressed / "stress.json").read_bytes()
    assert not list((run / "stress").glob("cache/**/*.h5"))
