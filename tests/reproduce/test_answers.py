"""What can be said of every row, from what is there."""

from pathlib import Path

import pytest

from ravfeat.cache import open_cache
from ravfeat.errors import CacheError, UsageError
from ravfeat.reproduce import StudyOptions, plan_study
from ravfeat.reproduce.answers import Entry
from ravfeat.reproduce.rows import ROWS
from ravfeat.reproduce.run import headline_of
from ravfeat.reproduce.steps import Fit, Splits, Tune, estimate_s
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


def entries(key: str, options: StudyOptions) -> list[Entry]:
    return [entry for entry in plan_study(options).entries if entry.row.key == key]


def options(home: Path, **more: object) -> StudyOptions:
    return StudyOptions(Path("out"), (home,), **more)  # type: ignore[arg-type]


def test_every_row_is_answered_or_says_why_not(home) -> None:
    study = plan_study(options(home))
    assert list(dict.fromkeys(entry.row.key for entry in study.entries)) == list(ROWS)
    assert all(bool(entry.figures) != bool(entry.missing) for entry in study.entries)
    assert len({step.name for step in study.steps}) == len(study.steps)


def test_an_encoder_that_is_here_stands_in_and_the_row_says_both(home) -> None:
    missing, instead = entries("5", options(home))
    assert missing.missing == "no cache of wavlm-large here"
    assert instead.stand_in
    assert instead.differs[0] == "toy-voice in place of wavlm-large"
    assert [figure.head for figure in instead.figures] == ["attentive-sum", "attentive", "logreg", "kernel"]


def test_the_published_encoder_answers_its_own_row(home, tmp_path) -> None:
    takes = actors_and_emotions()
    write_cache(tmp_path, takes, name="wavlm-large", stream="audio")
    write_cache(tmp_path, takes, name="facial-emotions")
    for key in ("5", "6", "8", "9", "10", "R1", "R2", "R3"):
        (entry,) = entries(key, options(tmp_path))
        assert not entry.stand_in, key
    assert entries("9", options(tmp_path))[0].encoder == "wavlm-large + facial-emotions"
    # Of HuBERT there is nothing, and WavLM stands in.
    assert [entry.stand_in for entry in entries("1", options(tmp_path))] == [False, True]


def test_without_faces_rows_about_both_streams_have_no_number(tmp_path) -> None:
    write_cache(tmp_path, actors_and_emotions(), name="voice", stream="audio")
    for key in ("7", "8", "9", "10", "R3"):
        assert [entry.figures for entry in entries(key, options(tmp_path))] == [()]


def test_a_view_is_no_material(tmp_path) -> None:
    assert plan_study(options(tmp_path)).materials.found == {}
    assert all(entry.missing for entry in plan_study(options(tmp_path)).entries)


def test_a_role_can_be_given_where_the_name_does_not_tell(tmp_path) -> None:
    path = write_cache(tmp_path, actors_and_emotions(), name="net-7")
    assert "imagenet" not in plan_study(options(tmp_path)).materials.found
    given = options(tmp_path, roles={"imagenet": path})
    assert [entry.stand_in for entry in entries("7", given)] == [False, True]
    with pytest.raises(UsageError, match="no role 'nose'; choose from wavlm, hubert, voice, expression"):
        plan_study(options(tmp_path, roles={"nose": path}))


def test_a_role_that_a_cache_cannot_have_is_refused(tmp_path) -> None:
    face = write_cache(tmp_path / "face", actors_and_emotions(), name="net-7")
    with pytest.raises(UsageError, match=r"--role voice=.*: expected a clean cache of the stream audio, it is of the"):
        plan_study(options(tmp_path, roles={"voice": face}))
    view = write_cache(tmp_path / "view", actors_and_emotions(), name="v", stream="audio", view="gain-1:seed0")
    with pytest.raises(UsageError, match=r"expected a clean cache of the stream audio, it is a view \(gain-1:seed0\)"):
        plan_study(options(tmp_path, roles={"voice": view}))


def test_whole_views_of_the_voice_teach_in_a_step_of_their_own(tmp_path) -> None:
    takes = actors_and_emotions()
    write_cache(tmp_path, takes, name="voice", stream="audio")
    write_cache(tmp_path, takes, name="voice", stream="audio", view="gain-1:seed0")
    write_cache(tmp_path, takes, name="voice", stream="audio", view="noise-1:seed0", lost=(takes[0].clip_id,))
    study = plan_study(options(tmp_path))
    (step,) = (step for step in study.steps if step.name == "views-voice")
    assert isinstance(step, Fit)
    assert [open_cache(path).identity["view"] for path in step.plan.train_views] == ["gain-1:seed0"]
    headline = headline_of(study)
    assert headline is not None
    assert headline.name == "frozen-voice"


def test_two_caches_of_one_encoder_have_steps_of_their_own(tmp_path) -> None:
    takes = actors_and_emotions()
    one, other = (write_cache(tmp_path, takes, name="net", pooled=pooled) for pooled in ((), ("mean", "std", "speed")))
    study = plan_study(options(tmp_path, roles={"imagenet": one, "expression": other}))
    splits = [step.name for step in study.steps if isinstance(step, Splits)]
    assert splits == [f"splits-net-{path.name.rpartition('-')[2]}" for path in (one, other)]


def test_caches_of_two_corpora_are_refused(tmp_path) -> None:
    write_cache(tmp_path, actors_and_emotions(), name="a", stream="audio")
    write_cache(tmp_path, actors_and_emotions(corpus="other"), name="b", stream="audio", corpus="other")
    with pytest.raises(CacheError, match=r"the study is about one corpus, got caches of several:\n  "):
        plan_study(options(tmp_path))


def test_fine_tuning_waits_for_media_and_for_leave(home, tmp_path) -> None:
    assert "no media here" in entries("4", options(home))[0].missing
    assert "--fine-tune asks for it" in entries("4", options(home, data=tmp_path))[0].missing
    asked = options(home, data=tmp_path, fine_tune=True, encoder="models/tiny")
    own, instead = entries("3b", asked)
    step, other = own.figures[0].step, instead.figures[0].step
    assert isinstance(step, Tune)
    assert (step.encoder, step.unfreeze_top) == ("hubert-base", 3)
    assert isinstance(other, Tune)
    assert (other.encoder, other.name) == ("models/tiny", "fine-tuned-tiny-top1")


def test_the_two_splits_of_a_comparison_train_on_as_many_clips(home) -> None:
    splits = [step for step in plan_study(options(home)).steps if isinstance(step, Splits)]
    assert {step.plan.select for step in splits} == {"val"}
    assert {step.name for step in splits} == {"splits-toy-voice", "splits-toy-expressions"}


def test_ablations_take_one_thing_away(home) -> None:
    study = plan_study(options(home))
    plans = [figure.step.plan for figure in study.ablations if isinstance(figure.step, Fit)]
    assert [(plan.layers, plan.std) for plan in plans[2:]] == [(None, False), ("last", True), ("0", True), ("1", True)]


def test_nested_steps_are_expected_to_take_longer(home) -> None:
    steps = {step.name: step for step in plan_study(options(home)).steps}
    alone, nested = (estimate_s(steps[name]) for name in ("ablation-std-false-toy-voice", "best-toy-voice"))
    assert alone is not None
    assert nested is not None
    assert nested > 3 * alone
