"""Caches × protocol × heads → predictions."""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.format import StoreRecipe
from ravfeat.errors import CacheError, CorpusError, LeakError, ProtocolError, UsageError
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads, gather, prepare, train
from ravfeat.fusion import name_of
from ravfeat.protocols.named import FIXED
from ravfeat.schema import FUSED_STREAMS, METRIC_FIELDS
from ravfeat.stats import DEBIASED, METRICS, metric_records
from tests.toycaches import EMOTIONS, Take, actors_and_emotions, build_cache
from tests.writtencaches import write_cache

HEADS = ("logreg", "kernel", "attentive", "attentive-sum")
TEST_ACTORS = {f"ravdess:{actor:02d}" for actor in FIXED["ravdess6"].test[0]}
VAL_ACTORS = {f"ravdess:{actor:02d}" for actor in FIXED["ravdess6"].val[0]}
QUICK = {"epochs": 2, "hidden": 8}


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return actors_and_emotions()


@pytest.fixture(scope="module")
def cache(takes, tmp_path_factory) -> Path:
    return build_cache(tmp_path_factory.mktemp("toy"), takes)


@pytest.fixture(scope="module")
def fitted(cache) -> Fitted:
    return fit_heads(FitPlan((cache,), heads=("logreg", "attentive"), seeds=2, settings=QUICK))


def rows(fitted: Fitted, **wanted: Any) -> list[dict[str, Any]]:
    return [
        row for row in fitted.predictions.table.to_pylist() if all(row[key] == value for key, value in wanted.items())
    ]


def arrays(fitted: Fitted, fold: int) -> list[dict[str, np.ndarray]]:
    return [one.model.arrays() for one in fitted.models if one.fold == fold]


# --- nothing is learned from test rows


@pytest.mark.parametrize("select", ["val", "nested"])
@pytest.mark.parametrize("head", HEADS)
def test_what_test_clips_hold_and_are_called_changes_no_model_and_no_choice(
    head, select, takes, cache, tmp_path
) -> None:
    rng = np.random.default_rng(1)
    tested = [i for i, take in enumerate(takes) if take.actor in TEST_ACTORS]
    labels = dict(zip(tested, rng.permutation([takes[i].label for i in tested]), strict=True))
    other = [
        replace(take, label=str(labels[i]), features=rng.uniform(-7, 7, take.features.shape).astype(np.float32))
        if i in labels
        else take
        for i, take in enumerate(takes)
    ]
    plans = [
        FitPlan((path,), heads=(head,), select=select, settings={} if head in {"logreg", "kernel"} else QUICK)
        for path in (cache, build_cache(tmp_path, other))
    ]
    before, after = map(fit_heads, plans)
    for one, two in zip(arrays(before, 0), arrays(after, 0), strict=True):
        for name, values in one.items():
            np.testing.assert_array_equal(values, two[name], err_msg=name)
    assert [one.model.recipe for one in before.models if one.fold == 0] == [
        one.model.recipe for one in after.models if one.fold == 0
    ]
    assert rows(before, fold=0, split="val") == rows(after, fold=0, split="val")
    assert rows(before, fold=0, split="test") != rows(after, fold=0, split="test")
    assert rows(before, fold=1, split="val") != rows(after, fold=1, split="val")  # they do teach elsewhere


# --- what comes out


def test_every_clip_is_tested_once_per_system_and_seed_with_its_own_facts(fitted, takes) -> None:
    facts = {take.clip_id: (take.actor, take.label) for take in takes}
    for head, seeds in (("logreg", [0]), ("attentive", [0, 1])):
        for seed in seeds:
            tested = rows(fitted, head=head, seed=seed, split="test")
            assert {row["clip_id"]: (row["actor"], row["label"]) for row in tested} == facts
            assert len(tested) == len(facts)
    assert not rows(fitted, head="logreg", seed=1)


