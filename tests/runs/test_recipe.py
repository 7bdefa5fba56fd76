"""Recipes: versions, keys, and what is asked of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ravfeat.errors import PredictionsError
from ravfeat.predictions import System
from ravfeat.runs.recipe import Recipe, read_recipe, recipe_of

ORIGIN = {"path": "cache/a", "fingerprint": "f0", "identity": {"layers": [0, 1]}, "content_sha256": "c0"}
INPUTS = {"stream": "audio", "features": "a", "corpus": "toy", "fingerprint": "f0", "missing": ["x"], "folds": []}
SIDE = {"fold": 0, "split": "test", "clips": 1, "actors": ["a"], "labels": {"sad": 1}}
CHOSEN = {"stream": "audio", "features": "a", "head": "logreg", "seed": 0, "fold": 1, "chosen": {"C": 1.0}}
WHOLE: dict[str, Any] = {
    "format_version": 1,
    "command": None,
    "protocol": "group3",
    "leaky": False,
    "select": "val",
    "seeds": 1,
    "classes": ["sad", "happy"],
    "caches": [INPUTS | ORIGIN],
    "chosen": [CHOSEN | {"settings": {}}],
    "versions": {"ravfeat": "1"},
}


def read(record: dict[str, Any]) -> Recipe:
    return recipe_of(json.loads(json.dumps(record)), Path("run/recipe.json"))


def test_a_recipe_is_read_as_typed_values_and_its_record_is_kept() -> None:
    recipe = read(WHOLE | {"note": "mine"})
    assert recipe.classes == ("sad", "happy")
    (cache,) = recipe.origins()
    assert (cache.path, cache.features, cache.corpus, cache.content_sha256) == (Path("cache/a"), "a", "toy", "c0")
    assert recipe.chosen[0].system == System("audio", "a", "logreg")
    assert recipe.record["note"] == "mine"


def test_caches_of_joins_pairs_and_views_are_all_given_with_their_corpus() -> None:
    joined = INPUTS | {"joined": [ORIGIN, ORIGIN | {"path": "cache/b"}]}
    pair = INPUTS | {"train_cache": ORIGIN, "test_cache": ORIGIN | {"path": "cache/t"}}
    pair |= {"train_corpus": "one", "test_corpus": "two"}
    view = {"view": "gain-1:seed0", "path": "cache/v", "fingerprint": "f1", "content_sha256": "c1"}
    recipe = read(WHOLE | {"caches": [joined, pair, INPUTS | ORIGIN | {"views": [view]}]})
    assert [(str(origin.path), origin.corpus, origin.view) for origin in recipe.origins()] == [
        ("cache/a", "toy", ""),
        ("cache/b", "toy", ""),
        ("cache/a", "one", ""),
        ("cache/t", "two", ""),
        ("cache/a", "toy", ""),
        ("cache/v", "toy", "gain-1:seed0"),
    ]


def test_where_an_encoder_came_from_is_kept_of_every_cache_that_says_it() -> None:
    said = ORIGIN | {"source": {"kind": "logmel", "name": "logmel"}}
    pair = INPUTS | {"train_cache": said, "test_cache": ORIGIN}
    recipe = read(WHOLE | {"caches": [INPUTS | said, INPUTS | {"joined": [ORIGIN, said]}, pair]})
    assert [origin.source.get("name") for origin in recipe.origins()] == ["logmel", None, "logmel", "logmel", None]


def test_what_fused_runs_record_is_found_with_the_rest() -> None:
    inner = {"caches": [INPUTS | ORIGIN | {"missing": ["y"], "corpus": "other"}], "missing_clips": ["z"]}
    recipe = read(WHOLE | {"runs": [{"path": "runs/a", "recipe": {"runs": [{"recipe": inner}]}}]})
    assert len(list(recipe.with_fused())) == 3
    assert recipe.missing_clip_ids() == ["x", "y", "z"]
    assert recipe.corpora() == ["toy", "other"]


def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: {name: value for name, value in record.items() if name not in names}


@pytest.mark.parametrize("name", sorted(WHOLE.keys() - {"format_version"}))
def test_a_recipe_of_version_1_that_lacks_a_key_is_refused_and_one_without_a_version_is_read(name: str) -> None:
    with pytest.raises(PredictionsError, match=rf"run/recipe\.json: it lacks '{name}'; make the run again"):
        read(without(name)(WHOLE))
    assert read(without(name, "format_version")(WHOLE)).format_version == 0


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (without("stream")(INPUTS | ORIGIN), r"caches\[0\] lacks 'stream'"),
        (INPUTS, r"caches\[0\] lacks 'path'"),
        (without("content_sha256")(INPUTS | ORIGIN), r"caches\[0\] lacks 'content_sha256' of cache/a"),
        (INPUTS | ORIGIN | {"views": [{"path": "v"}]}, r"caches\[0\] lacks 'fingerprint' of v"),
        (INPUTS | ORIGIN | {"missing": "x"}, r'caches\[0\]\.missing is "x", expected a list'),
        (INPUTS | ORIGIN | {"folds": [{"fold": 0}]}, r"caches\[0\]\.folds\[0\] lacks 'split'"),
        (
            INPUTS | ORIGIN | {"folds": [SIDE | {"split": "all"}]},
            r"caches\[0\]\.folds\[0\]\.split is \"all\", expected",
        ),
        (
            INPUTS | ORIGIN | {"folds": [SIDE | {"labels": {"sad": "1"}}]},
            r"folds\[0\]\.labels\.sad is \"1\", expected a whole",
        ),
        (INPUTS | ORIGIN | {"source": {"files": []}}, r"caches\[0\]\.source\.files is \[\], expected an object"),
        (INPUTS | ORIGIN | {"identity": []}, r"caches\[0\]\.identity is \[\], expected an object"),
    ],
)
def test_a_damaged_entry_is_refused_by_its_place(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        read(WHOLE | {"caches": [entry]})


@pytest.mark.parametrize("name", ["plan", "cross_corpus", "fine_tuned", "tested_folds", "replaced_labels", "step"])
def test_an_object_that_is_null_is_refused(name: str) -> None:
    with pytest.raises(PredictionsError, match=f"{name} is null, expected an object"):
        read(WHOLE | {name: None})


def test_a_version_below_none_is_refused() -> None:
    with pytest.raises(PredictionsError, match="has format version -1, this ravfeat reads up to 1"):
        read(WHOLE | {"format_version": -1})


@pytest.mark.parametrize("value", [{}, 0, "", None, []])
def test_a_leak_is_true_or_false_and_nothing_that_python_takes_for_it(value: object) -> None:
    with pytest.raises(PredictionsError, match=r"recipe\.json: leaky is .*, expected true or false"):
        read(WHOLE | {"leaky": value})


def test_a_newer_version_is_refused_whatever_it_holds() -> None:
    with pytest.raises(
        PredictionsError, match="has format version 2, this ravfeat reads up to 1; use the version that"
    ):
        read({"format_version": 2, "caches": "elsewhere"})


def test_a_folder_without_a_recipe_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"is not a run: it has no recipe\.json"):
        read_recipe(tmp_path)
