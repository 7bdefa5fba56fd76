"""Encoders that have met the actors."""

import shutil
from dataclasses import replace

import pytest

from ravfeat.audit import contamination
from ravfeat.audit.contamination import TABLE, find_contamination
from ravfeat.audit.context import open_run
from ravfeat.audit.encoders import check_encoders
from tests.audit.runs import make_run, rewrite, takes
from tests.writtencaches import write_cache


def test_every_entry_has_its_source_and_is_found_by_any_of_its_names() -> None:
    for one in TABLE:
        assert "https://" in one.source
        assert one.claim
        name = one.hub_id.partition("/")[2]
        for called in (one.hub_id, name, f"audio-{name}-0123456789ab", name.upper()):
            assert find_contamination([called]) == one
    assert len({one.hub_id for one in TABLE}) == len(TABLE)


@pytest.mark.parametrize("name", ["wavlm-large", "emotion2vec_base", "wav2vec2-lg-xlsr-en", "whisper-tiny.en", ""])
def test_other_encoders_are_not_in_the_table(name) -> None:
    assert find_contamination([name], "0" * 64) is None


def test_weights_are_found_by_their_digest(monkeypatch) -> None:
    known = replace(TABLE[0], weights=("ab" * 32,))
    monkeypatch.setattr(contamination, "TABLE", (known,))
    assert find_contamination(["mine"], "ab" * 32) == known


@pytest.mark.parametrize(
    ("name", "corpus", "verdict", "said"),
    [
        ("wav2vec2-lg-xlsr-en-speech-emotion-recognition", "ravdess", "leak", "fine-tuned on the 1440 speech clips"),
        ("emotion2vec_plus_large", "ravdess", "warn", "labelled by models that come from emotion2vec_plus_seed"),
        ("hubert-large-ravdess-v4", "ravdess", "warn", "its name says ravdess"),
        ("wavlm-large", "ravdess", "info", "that is no proof that it has not"),
        ("emotion2vec_plus_large", "crema", "not possible", "this corpus is 'crema'"),
    ],
)
def test_a_run_on_such_features_says_so(name, corpus, verdict, said, tmp_path) -> None:
    clips = [replace(take, actor=take.actor.replace("ravdess", corpus)) for take in takes()]
    cache = write_cache(tmp_path, clips, name=name, stream="audio", corpus=corpus)
    run = make_run(tmp_path / "run", [cache], protocol="group3")
    (line,) = check_encoders(open_run(run))
    assert line.verdict == verdict
    assert said in line.finding
    shutil.rmtree(cache)
    rewrite(run / "recipe.json", lambda recipe: recipe["caches"][0].update(features="renamed"))
    (line,) = check_encoders(open_run(run, without_caches=True))  # the folder's recorded name still tells
    assert (line.verdict == verdict) or name == "hubert-large-ravdess-v4"
