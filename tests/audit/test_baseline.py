"""The baseline's diagnostics, on features whose answer is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.audit.actor_identity import check_clip_split, check_identity
from ravfeat.audit.baseline import Baseline, load_baseline, score_disjoint
from ravfeat.audit.per_actor import check_per_actor
from ravfeat.audit.permuted import check_permuted
from ravfeat.audit.prepared_features import check_prepared
from ravfeat.audit.sentences import check_sentences, statement_of
from ravfeat.corpora.labels import LabelledClips
from ravfeat.errors import CacheError
from ravfeat.experiment.fit import FitPlan, PreparedPlan, prepare
from ravfeat.experiment.load import FeatureLoader
from ravfeat.protocols.folds import Fold
from tests.audit.runs import takes
from tests.toycaches import EMOTIONS, Take, actors_and_emotions
from tests.writtencaches import write_cache


def asked(folder: Path, clips: list[Take], **options: object) -> tuple[Baseline, PreparedPlan]:
    prepared = prepare(FitPlan((write_cache(folder, clips),), heads=("logreg",), **options))  # type: ignore[arg-type]
    return load_baseline(prepared, prepared.systems[0], FeatureLoader()), prepared


def test_permuted_labels_are_learned_where_takes_are_on_two_sides(tmp_path) -> None:
    baseline, _ = asked(tmp_path, takes())
    assert check_permuted(baseline, "")[0].verdict == "pass"
    n = len(baseline.system.clips.records)
    half = np.arange(n) < n // 2
    # Every clip of the second half becomes one of the first: the same features, the same performance.
    records = baseline.system.clips.records[: n // 2] * 2
    features = baseline.features
    twins = replace(features, frames=np.concatenate([features.frames[: n // 2]] * 2))
    rows = np.arange(n)
    fold = Fold(0, rows[half][:-20], rows[half][-20:], rows[~half])
    clips = LabelledClips.of(records, baseline.system.clips.classes)
    (line,) = check_permuted(Baseline(replace(baseline.system, clips=clips, folds=[fold]), baseline.head, twins), "")
    assert line.verdict == "leak"
    assert "clips are on two sides" in line.finding


def test_many_clips_of_few_performances_do_not_look_like_a_leak(tmp_path) -> None:
    verdicts = []
    for seed in (0, 5):  # of a bound that counts clips, the second is above
        rng = np.random.default_rng(seed)
        clips = []
        for actor in range(8):
            voice = rng.normal(size=(1, 3, 4))
            for number in range(8):
                said = voice + 2 * rng.normal(size=(1, 3, 4))
                for part in range(12):
                    features = (said + 0.3 * rng.normal(size=(3, 3, 4))).astype(np.float32)
                    name = f"{actor:02d}-{number:02d}"
                    who = (f"seg:{actor:02d}", "male" if actor % 2 else "female", EMOTIONS[number % 4])
                    clips.append(Take(f"{name}-{part:02d}", *who, features, name))
        baseline, _ = asked(tmp_path / str(seed), clips, protocol="group4")
        verdicts.append(check_permuted(baseline, "")[0].verdict)
    assert verdicts == ["pass"] * 2


def test_a_clip_split_flatters_features_in_which_everybody_feels_in_his_own_way(tmp_path) -> None:
    ways = np.random.default_rng(3).normal(size=(25, 4, 60)).astype(np.float32)
    clips = []
    for take in takes():
        own = ways[int(take.actor[-2:]), int(take.performance_id[3:5]) - 2]
        clips.append(replace(take, features=np.tile(take.features[:, :1, :1], (1, 1, 60)) * 0.1 + own))
    baseline, prepared = asked(tmp_path, clips)
    disjoint = score_disjoint(baseline, prepared)
    line = check_clip_split(baseline, disjoint, "")[0]
    assert line.evidence["ci_low"] > 0.2
    assert "under 'ravdess6'" in line.finding


def test_features_with_an_offset_for_everybody_gain_by_per_actor_normalisation(tmp_path) -> None:
    people = 6 * np.random.default_rng(3).normal(size=(25, 1, 1, 4)).astype(np.float32)
    clips = [replace(take, features=take.features + people[int(take.actor[-2:])]) for take in takes()]
    baseline, prepared = asked(tmp_path, clips)
    disjoint = score_disjoint(baseline, prepared)
    assert check_identity(baseline, lambda: disjoint, "")[0].evidence["value"] > 10 / 24
    line = check_per_actor(baseline, disjoint, "")[0]
    assert line.evidence["value"] > 0.1
    assert "the recipe does not record that the run did it" in line.finding


def test_clips_swapped_among_actors_are_a_warning_and_honest_ones_are_none(tmp_path) -> None:
    people = 3 * np.random.default_rng(3).normal(size=(25, 1, 1, 8)).astype(np.float32)
    clips = [
        replace(take, features=np.tile(take.features, (1, 1, 2)) + people[int(take.actor[-2:])]) for take in takes()
    ]
    takes_of: dict[str, list[int]] = {}
    for number, take in enumerate(clips):
        takes_of.setdefault(take.performance_id[:-2], []).append(number)
    swapped = list(clips)
    for numbers in takes_of.values():
        shuffled = np.random.default_rng(numbers[0]).permutation(numbers)
        for number, other in zip(numbers, shuffled.tolist(), strict=True):
            swapped[number] = replace(clips[number], features=clips[other].features)
    lines = {}
    for name, made in (("honest", clips), ("swapped", swapped)):
        baseline, prepared = asked(tmp_path / name, made)
        disjoint = score_disjoint(baseline, prepared)
        lines[name] = check_identity(baseline, lambda disjoint=disjoint: disjoint, "")[0]
        assert check_prepared(baseline, "")[0].verdict == "pass"
    assert (lines["honest"].verdict, lines["swapped"].verdict) == ("info", "warn")
    assert "clips were swapped among actors" in lines["swapped"].finding


def test_features_centred_per_actor_before_they_came_are_a_warning(tmp_path) -> None:
    clips = takes()
    means = {
        actor: np.mean([c.features.mean(0) for c in clips if c.actor == actor], 0) for actor in {c.actor for c in clips}
    }
    baseline, _ = asked(tmp_path, [replace(clip, features=clip.features - means[clip.actor]) for clip in clips])
    (line,) = check_prepared(baseline, "")
    assert line.verdict == "warn"
    assert "the actors' means are equal" in line.finding
    assert json.dumps(line.evidence)


def test_a_head_that_knows_only_the_sentences_is_a_warning(tmp_path) -> None:
    rng = np.random.default_rng(2)
    said = {"01": rng.normal(size=(4, 4)), "02": rng.normal(size=(4, 4))}
    clips = []
    for take in takes():
        statement, emotion = str(statement_of(take.performance_id)), int(take.performance_id[3:5]) - 2
        features = rng.normal(scale=0.3, size=take.features.shape) + 2 * said[statement][emotion]
        clips.append(replace(take, features=features.astype(np.float32)))
    baseline, prepared = asked(tmp_path, clips)
    (line,) = check_sentences(baseline, score_disjoint(baseline, prepared), "")
    assert line.verdict == "warn"
    assert line.evidence["value_b"] > 0.9 > 0.7 > line.evidence["value_a"]


def test_names_that_tell_no_sentence_leave_the_question_open(tmp_path) -> None:
    baseline, prepared = asked(tmp_path, actors_and_emotions())
    (line,) = check_sentences(baseline, score_disjoint(baseline, prepared), "")
    assert line.verdict == "not possible"
    one = [take for take in takes() if not (take.performance_id[9:11] == "02" and take.performance_id[3:5] == "03")]
    baseline, prepared = asked(tmp_path / "one", one)
    (line,) = check_sentences(baseline, score_disjoint(baseline, prepared), "")
    assert line.finding == "sentence 02 is not said with every emotion in every fold"


@pytest.mark.parametrize(("name", "statement"), [("01-06-01-02-01-12", "02"), ("01-06-01-02-01", None), ("x", None)])
def test_the_statement_is_the_fourth_field_of_a_performance(name, statement) -> None:
    assert statement_of(name) == statement


def test_joined_caches_are_asked_too(tmp_path) -> None:
    clips = takes()
    caches = (write_cache(tmp_path, clips), write_cache(tmp_path, clips, name="other"))
    prepared = prepare(FitPlan((), heads=("logreg",), joins=(caches,)))
    baseline = load_baseline(prepared, prepared.systems[0], FeatureLoader())
    assert check_permuted(baseline, "")[0].verdict == "pass"


def test_a_pooled_cache_that_lacks_a_statistic_cannot_be_asked(tmp_path) -> None:
    cache = write_cache(tmp_path, takes(), pooled=("min", "max"))
    prepared = prepare(FitPlan((cache,), heads=("kernel",), settings={"statistics": ("min", "max")}))
    with pytest.raises(CacheError, match=r"the head needs \['mean', 'speed', 'std'\] as well"):
        load_baseline(prepared, prepared.systems[0], FeatureLoader())