def test_validation_rows_are_those_of_the_validation_actors(fitted) -> None:
    assert {row["actor"] for row in rows(fitted, fold=0, split="val")} == VAL_ACTORS
    assert {row["actor"] for row in rows(fitted, fold=0, split="test")} == TEST_ACTORS


def test_nested_validation_rows_are_all_rows_but_the_test_rows(cache, takes) -> None:
    nested = fit_heads(FitPlan((cache,), heads=("logreg",), select="nested"))
    counts = Counter(row["clip_id"] for row in rows(nested, fold=0, split="val"))
    assert counts == {take.clip_id: 1 for take in takes if take.actor not in TEST_ACTORS}


def test_a_head_finds_what_is_there(fitted) -> None:
    scores = {(r["head"], r["metric"], r["averaging"]): r["value"] for r in metric_records(fitted.predictions)}
    assert scores["logreg", "uar", "pooled"] > 0.5  # chance is 0.25


def test_there_is_one_model_per_system_fold_and_seed_and_one_metric_record_per_key(fitted) -> None:
    models = Counter((one.head, one.fold, one.seed) for one in fitted.models)
    assert models == Counter(
        [("logreg", fold, 0) for fold in range(6)] + [("attentive", fold, seed) for fold in range(6) for seed in (0, 1)]
    )
    records = metric_records(fitted.predictions)
    keys = [tuple(r[key] for key in ("stream", "features", "head", "metric", "averaging")) for r in records]
    fused = [record for record in records if record["stream"].startswith("fused")]
    assert len(keys) == len(set(keys)) == (2 + 3) * len([*METRICS, *DEBIASED.values()]) * 2
    assert {record["stream"] for record in fused} == set(FUSED_STREAMS)
    assert all(tuple(record) == METRIC_FIELDS for record in records)
    assert {record["n"] for record in records} == {96}
    assert {record["metric"] for record in records} == {*METRICS, *DEBIASED.values()}


