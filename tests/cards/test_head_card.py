"""Model cards: scores that the hub accepts, the card's own text, licence and origins."""

import re
from typing import Any

import pytest
from huggingface_hub import ModelCard

from ravfeat.cards.head_card import head_card
from ravfeat.corpora.terms import Terms, licence_for
from ravfeat.published.card import card
from ravfeat.published.format import open_folder
from tests.markdown import render, table_rows
from tests.published.hostile import Place
from tests.toyhub import Hub

ADDRESS = "hf://somebody/heads"
RAVDESS = licence_for("ravdess", synthetic=False, licence=None, what="heads")
HOSTILE = 'a"\n---\nlicense: mit\n# <script>alert(1)</script> | [x](http://y.example) `'


@pytest.fixture
def document(place: Place) -> dict[str, Any]:
    return open_folder(place.head).about


def written(place: Place, document: dict[str, Any], terms: Terms = RAVDESS, address: str = ADDRESS) -> str:
    return head_card(document, (place.head / "card.md").read_text(encoding="utf-8"), terms, address)


def test_the_hub_accepts_its_metadata_and_scores(hub: Hub, place: Place, document: dict[str, Any]) -> None:
    document["systems"][0]["caches"][0]["model"] = {"repository": "microsoft/wavlm-large"}
    read = ModelCard(written(place, document))
    read.validate()
    facts = read.data.to_dict()
    assert (facts["license"], facts["library_name"], facts["language"]) == ("cc-by-nc-sa-4.0", "ravfeat", ["en"])
    assert facts["base_model"] == ["microsoft/wavlm-large"]
    assert {"audio", "face", "kernel"} <= set(facts["tags"])
    assert "pipeline_tag" not in facts
    scores = {(score["stream"], score["features"], score["metric"]): score for score in document["scores"]}
    assert read.data.eval_results is not None
    assert len(read.data.eval_results) == len(document["scores"])
    results = {result.metric_name: result for result in read.data.eval_results}
    (fused,) = (result for name, result in results.items() if "UAR" in name and ": fused" in name)
    score = next(score for key, score in scores.items() if (key[0], key[2]) == ("fused", "uar"))
    assert fused.metric_value == round(score["value"], 4)
    assert fused.metric_args["interval_95_over_actors"] == [round(score["ci_low"], 4), round(score["ci_high"], 4)]
    assert fused.metric_args["n"] == score["n"]
    assert (fused.dataset_name, fused.dataset_split) == ("ravdess", "test folds of group3")


def test_the_text_is_that_of_the_card_with_licence_and_citation(place: Place, document: dict[str, Any]) -> None:
    text = written(place, document)
    own = (place.head / "card.md").read_text(encoding="utf-8")
    assert own.strip().replace('"heads/head"', f'"{ADDRESS}"') in text
    html = render(text)
    assert len(re.findall("<h1>", html)) == 1
    for part in ("Livingstone SR, Russo FA (2018)", "no recording is here", "hold the standardised feature statistics"):
        assert part in html
    assert table_rows(html)[0] != ["voice"]  # a table, not a line of text
    assert ADDRESS not in written(place, document, address="/tmp/folder")


def test_a_leaky_head_says_so_and_has_no_scores_in_lists(hub: Hub, place: Place, document: dict[str, Any]) -> None:
    document["leaky"] = True
    text = head_card(document, card(document, []), RAVDESS, ADDRESS)
    ModelCard(text).validate()
    assert "model-index" not in text
    assert "leaky" in ModelCard(text).data.tags
    assert re.search(r"\n# head\n\n\*\*LEAKY:", text)


def test_a_synthetic_head_says_so_first(hub: Hub, place: Place, document: dict[str, Any]) -> None:
    document["synthetic"] = True
    terms = licence_for("ravdess", synthetic=True, licence=None, what="heads")
    text = head_card(document, card(document, []), terms, ADDRESS)
    ModelCard(text).validate()
    assert re.search(r"\n# head\n\n\*\*Trained on a synthetic corpus", text)
    assert "name: ravdess (synthetic)" in text
    assert "no recordings of people" in text


def test_what_it_was_made_from_is_named(hub: Hub, place: Place, document: dict[str, Any]) -> None:
    document["made_from"] = [{"address": "hf://datasets/x/y", "commit": "ab" * 20}]
    text = written(place, document)
    assert f"## Made from\n\n- `hf://datasets/x/y` at `{'ab' * 20}`" in text
    assert ModelCard(text).data.to_dict()["datasets"] == ["x/y"]
    ModelCard(text).validate()


def test_names_from_outside_are_text(hub: Hub, place: Place, document: dict[str, Any]) -> None:
    document |= {"name": HOSTILE, "corpus": HOSTILE, "protocol": HOSTILE, "data_terms": HOSTILE, "check": HOSTILE}
    document["classes"] = [HOSTILE, "b"]
    for system in document["systems"]:
        system |= {"features": HOSTILE, "head": HOSTILE}
        for cache in system["caches"]:
            cache |= {"encoder": HOSTILE, "model": {"repository": HOSTILE, "licence": HOSTILE}}
    for score in document["scores"]:
        score |= {"features": HOSTILE, "head": HOSTILE, "protocol": HOSTILE}
    document["made_from"] = [{"address": f"hf://datasets/{HOSTILE}", "commit": HOSTILE, "licence": HOSTILE}]
    terms = licence_for("mine", synthetic=False, licence="cc-by-4.0", what="heads")
    text = head_card(document, card(document, []), terms, ADDRESS)
    read = ModelCard(text)
    read.validate()
    assert read.data.to_dict()["license"] == "cc-by-4.0"
    html = render(text)
    assert "<script>" not in html
    assert not re.search(r'href="[^"]*y\.example', html)
    assert len(re.findall("<h1>", html)) == 1
