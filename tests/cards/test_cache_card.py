"""Dataset cards: metadata that the hub accepts, text that says what there is, nothing that a name could smuggle in."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

from ravfeat.cache import open_cache
from ravfeat.cache.origin_file import PublishedOrigin, is_public, write_origin
from ravfeat.cards.cache_card import cache_card
from ravfeat.cards.sections import hub_datasets
from ravfeat.corpora.terms import licence_for
from tests.markdown import render, table_rows
from tests.toycaches import actors_and_emotions
from tests.toyhub import Hub
from tests.writtencaches import write_cache

ADDRESS = "hf://datasets/somebody/features"
RAVDESS = licence_for("ravdess", synthetic=False, licence=None, what="features")
HOSTILE = 'a"\n---\nlicense: mit\n# <script>alert(1)</script> | [x](http://y.example) `'


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 24 actors, of whose 96 clips one is lost. Read only."""
    takes = actors_and_emotions()
    return write_cache(tmp_path_factory.mktemp("voice"), takes, name="wavlm", stream="audio", lost=(takes[5].clip_id,))


@pytest.fixture(scope="module")
def card(voice: Path) -> str:
    return cache_card(open_cache(voice), RAVDESS, ADDRESS)


def test_the_hub_accepts_its_metadata(hub: Hub, card: str) -> None:
    read = DatasetCard(card)
    read.validate()
    facts = read.data.to_dict()
    assert facts["license"] == "cc-by-nc-sa-4.0"
    assert facts["language"] == ["en"]
    assert {"ravfeat", "speech-emotion-recognition", "audio"} <= set(facts["tags"])
    assert facts["task_categories"] == ["audio-classification"]
    assert facts["size_categories"] == ["n<1K"]
    assert [(entry["config_name"], entry["data_files"]) for entry in facts["configs"]] == [
        ("manifest", "manifest.parquet"),
        ("index", "index.parquet"),
    ]
    assert hub.cards[-1] == card


def test_the_text_says_what_it_is_and_under_which_terms(card: str, voice: Path) -> None:
    cache = open_cache(voice)
    html = render(card)
    rows = dict(row for row in table_rows(html) if len(row) == 2)
    assert rows["clips"] == "95"
    assert rows["actors (speakers)"] == "24"
    assert rows["layers"] == "0-2 (<code>toy/1</code>)"
    assert rows["fingerprint"] == f"<code>{cache.fingerprint}</code>"
    assert "Clips: 95 are stored, 0 failed, 1 were not extracted." in html
    assert '<a href="https://doi.org/10.5281/zenodo.1188976">' in html
    for text in ("Livingstone SR, Russo FA (2018)", "no recording is here", "CC BY-NC-SA 4.0", "device: cpu"):
        assert text in html
    assert str(voice.parent) not in card


def test_its_example_reads_what_was_published(card: str, voice: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert f'ravfeat.open_cache("{ADDRESS}")' in code
    assert len([line for line in code.splitlines() if line]) <= 5
    scope: dict[str, object] = {}
    exec(code.replace(json.dumps(ADDRESS), json.dumps(str(voice))), scope)  # the same folder, at hand
    assert scope["frames"].shape[1:] == (3, 4)  # type: ignore[attr-defined]
    assert f"$ ravfeat cache pull {ADDRESS} --layers 1" in card


def test_of_a_folder_the_card_names_no_path(voice: Path, tmp_path: Path) -> None:
    card = cache_card(open_cache(voice), RAVDESS, str(tmp_path), identity="")
    assert str(tmp_path) not in card
    assert 'ravfeat.open_cache("FOLDER")' in card
    assert "cache pull" not in card
    assert not any(map(is_public, (str(tmp_path), "FILE:///x", "local:///x", "memory://x")))


def test_what_the_features_tell_about_people_is_measured(card: str) -> None:
    match = re.search(
        r"names the actor of (0\.\d+) \[(0\.\d+), (0\.\d+)\] of the clips \(chance 0\.042\).*"
        r"95 clips of 24 of 24 actors, mean, std of layers 0, 1, 2\.",
        card,
    )
    assert match is not None
    value, low, high = map(float, match.groups())
    assert 0.042 < low <= value <= high


def test_or_the_card_says_why_not(tmp_path: Path) -> None:
    takes = [replace(take, actor="ravdess:01") for take in actors_and_emotions(actors=1)]
    card = cache_card(open_cache(write_cache(tmp_path, takes, name="voice", stream="audio")), RAVDESS, ADDRESS)
    assert "Not measured: the probe tests actors on an emotion left out" in card
    assert "names the actor of" not in card


def test_a_synthetic_corpus_is_said_first(hub: Hub, whole_cache: Path) -> None:
    cache = open_cache(whole_cache)
    card = cache_card(cache, licence_for("synth", synthetic=True, licence=None, what="features"), ADDRESS, identity="")
    DatasetCard(card).validate()
    assert re.search(r"\n# .*\n\n\*\*Of a synthetic corpus: the clips are generated", card)
    assert "synthetic" in DatasetCard(card).data.tags
    assert "no recordings of people" in card


def test_what_it_was_made_from_is_named(hub: Hub, voice: Path, cache_copy: Path) -> None:
    write_origin(cache_copy, {"address": "hf://datasets/x/y/part", "commit": "ab" * 20, "licence": "cc-by-4.0"})
    card = cache_card(open_cache(cache_copy), RAVDESS, ADDRESS, identity="")
    assert f"- `hf://datasets/x/y/part` at `{'ab' * 20}`, under `cc-by-4.0`" in card
    assert DatasetCard(card).data.to_dict()["source_datasets"] == ["x/y"]
    DatasetCard(card).validate()


def test_names_from_outside_are_text(hub: Hub, voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = open_cache(voice)
    header = replace(cache.header(0), provenance={HOSTILE: HOSTILE})
    monkeypatch.setattr(cache, "header", lambda _: header)
    cache.about |= {"corpus": HOSTILE, "encoder": HOSTILE}
    cache.identity |= {"layer_convention": HOSTILE, "preprocessing": [HOSTILE], "weights": HOSTILE, "view": HOSTILE}
    cache.source |= {"repository": HOSTILE, "licence": HOSTILE}
    cache.failed = {HOSTILE: HOSTILE}
    card = cache_card(cache, licence_for("mine", synthetic=False, licence="cc-by-4.0", what="features"), ADDRESS,
                      identity=HOSTILE)  # fmt: skip
    read = DatasetCard(card)
    read.validate()
    assert read.data.to_dict()["license"] == "cc-by-4.0"
    assert read.data.to_dict()["pretty_name"].count("---") == 2  # as text, on one line
    html = render(card)
    assert "<script>" not in html
    assert "y.example" in html
    assert not re.search(r'href="[^"]*y\.example', html)
    assert len(re.findall("<h1>", html)) == 1
    assert {len(row) for row in table_rows(html)} == {2}


def test_only_what_can_be_a_repository_is_named_to_the_hub() -> None:
    names = ["me/x/folder", "me/y@main", "x", "a b/c", "`x`/y|z", "---/x: y", "me/<script>"]
    origins = [PublishedOrigin(address=f"hf://datasets/{name}", commit="0" * 40) for name in names]
    assert hub_datasets(origins) == ["me/x", "me/y"]
