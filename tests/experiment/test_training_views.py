"""Views beside clips: which cache goes with which, and that they teach where their clip teaches and nowhere else."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.format import StoreRecipe
from ravfeat.errors import CacheError, CorpusError, UsageError
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads, prepare
from ravfeat.experiment.load import load_training
from ravfeat.experiment.systems import CacheSystem, open_systems
from ravfeat.experiment.training_views import pass_over_views
from ravfeat.features.load import load_features
from ravfeat.heads import registry
from ravfeat.media.augment import View
from ravfeat.protocols.folds import Fold
from ravfeat.protocols.named import get_protocol
from ravfeat.schema import FUSED_STREAMS
from tests.bothhead import BothHead
from tests.toycaches import Take, actors_and_emotions, build_cache
from tests.writtencaches import write_cache

VIEW, OTHER = View("published", 0).name, View("noise", 1).name
HEADS = ("logreg", "kernel", "attentive", "attentive-sum")
QUICK = {"epochs": 2, "hidden": 8}


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return [replace(take, features=take.features[:, 1:2]) for take in actors_and_emotions()]


def changed(takes: Sequence[Take], seed: int = 1, where: Callable[[Take], bool] = lambda _: True) -> list[Take]:
    """The same takes as a view hears them; those elsewhere sound like nothing there is."""
    rng = np.random.default_rng(seed)
    heard = []
    for take in takes:
        noise = rng.normal(size=take.features.shape)
        features = take.features + 0.3 * noise if where(take) else 50 * noise
        heard.append(replace(take, features=features.astype(np.float32)))
    return heard


@pytest.fixture(scope="module")
def clean(takes, tmp_path_factory) -> Path:
    return write_cache(tmp_path_factory.mktemp("clean"), takes, stream="audio")


@pytest.fixture(scope="module")
def view(takes, tmp_path_factory) -> Path:
    return write_cache(tmp_path_factory.mktemp("view"), takes, stream="audio", view=VIEW, heard=changed(takes))


def opened(clean: Path, *views: Path, protocol: str = "ravdess6", **options: Any) -> CacheSystem:
    (system,) = open_systems(FitPlan((clean,), train_views=views, **options), get_protocol(protocol))
    return system


def said(fitted: Fitted, fold: int) -> list[dict[str, Any]]:
    return [row for row in fitted.predictions.table.to_pylist() if row["fold"] == fold]


def models(fitted: Fitted, fold: int) -> list[dict[str, Any]]:
    return [one.model.arrays() | {"recipe": one.model.recipe} for one in fitted.models if one.fold == fold]


def fold_of(path: Path, protocol: str) -> tuple[CacheSystem, Fold]:
    (system,) = open_systems(FitPlan((path,), allow_leak=True), get_protocol(protocol))
    return system, system.folds[0]


# --- views teach, and never what their clip may not


@pytest.mark.parametrize(
    ("head", "select", "protocol"),
    [(head, select, "ravdess6") for head in HEADS for select in ("val", "nested")]
    + [("logreg", "val", "clip6"), ("logreg", "nested", "clip6")],
)
def test_views_of_clips_that_judge_change_no_model_and_no_score(
    head, select, protocol, takes, clean, view, tmp_path
) -> None:
    system, fold = fold_of(clean, protocol)
    rows = fold.test if select == "nested" else np.concatenate([fold.val, fold.test])
    judged = {system.clips.records[row].clip_id for row in rows}
    spoilt = changed(takes, where=lambda take: take.clip_id not in judged)
    other = write_cache(tmp_path, takes, stream="audio", view=VIEW, heard=spoilt)
    settings = {} if head in {"logreg", "kernel"} else QUICK
    plan = FitPlan(
        (clean,), protocol=protocol, heads=(head,), select=select, settings=settings, allow_leak=protocol == "clip6"
    )
    before, after = (fit_heads(replace(plan, train_views=(path,))) for path in (view, other))
    np.testing.assert_equal(models(before, 0), models(after, 0))
    assert said(before, 0) == said(after, 0)
    assert said(before, 1) != said(after, 1)  # they do teach elsewhere


@pytest.mark.parametrize("select", ["val", "nested"])
def test_views_teach_and_are_in_no_table(select, clean, view, takes) -> None:
    plan = FitPlan((clean,), heads=("logreg",), select=select)
    alone, both = fit_heads(plan), fit_heads(replace(plan, train_views=(view,)))
    assert said(alone, 0) != said(both, 0)
    key = ("fold", "split", "clip_id", "actor", "label")
    assert alone.predictions.table.select(key).equals(both.predictions.table.select(key))


def test_views_are_numbered_after_the_clips(clean, view) -> None:
    system = opened(clean, view)
    rows = system.rows
    np.testing.assert_array_equal(rows.origin, [*range(96), *range(96)])
    extended = rows.extend(system.folds[0].train, [system.folds[0].val, system.folds[0].test])
    np.testing.assert_array_equal(extended, [*system.folds[0].train, *(96 + system.folds[0].train)])


def test_several_views_teach_together(clean, view, takes, tmp_path) -> None:
    second = write_cache(tmp_path, takes, stream="audio", view=OTHER, heard=changed(takes, seed=5))
    plan = FitPlan((clean,), heads=("logreg",), train_views=(view, second))
    fitted = fit_heads(plan)
    (about,) = fitted.about["caches"]
    assert about["trained_on"] == "clean + published-1:seed0 + noise-1:seed1"
    assert [one["clips"] for one in about["views"]] == [96, 96]
    assert said(fitted, 0) != said(fit_heads(replace(plan, train_views=(view,))), 0)


def test_replaced_labels_are_those_of_the_views_too(clean, view, takes, tmp_path) -> None:
    lines = [f"{take.clip_id},{'loud' if take.label in {'angry', 'happy'} else 'still'}" for take in takes[4:]]
    (tmp_path / "labels.csv").write_text(
        "\n".join(["clip_id,label", *lines, *(f"{take.clip_id}," for take in takes[:4])]), encoding="utf-8"
    )
    system = opened(clean, view, protocol="group6", labels=tmp_path / "labels.csv")
    assert len(system.views[0].clip_ids) == len(system.clips.records) == 92
    y = system.rows.spread(system.clips.y)
    np.testing.assert_array_equal(y[:92], y[92:])
    loud = {take.clip_id for take in takes if take.label in {"angry", "happy"}}
    assert [system.clips.classes[k] == "loud" for k in y[92:]] == [
        clip_id in loud for clip_id in system.views[0].clip_ids
    ]


# --- the record


def test_the_record_names_the_views_that_trained(clean, view) -> None:
    fitted = fit_heads(FitPlan((clean,), heads=("logreg",), train_views=(view,)))
    (about,) = fitted.about["caches"]
    cache = open_cache(view)
    assert about["trained_on"] == "clean + published-1:seed0"
    assert about["views"] == [
        {
            "view": VIEW,
            "path": str(view),
            "fingerprint": cache.fingerprint,
            "content_sha256": cache.content_sha256(),
            "clips": 96,
            "lacking": [],
        }
    ]
    assert fitted.about["plan"]["train_views"] == [str(view)]


def test_without_views_the_record_says_clean(clean) -> None:
    about = opened(clean).about()
    assert (about["trained_on"], about["views"]) == ("clean", [])


def test_a_view_goes_with_the_cache_it_is_a_view_of(clean, view, takes, tmp_path) -> None:
    other = write_cache(tmp_path, takes, stream="audio", name="other")
    first, second = open_systems(FitPlan((other, clean), train_views=(view,)), get_protocol("ravdess6"))
    assert [len(one.views) for one in (first, second)] == [0, 1]
    assert second.about()["trained_on"] == "clean + published-1:seed0"


def test_caches_that_are_found_are_parted_into_clean_ones_and_views(clean, view) -> None:
    assert pass_over_views([view, clean]) == ([clean], {view: VIEW})


# --- what is refused


def test_a_view_is_no_system_and_no_part_of_a_join(clean, view) -> None:
    message = "holds the view 'published-1:seed0' of its clips, and heads are only tested on clean ones; give it with"
    with pytest.raises(UsageError, match=message):
        opened(view)
    with pytest.raises(UsageError, match=message):
        open_systems(FitPlan(joins=((clean, view),)), get_protocol("ravdess6"))


def test_clean_clips_are_no_view(clean) -> None:
    with pytest.raises(UsageError, match="holds the clean clips and no view of them; give it with --cache"):
        opened(clean, clean)


def test_a_view_counts_once_wherever_its_copies_lie(clean, view, takes, tmp_path) -> None:
    copy = write_cache(tmp_path, takes, stream="audio", view=VIEW, heard=changed(takes))
    for again in (view, copy):
        with pytest.raises(UsageError, match=r"the view in .* is given twice; name every --train-views once"):
            opened(clean, view, again)


@pytest.mark.parametrize(
    ("options", "differing"),
    [
        ({"dtype": "float16"}, 'dtype is "float16" there and "float32" here'),
        ({"name": "base"}, 'weights is "base" there and "toy" here'),
        ({"corpus": "other"}, 'corpus is "other" there and "ravdess" here'),
        ({"pooled": ("mean", "std")}, r'statistics is \["mean", "std"\] there and \[\] here; store is "pooled" there'),
    ],
)
def test_a_view_of_another_cache_is_refused_with_what_differs(options, differing, clean, takes, tmp_path) -> None:
    other = write_cache(tmp_path, takes, stream="audio", view=VIEW, **options)
    with pytest.raises(UsageError, match=f"is a view of none of the caches. .* is the most alike, but {differing}"):
        opened(clean, other)


def test_clips_that_a_view_lacks_are_named_and_left_out_on_request(clean, takes, tmp_path) -> None:
    path = write_cache(tmp_path, takes, stream="audio", view=VIEW, lost=("03-01", "07-02"))
    with pytest.raises(CacheError, match=r"lacks 2 of the 96 clips it is to be a view of: 03-01, 07-02\. Run the same"):
        opened(clean, path)
    system = opened(clean, path, allow_missing=True)
    assert len(system.clips.records) == 96
    (view,) = system.views
    assert (view.lacking, len(view.clip_ids), len(view.rows)) == (("03-01", "07-02"), 94, 94)
    assert [system.clips.records[row].clip_id for row in view.rows] == list(view.clip_ids)
    assert len(system.rows.origin) == 190
    fit_heads(FitPlan((clean,), heads=("logreg",), train_views=(path,), allow_missing=True))


def test_a_view_of_no_clip_is_refused_even_then(clean, takes, tmp_path) -> None:
    renamed = [replace(take, clip_id=f"x{take.clip_id}") for take in takes]
    path = write_cache(tmp_path, renamed, stream="audio", view=VIEW)
    with pytest.raises(CacheError, match="lacks 96 of the 96 clips"):
        opened(clean, path, allow_missing=True)


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("label", {"label": "disgust"}),
        ("performance_id", {"performance_id": "another"}),
        ("actor", {"actor": "ravdess:02"}),
        ("input_sha256", {"features": np.ones((3, 1, 4), np.float32)}),
    ],
)
def test_a_view_of_another_recording_is_refused(what, other, clean, takes, tmp_path) -> None:
    torn = [replace(takes[0], **other), *takes[1:]]
    path = write_cache(tmp_path, torn, stream="audio", view=VIEW)
    with pytest.raises(CorpusError, match=f"clip '01-00' has {what} '.*' in .* and '.*' in .*: a view is of the same"):
        opened(clean, path)


def test_heads_that_read_several_caches_have_no_views(clean, view, takes, tmp_path) -> None:
    other, face = write_cache(tmp_path, takes, stream="audio", name="other"), write_cache(tmp_path, takes)
    join = FitPlan((), heads=("logreg",), joins=((clean, other),), train_views=(view,))
    joint = FitPlan((clean, face), heads=("joint", "logreg"), train_views=(view,))
    for plan in (join, joint):
        with pytest.raises(UsageError, match="neither --concat nor the head 'joint' has a view of all its caches at"):
            prepare(plan)


# --- the real way: extracted, matched, trained


def test_views_that_were_extracted_are_views_of_the_extracted_clips(tmp_path) -> None:
    takes = actors_and_emotions()
    clean = build_cache(tmp_path / "clean", takes)
    paths = [
        build_cache(tmp_path / name, takes, recipe=StoreRecipe(dtype="float32", view=View(name, 3).name))
        for name in ("gain", "noise")
    ]
    system = opened(clean, *paths)
    assert [view.name for view in system.views] == ["gain-1:seed3", "noise-1:seed3"]
    before, after = (open_cache(path)["05-02"] for path in (clean, paths[0]))
    factor = (after / before).ravel()
    assert np.allclose(factor, factor[0], rtol=1e-4)
    assert abs(factor[0] - 1) > 0.01
    fitted = fit_heads(FitPlan((clean,), heads=("attentive",), settings=QUICK, train_views=tuple(paths)))
    assert fitted.about["caches"][0]["trained_on"] == "clean + gain-1:seed3 + noise-1:seed3"


# --- heads over several streams


@pytest.fixture
def _both(monkeypatch) -> None:
    monkeypatch.setitem(registry.HEADS, BothHead.name, BothHead)


@pytest.fixture(scope="module")
def face(tmp_path_factory) -> Path:
    """Faces of the same performances, under names of their own and in another order."""
    faces = [
        replace(take, performance_id=take.clip_id, clip_id=f"face-{take.clip_id}", features=take.features[:, 1:2, :3])
        for take in reversed(actors_and_emotions(seed=3))
    ]
    return write_cache(tmp_path_factory.mktemp("face"), faces)


@pytest.mark.usefixtures("_both")
def test_a_view_of_a_voice_lies_beside_the_face_of_its_clip(clean, view, face) -> None:
    # The face first: the head says in which order it reads.
    plan = FitPlan((face, clean), heads=("both",), train_views=(view,))
    (system,) = prepare(plan).systems
    features = load_training(plan, system, BothHead().reading)
    (faces,) = features.also
    assert (len(features), len(faces), system.rows.n_clips) == (192, 192, 96)
    np.testing.assert_array_equal(faces.frames[96:], faces.frames[:96])
    assert (features.frames[96:] != features.frames[:96]).any(axis=(1, 2)).all()
    ids = system.views[0].clip_ids
    views = load_features(open_cache(view), ids, BothHead().reading)
    np.testing.assert_array_equal(features.frames[96:], views.frames)


@pytest.mark.usefixtures("_both")
def test_a_view_of_a_face_lies_beside_the_voice_of_its_clip(clean, face, takes, tmp_path) -> None:
    faces = [replace(take, performance_id=take.clip_id, clip_id=f"f{take.clip_id}") for take in takes]
    path = write_cache(tmp_path, faces, name="whole", lost=())
    seen = write_cache(tmp_path, faces, name="whole", view=VIEW, heard=changed(faces), lost=("f01-00",))
    plan = FitPlan((clean, path), heads=("both",), train_views=(seen,), allow_missing=True)
    (system,) = prepare(plan).systems
    features = load_training(plan, system, BothHead().reading)
    assert (len(features), len(features.also[0]), system.views[0].of) == (191, 191, 1)
    np.testing.assert_array_equal(features.frames[96:], features.frames[system.rows.origin[96:]])


@pytest.mark.usefixtures("_both")
def test_a_head_over_a_voice_and_a_face_is_fused_like_any_other(clean, view, face) -> None:
    plan = FitPlan((clean, face), heads=("both", "face:logreg"), train_views=(view,))
    fitted = fit_heads(plan)
    assert {system.stream for system in fitted.predictions.systems()} == {"av", "face", *FUSED_STREAMS}
    assert fitted.fusion is not None
    assert [system.stream for system in fitted.fusion.systems] == ["av", "face"]
    trained = {about["stream"]: about["trained_on"] for about in fitted.about["caches"]}
    assert trained == {"av": "clean + published-1:seed0", "face": "clean"}
    alone = fit_heads(replace(plan, train_views=()))
    assert said(alone, 0) != said(fitted, 0)


@pytest.mark.usefixtures("_both")
def test_two_heads_over_several_streams_are_two_systems(clean, face) -> None:
    settings = {**QUICK, "lrs": (1e-2,), "stream_dropouts": (0.0,)}
    prepared = prepare(FitPlan((clean, face), heads=("joint", "both"), settings=settings))
    assert [system.stream for system in prepared.systems] == ["joint", "av"]


@pytest.mark.usefixtures("_both")
def test_a_head_over_a_voice_and_a_face_needs_one_of_each(clean, takes, tmp_path) -> None:
    other = write_cache(tmp_path, takes, stream="audio", name="other")
    with pytest.raises(
        UsageError, match=r"'both' reads one --cache of each of the streams audio, face; got\n  audio: "
    ):
        prepare(FitPlan((clean, other), heads=("both",)))
    with pytest.raises(UsageError, match=r"'audio:both': the head 'both' reads several streams; ask for --head both"):
        prepare(FitPlan((clean, other), heads=("audio:both",)))
