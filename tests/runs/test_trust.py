"""Who made what a run reads, by its recipe."""

from pathlib import Path
from typing import Any

import pytest

from ravfeat.runs.recipe import recipe_of
from ravfeat.runs.trust import Trust, trust_of

ENCODED = {"layer_convention": "hidden_states/1", "weights": "ab" * 32, "stream": "audio"}
IMPORTED = {"layer_convention": "as imported/1", "weights": "cd" * 32, "stream": "face"}


def cache(features: str = "voice", identity: dict[str, Any] = ENCODED, **more: Any) -> dict[str, Any]:
    return {"stream": "audio", "features": features, "path": f"cache/{features}", "identity": identity} | more


def trust(**record: Any) -> Trust:
    return trust_of(recipe_of(record, Path("recipe.json")))


def test_a_cache_made_here_is_encoded_here_and_that_it_says_so_itself_is_said() -> None:
    found = trust(caches=[cache("whisper@mean-scores")])
    assert found.grade == "encoded here from recordings"
    assert found.details == "encoded here, as the cache says of itself: audio whisper"
    assert found.said == "features encoded here from recordings, as their caches say"


@pytest.mark.parametrize(
    ("entry", "how"),
    [
        (cache(identity=IMPORTED), "imported: face voice"),
        (
            cache(published={"address": "hf://datasets/a/b", "commit": "0" * 40}),
            "made elsewhere by ravfeat, published at hf://datasets/a/b: audio voice",
        ),
        (
            cache(identity=IMPORTED, published={"address": "s3://b/c", "commit": "0" * 64}),
            "imported, published at s3://b/c: face voice",
        ),
        (cache(identity={}), "not known, as the recipe does not say it: audio voice"),
    ],
)
def test_what_was_made_elsewhere_or_nobody_knows_where_is_not_encoded_here(entry: dict[str, Any], how: str) -> None:
    assert (trust(caches=[entry]).grade, trust(caches=[entry]).details) == ("imported, made elsewhere", how)


def test_code_of_the_user_is_named_with_its_digest() -> None:
    identity = {"layer_convention": "as brought/1", "weights": "0123456789abcdef" * 4, "stream": "audio"}
    found = trust(caches=[cache(identity=identity, source={"kind": "code", "reference": "mine.py:Hum"})])
    assert found.encoded_here
    assert found.details == "encoded here by code of your own (mine.py:Hum, SHA-256 0123456789ab): audio voice"


def test_the_worst_source_decides_and_stands_first() -> None:
    joined = {"stream": "face", "features": "a+b", "joined": [cache("a", IMPORTED), cache("b", ENCODED)]}
    found = trust(caches=[cache(), joined])
    assert found.grade == "imported, made elsewhere"
    assert found.details == "imported: face a; encoded here, as the cache says of itself: audio voice, audio b"


def test_views_that_were_pulled_were_made_elsewhere() -> None:
    view = {"path": "v", "view": "speed-1:0.9"}
    assert trust(caches=[cache(views=[view])]).encoded_here
    pulled = view | {"published": {"address": "hf://datasets/a/v", "commit": "0" * 40}}
    assert trust(caches=[cache(views=[pulled])]).grade == "imported, made elsewhere"


def test_both_sides_of_two_corpora_count() -> None:
    sides = {"train_cache": cache(), "test_cache": cache("other", IMPORTED)}
    assert trust(caches=[{"stream": "audio", "features": "voice", **sides}]).grade == "imported, made elsewhere"


def test_scores_are_scores_only_and_runs_that_are_fused_are_what_they_were() -> None:
    run = {"path": "runs/a", "recipe": {"caches": [cache()]}}
    fused = {"caches": [], "runs": [run], "scores": [{"path": "runs/a", "kind": "run", "system": "a"}]}
    assert trust(**fused).encoded_here
    fused["scores"].append({"path": "elsewhere/face.csv", "kind": "logits", "system": "b"})
    assert trust(**fused).grade == "scores only"
    assert trust(**fused).said.startswith("scores only (scores of another program: face.csv; encoded here")
    assert trust().grade == "scores only"
    assert trust(runs=[{"path": "runs/b", "recipe": {}}]).grade == "scores only"


def test_a_fine_tuned_encoder_was_trained_here() -> None:
    found = trust(fine_tuned={"stream": "audio", "features": "wavlm"})
    assert (found.grade, found.details) == ("encoded here from recordings", "trained here on recordings: audio wavlm")


def test_what_a_stranger_wrote_cannot_end_the_line() -> None:
    found = trust(caches=[cache("a\nheld", published={"address": "hf://x\x1b[2J", "commit": "0" * 40})])
    assert "\n" not in found.said
    assert "\x1b" not in found.said