def test_seeds_differ_and_the_same_plan_gives_the_same_file(cache, tmp_path) -> None:
    plan = FitPlan(
        (cache,), protocol="group2", heads=("attentive", "logreg", "kernel", "attentive-sum"), seeds=2, settings=QUICK
    )
    for name in ("one", "two"):
        fit_heads(plan).predictions.write(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = fit_heads(replace(plan, heads=("attentive",)))
    first, second = (rows(again, seed=seed, split="test") for seed in (0, 1))
    assert [row["logits"] for row in first] != [row["logits"] for row in second]


def test_the_record_says_what_was_read_and_how_it_was_split(fitted, cache) -> None:
    (about,) = fitted.about["caches"]
    assert about["path"] == str(cache)
    assert (about["features"], about["clips"], about["missing"]) == ("toy", 96, [])
    assert fitted.about["classes"] == list(EMOTIONS)
    assert {"ravfeat", "torch", "numpy"} <= fitted.about["versions"].keys()
    assert len(about["folds"]) == 18


def test_loso24_selects_nested_whatever_was_asked_for_and_says_so(cache, caplog) -> None:
    with caplog.at_level(logging.WARNING, "ravfeat"):
        fitted = fit_heads(FitPlan((cache,), protocol="loso24", heads=("logreg",), layers="1"))
    assert "selection is nested" in caplog.text
    assert fitted.predictions.select == fitted.about["select"] == "nested"
    assert {r["select"] for r in metric_records(fitted.predictions)} == {"nested"}


def test_the_leaky_control_says_so_everywhere_and_needs_leave(cache) -> None:
    with pytest.raises(LeakError, match="Add --allow-leak"):
        fit_heads(FitPlan((cache,), protocol="clip6", heads=("logreg",)))
    fitted = fit_heads(FitPlan((cache,), protocol="clip6", heads=("logreg",), layers="1", allow_leak=True))
    assert fitted.predictions.leaky
    assert fitted.about["leaky"]
    assert {record["leaky"] for record in metric_records(fitted.predictions)} == {True}


def test_a_synthetic_corpus_stays_marked(takes, tmp_path) -> None:
    path = build_cache(tmp_path, takes, corpus="synth", synthetic=True)
    assert fit_heads(FitPlan((path,), heads=("logreg",), layers="1")).predictions.synthetic


# --- what heads are told to read


@pytest.mark.parametrize(("text", "read"), [("last", [2]), ("0-1", [0, 1]), ("1", [1])])
def test_heads_read_the_layers_that_are_named(text, read, cache) -> None:
    fitted = fit_heads(FitPlan((cache,), heads=("logreg", "attentive"), layers=text, settings=QUICK))
    for one in fitted.models:
        assert set(one.model.recipe["layers"]) <= set(read)
        if one.head == "attentive":
            assert list(one.model.layer_weights) == read


def test_layers_are_numbers_of_the_encoder_also_where_a_cache_holds_some(takes, tmp_path) -> None:
    path = build_cache(tmp_path, takes, recipe=StoreRecipe(layers=(1, 2), dtype="float32"))
    fitted = fit_heads(FitPlan((path,), heads=("attentive",), layers="1", settings=QUICK))
    assert {tuple(one.model.layer_weights) for one in fitted.models} == {(1,)}
    with pytest.raises(UsageError, match="layers '0': there are 1-2, not 0"):
        fit_heads(FitPlan((path,), heads=("attentive",), layers="0"))


@pytest.mark.parametrize("head", ["logreg", "attentive", "attentive-sum"])
def test_heads_can_do_without_the_standard_deviation(head, cache) -> None:
    settings = {} if head == "logreg" else QUICK
    plan = FitPlan((cache,), heads=(head,), layers="1", settings=settings)
    sizes = [sum(a.size for a in arrays(fit_heads(replace(plan, std=std)), 0)[0].values()) for std in (True, False)]
    assert sizes[0] > sizes[1]


def test_settings_reach_the_heads_that_have_them_and_no_others(cache) -> None:
    plan = FitPlan((cache,), heads=("logreg", "attentive"), layers="1", settings={"epochs": 3})
    recipes = {one.head: one.model.recipe["settings"] for one in fit_heads(plan).models}
    assert recipes["attentive"]["epochs"] == 3
    assert "epochs" not in recipes["logreg"]
    with pytest.raises(UsageError, match="none of the heads logreg has the setting 'epochs'"):
        fit_heads(replace(plan, heads=("logreg",)))


@pytest.mark.parametrize(
    ("heads", "match"),
    [
        (("logreg", "forest"), "no head 'forest'; choose from attentive"),
        (("logreg", "logreg"), "expected every head once, got logreg, logreg"),
        ((), "expected every head once, got none"),
    ],
)
def test_wrong_heads_are_refused(heads, match, cache) -> None:
    with pytest.raises(UsageError, match=match):
        fit_heads(FitPlan((cache,), heads=heads))


# --- several caches


def test_every_cache_and_head_is_a_system_and_equal_names_are_told_apart(cache, takes, tmp_path) -> None:
    middle = build_cache(tmp_path / "a", takes, recipe=StoreRecipe(layers=(1,), dtype="float32"))
    other = build_cache(tmp_path / "b", takes, name="other")
    fitted = fit_heads(FitPlan((cache, middle, other), heads=("logreg", "kernel"), layers="1", rule=None))
    names = {f"toy-{path.name[-12:]}" for path in (cache, middle)} | {"other"}
    assert {tuple(system) for system in fitted.predictions.systems()} == {
        ("audio", name, head) for name in names for head in ("logreg", "kernel")
    }


def test_a_pooled_cache_serves_heads_that_need_no_frames(takes, cache, tmp_path) -> None:
    pooled = build_cache(tmp_path, takes, recipe=StoreRecipe(store="pooled", dtype="float32"))
    from_pooled, from_frames = (fit_heads(FitPlan((path,), heads=("logreg",), layers="1")) for path in (pooled, cache))
    for one, two in zip(rows(from_pooled, split="test"), rows(from_frames, split="test"), strict=True):
        np.testing.assert_allclose(one["logits"], two["logits"], atol=1e-3)
    fit_heads(FitPlan((pooled,), heads=("attentive",), settings=QUICK))


def test_what_a_head_lacks_is_said_before_another_is_trained(takes, tmp_path, monkeypatch) -> None:
    pooled = build_cache(tmp_path, takes, recipe=StoreRecipe(store="pooled", dtype="float32"))
    monkeypatch.setattr("ravfeat.experiment.systems.load_features", pytest.fail)
    with pytest.raises(CacheError, match=r"holds pooled \['mean', 'std'\], the head needs \["):
        fit_heads(FitPlan((pooled,), heads=("logreg", "kernel")))


def test_one_cache_twice_is_refused(cache) -> None:
    with pytest.raises(UsageError, match="is given twice"):
        fit_heads(FitPlan((cache, cache), heads=("logreg",)))


def test_caches_of_two_corpora_are_refused_and_listed(cache, tmp_path) -> None:
    synth = build_cache(tmp_path, actors_and_emotions(corpus="synth"), corpus="synth")
    with pytest.raises(UsageError, match=rf"one run grades one corpus; (.|\n)*ravdess: {cache}\n  synth: {synth}"):
        fit_heads(FitPlan((cache, synth), heads=("logreg",)))


def test_caches_with_other_classes_are_refused(cache, takes, tmp_path) -> None:
    fewer = build_cache(tmp_path, [take for take in takes if take.label != "calm"])
    with pytest.raises(UsageError, match=r"different classes: .*'calm'.*train them in runs of their own"):
        fit_heads(FitPlan((cache, fewer), heads=("logreg",)))


# --- missing clips


@pytest.fixture
def gappy(takes, tmp_path) -> tuple[Path, str]:
    """A cache that one clip could not get into."""
    silent = replace(takes[30], features=np.zeros_like(takes[30].features))
    return build_cache(tmp_path, [silent if take is takes[30] else take for take in takes]), takes[30].clip_id


def test_a_missing_clip_is_named_with_its_reason(gappy) -> None:
    path, clip_id = gappy
    with pytest.raises(
        CacheError, match=rf"lacks 1 of 96 clips: {clip_id} \(.*silent.*\)\. Run .* or go on .*--allow-miss"
    ):
        fit_heads(FitPlan((path,), heads=("logreg",)))


def test_missing_clips_may_be_left_out_on_request_and_are_recorded(gappy) -> None:
    path, clip_id = gappy
    fitted = fit_heads(FitPlan((path,), heads=("logreg",), layers="1", allow_missing=True))
    assert fitted.about["caches"][0]["missing"] == [clip_id]
    assert len(rows(fitted, split="test")) == 95
    assert not rows(fitted, clip_id=clip_id)


def test_a_label_file_may_name_a_missing_clip(gappy, takes, tmp_path) -> None:
    path, _ = gappy
    labels = write_labels(tmp_path, {take.clip_id: take.label for take in takes})
    fitted = fit_heads(FitPlan((path,), heads=("logreg",), layers="1", allow_missing=True, labels=labels))
    assert len(rows(fitted, split="test")) == 95


# --- other labels


def write_labels(folder: Path, labels: dict[str, str], **extra: str) -> Path:
    path = folder / "labels.csv"
    lines = [",".join(["clip_id", "label", *extra])]
    lines += [",".join([clip_id, label, *extra.values()]) for clip_id, label in labels.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_labels_may_merge_classes_and_leave_clips_out(cache, takes, tmp_path) -> None:
    merge = {"angry": "high", "happy": "high", "sad": "low"}
    path = write_labels(tmp_path, {take.clip_id: merge.get(take.label, "") for take in takes})
    fitted = fit_heads(FitPlan((cache,), heads=("logreg",), layers="1", labels=path))
    assert fitted.predictions.classes == ("high", "low")
    assert fitted.about["caches"][0]["left_out"] == 24
    assert {row["clip_id"]: row["label"] for row in rows(fitted, split="test")} == {
        take.clip_id: merge[take.label] for take in takes if take.label in merge
    }


def test_actors_and_performances_come_from_the_shards_whatever_a_label_file_says(cache, takes, tmp_path) -> None:
    labels = {take.clip_id: take.label for take in takes}
    path = write_labels(tmp_path, labels, actor="ravdess:01", performance_id="same", gender="male")
    fitted = fit_heads(FitPlan((cache,), heads=("logreg",), layers="1", labels=path))
    assert {row["clip_id"]: row["actor"] for row in rows(fitted, split="test")} == {t.clip_id: t.actor for t in takes}
    assert all(row["performance_id"] == row["clip_id"] for row in rows(fitted))


def test_labels_for_unknown_clips_and_of_one_class_are_refused(cache, takes, tmp_path) -> None:
    path = write_labels(tmp_path, {take.clip_id: take.label for take in takes} | {"nobody-00": "sad"})
    with pytest.raises(CorpusError, match="labels 1 clips that belong in none of the caches: nobody-00"):
        fit_heads(FitPlan((cache,), heads=("logreg",), labels=path))
    path = write_labels(tmp_path, {take.clip_id: "calm" for take in takes})
    with pytest.raises(CorpusError, match=r"labels\.csv leaves 1 class; a head needs at least two"):
        fit_heads(FitPlan((cache,), heads=("logreg",), labels=path))


# --- leaks are read from the shards


def test_a_performance_of_two_actors_in_the_shards_stops_everything_by_name(takes, tmp_path, monkeypatch) -> None:
    torn = [replace(take, performance_id=takes[0].clip_id) if take is takes[-1] else take for take in takes]
    path = build_cache(tmp_path, torn)
    monkeypatch.setattr("ravfeat.experiment.systems.load_features", pytest.fail)
    with pytest.raises(LeakError, match=r"performance '01-00' is in .*ravdess:(01|24).* and in .*ravdess:(01|24)"):
        fit_heads(FitPlan((path,), heads=("logreg",)))


def test_one_recording_under_two_actors_stops_everything_by_name(takes, tmp_path) -> None:
    torn = [replace(take, features=takes[0].features) if take is takes[-1] else take for take in takes]
    with pytest.raises(
        LeakError, match=r"recording '[0-9a-f]{16}…' is in .*ravdess:(01|24).* and in .*ravdess:(01|24)"
    ):
        fit_heads(FitPlan((build_cache(tmp_path, torn),), heads=("logreg",)))


def test_a_corpus_of_other_people_is_sent_to_a_group_protocol_which_works(tmp_path) -> None:
    people = ("anna", "bob", "carl", "dora")
    takes = [
        replace(take, actor=f"mine:{people[int(take.actor[-2:]) - 1]}", gender="")
        for take in actors_and_emotions(actors=4, repeats=2)
    ]
    path = build_cache(tmp_path, takes, corpus="mine")
    with pytest.raises(ProtocolError, match="use --protocol group4"):
        fit_heads(FitPlan((path,), heads=("logreg",)))
    for select in ("val", "nested"):
        fitted = fit_heads(FitPlan((path,), protocol="group4", heads=("logreg",), layers="1", select=select))
        assert {row["actor"] for row in rows(fitted, split="test")} == {f"mine:{name}" for name in people}


# --- joined caches of faces


@pytest.fixture(scope="module")
def faces(takes, tmp_path_factory) -> tuple[Path, Path]:
    """Two face caches of one layer: the emotion in one, noise of another width in the other."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(5)
    one = [replace(take, features=take.features[:, 1:2]) for take in takes]
    two = [replace(take, features=rng.normal(size=(4, 1, 2)).astype(np.float32)) for take in takes]
    return write_cache(folder, one, name="one"), write_cache(folder, two, name="two")


@pytest.mark.parametrize("select", ["val", "nested"])
def test_a_join_is_a_further_system_that_differs_from_its_parts(select, faces) -> None:
    fitted = fit_heads(FitPlan(faces, heads=("logreg", "kernel"), select=select, joins=(faces,), rule=None))
    systems = {tuple(system) for system in fitted.predictions.systems()}
    assert systems == {("face", name, head) for name in ("one", "two", "one+two") for head in ("logreg", "kernel")}
    tested = {name: rows(fitted, features=name, head="logreg", split="test") for name in ("one", "one+two")}
    assert [row["clip_id"] for row in tested["one"]] == [row["clip_id"] for row in tested["one+two"]]
    assert [row["logits"] for row in tested["one"]] != [row["logits"] for row in tested["one+two"]]
    assert [one["features"] for one in fitted.about["caches"]] == ["one", "two", "one+two"]
    assert [one["features"] for one in fitted.about["caches"][2]["joined"]] == ["one", "two"]
    assert {tuple(one.model.recipe["blocks"]) for one in fitted.models if one.features == "one+two"} == {(4, 2)}


def test_systems_that_are_trained_one_by_one_give_what_they_give_together(faces) -> None:
    prepared = prepare(FitPlan(faces, heads=("logreg", "kernel"), joins=(faces,), select="nested"))
    whole, parts = train(prepared), [train(part) for part in prepared.by_system()]
    together = gather(parts)
    assert [len(part.about["caches"]) for part in parts] == [1, 1, 1]
    assert together.predictions.table == whole.predictions.table
    assert together.about == whole.about
    names = [[(one.features, one.head, one.fold) for one in fitted.models] for fitted in (together, whole)]
    assert names[0] == names[1]


def test_a_join_alone_trains_nothing_else_and_reads_the_layers_that_are_named(takes, tmp_path) -> None:
    paths = (write_cache(tmp_path, takes), write_cache(tmp_path, takes, name="other"))
    for text, width in ((None, 12), ("0-1", 8), ("last", 4)):
        fitted = fit_heads(FitPlan(heads=("logreg",), joins=(paths,), layers=text))
        assert {one.features for one in fitted.models} == {"toy+other"}
        assert {tuple(one.model.recipe["blocks"]) for one in fitted.models} == {(width, width)}


def test_what_tested_clips_of_a_join_hold_changes_no_model(faces, takes, tmp_path) -> None:
    rng = np.random.default_rng(9)
    other = [
        replace(take, features=9 * rng.normal(size=(4, 1, 2)).astype(np.float32))
        if take.actor in TEST_ACTORS
        else replace(take, features=open_cache(faces[1])[take.clip_id])
        for take in takes
    ]
    changed = write_cache(tmp_path, other, name="two")
    before, after = (fit_heads(FitPlan(heads=("logreg",), joins=((faces[0], path),))) for path in (faces[1], changed))
    for one, two in zip(arrays(before, 0), arrays(after, 0), strict=True):
        for name, values in one.items():
            np.testing.assert_array_equal(values, two[name], err_msg=name)
    assert rows(before, fold=0, split="test") != rows(after, fold=0, split="test")


def test_one_recording_of_two_actors_in_a_joined_cache_stops_inner_folds_by_name(takes, faces, tmp_path) -> None:
    one, other = (next(take for take in takes if take.actor == actor) for actor in sorted(TEST_ACTORS)[:2])
    other_takes = [replace(take, features=one.features) if take is other else take for take in takes]
    torn = write_cache(tmp_path, other_takes, name="torn")
    plan = FitPlan(heads=("logreg",), joins=((faces[0], torn),))
    prepare(plan)  # both are always on one side of the outer folds
    with pytest.raises(
        LeakError,
        match=rf"inner fold \d of fold \d of 'ravdess6' leaks: recording '[0-9a-f]{{16}}…' is in train"
        rf" \(clip '({one.clip_id}|{other.clip_id})', .*choose on validation actors: --select val",
    ):
        prepare(replace(plan, select="nested"))


@pytest.mark.parametrize("head", HEADS)
def test_every_head_trains_on_faces_with_one_frame_per_clip(head, takes, tmp_path) -> None:
    still = [replace(take, features=take.features[:, 1:2].mean(0, keepdims=True)) for take in takes]
    settings = QUICK if head.startswith("attentive") else {}
    fitted = fit_heads(FitPlan((write_cache(tmp_path, still),), heads=(head,), settings=settings))
    assert len(rows(fitted, split="test")) == 96
    scores = {r["metric"]: r["value"] for r in metric_records(fitted.predictions) if r["averaging"] == "pooled"}
    assert scores["uar"] > (0.2 if settings else 0.5)  # two epochs teach little


# --- one network over several streams


@pytest.fixture(scope="module")
def voice_and_face(takes, tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("streams")
    voices = [replace(take, performance_id=take.clip_id, clip_id=f"voice-{take.clip_id}") for take in takes]
    faces = [
        replace(take, performance_id=take.clip_id, clip_id=f"face-{take.clip_id}", features=take.features[..., :3])
        for take in actors_and_emotions(seed=3)
    ]
    return (
        write_cache(folder / "voice", voices, name="voice", stream="audio"),
        write_cache(folder / "face", faces, name="face"),
    )


JOINT = QUICK | {"lrs": (1e-2,), "stream_dropouts": (0.0,)}


def test_a_joint_head_alone_is_one_system_over_all_caches(voice_and_face) -> None:
    fitted = fit_heads(FitPlan(voice_and_face, heads=("joint",), settings=JOINT))
    assert [tuple(system) for system in fitted.predictions.systems()] == [("joint", "voice+face", "joint")]
    assert fitted.fusion is None
    (about,) = fitted.about["caches"]
    assert [one["features"] for one in about["joined"]] == ["voice", "face"]
    assert fitted.about["plan"]["heads"] == ["joint"]


def test_a_joint_head_stands_beside_a_fusion_and_is_not_mixed_in(voice_and_face) -> None:
    heads = ("joint", "audio:logreg", "face:logreg")
    fitted = fit_heads(FitPlan(voice_and_face, heads=heads, settings=JOINT))
    late = fit_heads(FitPlan(voice_and_face, heads=heads[1:]))
    assert {system.stream for system in fitted.predictions.systems()} == {"audio", "face", "joint", *FUSED_STREAMS}
    assert late.fusion is not None
    fused = name_of(late.fusion.systems, "fused")
    np.testing.assert_array_equal(*(one.predictions.seed_averaged(fused).probs for one in (fitted, late)))


def test_a_cache_that_only_the_joint_head_reads_is_no_system_of_its_own(voice_and_face) -> None:
    fitted = fit_heads(FitPlan(voice_and_face, heads=("joint", "face:logreg"), settings=JOINT))
    assert [system.stream for system in fitted.predictions.systems()] == ["face", "joint"]


def test_a_joint_head_needs_a_cache_of_each_of_two_streams(voice_and_face, cache) -> None:
    with pytest.raises(UsageError, match=r"one --cache of each \(a voice, a face\), got .*voice"):
        prepare(FitPlan(voice_and_face[:1], heads=("joint",)))
    with pytest.raises(UsageError, match=r"one --cache of each \(a voice, a face\), got\n  audio: .*\n  audio: "):
        prepare(FitPlan((voice_and_face[0], cache), heads=("joint",)))
    with pytest.raises(UsageError, match=r"'audio:joint': the head 'joint' reads several streams"):
        prepare(FitPlan(voice_and_face, heads=("audio:joint",)))
