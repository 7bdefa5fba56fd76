"""From a run to a published head, and what is refused on the way."""

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.cache.origin_file import PublishedOrigin, write_origin
from ravfeat.errors import CacheError, HeadError, LeakError, PredictionsError, UsageError
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.files import sha256_of
from ravfeat.fusion import fuse
from ravfeat.media.augment import View
from ravfeat.predictions import Predictions
from ravfeat.published.export import export_heads
from ravfeat.runs.result import Fitted
from ravfeat.runs.write import write_run
from tests.toycaches import actors_and_emotions
from tests.toyscores import two_streams
from tests.writtencaches import write_cache


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "runs" / "copy"))


@pytest.fixture(scope="module")
def plain(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one system. Read only."""
    return one_system(places["voice"], tmp_path_factory.mktemp("plain") / "run")


def one_system(cache: Path, out: Path, **options: Any) -> Path:
    write_run(out, fit_heads(FitPlan((cache,), heads=("logreg",), layers="1", **options)), {"command": "ravfeat"})
    return out


def document(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "head.toml").read_text(encoding="utf-8"))


def change(path: Path, edit: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    edit(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_the_recipe_says_what_it_was_made_from(published, run, places) -> None:
    said = document(published)
    assert (said["format"], said["format_version"]) == ("ravfeat-published-head", 1)
    assert (said["protocol"], said["select"], said["leaky"], said["synthetic"]) == ("ravdess6", "val", False, False)
    assert (said["rule"], said["actors"], said["clips"], said["folds"]) == ("auto", 24, 96, 6)
    assert said["check"] == "identical, bit for bit, in all 576 test rows"
    assert said["run_sha256"] == sha256_of(run / "predictions.parquet")
    attentive, logreg, kernel = said["systems"]
    assert (attentive["seeds"], logreg["seeds"], kernel["seeds"]) == ([0, 1], [0], [0])
    assert [cache["encoder"] for cache in kernel["caches"]] == ["landmarks", "expressions"]
    (voice,) = attentive["caches"]
    assert voice["identity"]["weights"] == "voice"
    assert voice["identity"] == json.loads((places["voice"] / "identity.json").read_text())
    assert len(voice["content_sha256"]) == 64
    assert {"fold", "seed", "chosen", "settings"} <= said["chosen"][0].keys()
    assert said["refit"]["score"] == "not measured on this model; the protocol's number is of its 6 siblings"


def test_every_file_has_its_digest_and_no_path_of_this_machine_is_in_them(published) -> None:
    files = document(published)["files"]
    there = {path.relative_to(published).as_posix() for path in published.rglob("*") if path.is_file()}
    assert there - files.keys() == {"head.toml", "card.md"}
    assert len(files) == 2 + 2 * 28 + 4
    for name in ("head.toml", "card.md", "learned.json", "clips.json", "recordings.json"):
        assert str(published.parents[2]) not in (published / name).read_text(encoding="utf-8")


def test_the_card_has_numbers_grading_terms_and_limits(published, run) -> None:
    card = (published / "card.md").read_text(encoding="utf-8")
    records = json.loads((run / "metrics.json").read_text())
    (uar,) = [r for r in records if (r["stream"], r["metric"], r["averaging"]) == ("fused", "uar", "pooled")]
    interval = f"{uar['value']:.3f} [{uar['ci_low']:.3f}, {uar['ci_high']:.3f}]"
    assert f"| UAR (mean recall) | pooled over folds | {interval} | ravdess6 | val | 96 |" in card
    for text in (
        "not measured on this model; the protocol's number is of its 6 siblings",
        "Held against the predictions of the run: identical, bit for bit",
        "CC BY-NC-SA 4.0",
        "inherits the question",
        "hold the standardised feature statistics of their training clips",
        "`recordings.json` holds digests of the training recordings",
        "North American English",
        "the encoders (expressions, landmarks, voice) are needed",
        "24 actors",
    ):
        assert text in card
    assert "LEAKY" not in card
    assert "synthetic" not in card


def test_the_recipe_holds_the_scores_of_the_card_in_full(published, run) -> None:
    scores = {(entry["stream"], entry["head"], entry["metric"]): entry for entry in document(published)["scores"]}
    records = json.loads((run / "metrics.json").read_text())
    for record in records:
        if record["metric"] in ("uar", "wa") and record["averaging"] == "pooled" and "-" not in record["stream"]:
            entry = scores.pop((record["stream"], record["head"], record["metric"]))
            fields = ("value", "ci_low", "ci_high", "n", "protocol", "features")
            assert [entry[field] for field in fields] == [record[field] for field in fields]
    assert not scores


def test_one_system_alone_is_published_and_reads_the_layers_it_was_trained_on(plain, places, tmp_path) -> None:
    done = export_heads(plain, tmp_path / "heads" / "voice")
    assert done.check == "identical, bit for bit, in all 96 test rows"
    assert done.n_heads == 6
    head = load_head(tmp_path / "heads" / "voice")
    assert not head.fused
    assert not head.refitted
    assert head.parts[0].needs[0].layers == (1,)
    assert head.predict([places["voice"]], ["11-00"], fold=0).shape == (1, 4)


def test_systems_that_were_not_fused_are_asked_by_name(places, tmp_path) -> None:
    plan = FitPlan((places["voice"],), heads=("logreg", "kernel"), layers="1", rule=None)
    write_run(tmp_path / "run", fit_heads(plan), {})
    export_heads(tmp_path / "run", tmp_path / "head", refitted=True)
    head = load_head(tmp_path / "head")
    with pytest.raises(UsageError, match="has several systems and they were not fused; name one of audio / voice / k"):
        head.predict([places["voice"]], ["11-00"], fold=0)
    assert head.predict([places["voice"]], ["11-00"], fold=0, system=head.systems[1]).shape == (1, 4)


@pytest.mark.parametrize("heads", [("joint",), ("audio:logreg", "face:kernel", "joint")])
def test_a_network_over_two_streams_is_published_too(heads, places, tmp_path) -> None:
    caches = (places["voice"], places["landmarks"])
    write_run(tmp_path / "run", fit_heads(FitPlan(caches, heads=heads, settings={"epochs": 1, "hidden": 4})), {})
    done = export_heads(tmp_path / "run", tmp_path / "head", refitted=True)
    assert re.fullmatch(r"identical, bit for bit, in all (96|576) test rows", done.check)
    head = load_head(tmp_path / "head")
    (joint,) = [system for system in head.systems if system.stream == "joint"]
    assert head.predict(caches, ["11-01", "12-00"], fold=0, system=joint).shape == (2, 4)
    assert head.systems[-1].stream == ("fused" if len(heads) > 1 else "joint")


def test_heads_that_views_taught_say_so_and_learn_from_them_again(places, tmp_path) -> None:
    view = write_cache(tmp_path, actors_and_emotions(), name="voice", stream="audio", view=View("gain", 0).name)
    plan = FitPlan((places["voice"],), heads=("logreg",), layers="1", train_views=(view,))
    write_run(tmp_path / "run", fit_heads(plan), {})
    moved = Path(shutil.move(view, tmp_path / "moved"))
    done = export_heads(tmp_path / "run", tmp_path / "head")
    assert done.check == "identical, bit for bit, in all 96 test rows"
    assert document(tmp_path / "head")["systems"][0]["trained_on"] == f"clean + {View('gain', 0).name}"
    assert f"| 1 | clean + {View('gain', 0).name} |" in (tmp_path / "head" / "card.md").read_text(encoding="utf-8")
    with pytest.raises(CacheError, match="which is not there any more"):
        export_heads(tmp_path / "run", tmp_path / "other", refitted=True)
    export_heads(tmp_path / "run", tmp_path / "other", refitted=True, caches=[moved])
    assert load_head(tmp_path / "other").refitted


def test_replaced_labels_are_said_with_how_many_clips_they_changed(places, tmp_path) -> None:
    takes = actors_and_emotions()
    swapped = {"angry": "sad", "sad": "angry"}
    # The first take is left out, the angry and sad clips of the last actor are swapped.
    rows = [f"{one.clip_id},{swapped.get(one.label, one.label)}" for one in takes[-4:]]
    rows += [f"{one.clip_id},{one.label}" for one in takes[1:-4]]
    labels = tmp_path / "mine.csv"
    labels.write_text("\n".join(["clip_id,label", f"{takes[0].clip_id},", *rows]), encoding="utf-8")
    run = one_system(places["voice"], tmp_path / "run", labels=labels)
    export_heads(run, tmp_path / "head")
    wanted = {"file": "mine.csv", "sha256": sha256_of(labels), "clips": 95, "relabelled": 2, "left_out": 1}
    assert document(tmp_path / "head")["replaced_labels"] == wanted
    assert json.loads((run / "recipe.json").read_text(encoding="utf-8"))["replaced_labels"] == wanted
    card = (tmp_path / "head" / "card.md").read_text(encoding="utf-8")
    assert "another label than there for 2 of 95 clips, and 1 more left out." in card


def test_refitted_heads_learn_from_everybody_and_know_the_corpus(published, places) -> None:
    head = load_head(published)
    clips = sorted(clip.clip_id for fold in head.folds for clip in head.tested[fold][0])
    with pytest.warns(UserWarning, match="96 of 96 clips"):
        probs = head.predict(places.values(), clips, system=head.systems[1])
    labels = {take.clip_id: head.classes.index(take.label) for take in actors_and_emotions()}
    assert np.mean(probs.argmax(1) == [labels[clip] for clip in clips]) > 0.8
    rows = [model.arrays()["rows"] for model in head.models["refit"][2]]
    assert [len(own) for own in rows] == [96]


def test_a_synthetic_corpus_and_one_of_unknown_terms_are_called_that(tmp_path) -> None:
    takes = actors_and_emotions(actors=6, corpus="mine")
    cache = write_cache(tmp_path, takes, stream="audio", corpus="mine")
    export_heads(one_system(cache, tmp_path / "run", protocol="group3"), tmp_path / "head")
    card = (tmp_path / "head" / "card.md").read_text(encoding="utf-8")
    assert "ravfeat does not know the terms of the corpus 'mine'. Whoever publishes this folder must state them" in card
    assert "Acted emotion is not felt emotion" in card.replace("\n", " ")
    read = Predictions.read(tmp_path / "run" / "predictions.parquet")
    made = Predictions(read.table, read.classes, read.protocol, read.leaky, read.select, synthetic=True)
    about = json.loads((tmp_path / "run" / "recipe.json").read_text())
    write_run(tmp_path / "synth", Fitted(made, (), about), {})
    shutil.copytree(tmp_path / "run" / "heads", tmp_path / "synth" / "heads")
    export_heads(tmp_path / "synth", tmp_path / "generated")
    card = (tmp_path / "generated" / "card.md").read_text(encoding="utf-8")
    assert "synthetic corpus: no number here says anything about people" in card
    assert "no recordings of people, no terms" in card


def test_a_leaky_run_needs_leave_and_says_so(places, tmp_path) -> None:
    leaky = one_system(places["voice"], tmp_path / "leaky", protocol="clip6", allow_leak=True)
    with pytest.raises(LeakError, match=r"leaky is LEAKY: .* Add --allow-leak to publish them as a control"):
        export_heads(leaky, tmp_path / "head")
    assert not (tmp_path / "head").exists()
    export_heads(leaky, tmp_path / "head", allow_leak=True, refitted=True)
    card = (tmp_path / "head" / "card.md").read_text(encoding="utf-8")
    assert "**LEAKY: tested on actors it was trained on." in card
    assert "| clip6 **LEAKY** |" in card
    assert document(tmp_path / "head")["leaky"] is True


# --- where it goes


def test_what_is_there_is_replaced_by_force_only(plain, tmp_path) -> None:
    export_heads(plain, tmp_path / "head")
    with pytest.raises(UsageError, match="already holds a published head; choose another --to, or replace it with --f"):
        export_heads(plain, tmp_path / "head")
    (tmp_path / "head" / "old").touch()
    export_heads(plain, tmp_path / "head", force=True)
    assert not (tmp_path / "head" / "old").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(UsageError, match="mine exists and is not a published head; choose another --to"):
        export_heads(plain, tmp_path / "mine", force=True)


# --- caches that moved or changed


def moved(places: dict[str, Path], tmp_path: Path, run: Path) -> Path:
    """Move the voice of a run elsewhere."""
    there = shutil.copytree(places["voice"], tmp_path / "elsewhere" / places["voice"].name)
    change(run / "recipe.json", lambda recipe: gone(recipe, places["voice"], tmp_path / "gone"))
    return Path(there)


def gone(recipe: Any, old: Path, new: Path) -> None:
    recipe["plan"]["caches"] = [str(new) if path == str(old) else path for path in recipe["plan"]["caches"]]
    for entry in recipe["caches"]:
        if entry.get("path") == str(old):
            entry["path"] = str(new)


def test_a_moved_cache_is_named_or_nothing_is_checked(copy, places, tmp_path) -> None:
    there = moved(places, tmp_path, copy)
    with pytest.raises(
        CacheError, match=r"trained on the cache .*gone, which is not there any more; say .* --cache DIR"
    ):
        export_heads(copy, tmp_path / "head")
    done = export_heads(copy, tmp_path / "head", caches=[there], refitted=True)
    assert done.check == "identical, bit for bit, in all 576 test rows"
    done = export_heads(copy, tmp_path / "blind", unchecked=True)
    assert done.check == "not checked: the caches were not at hand"
    assert not {"recordings.json", "domain"} & {path.name for path in (tmp_path / "blind").iterdir()}
    assert "predictions of the run: not checked" in (tmp_path / "blind" / "card.md").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="--unchecked reads no cache: it cannot go with --refit or --cache"):
        export_heads(copy, tmp_path / "other", unchecked=True, refitted=True)


def test_a_cache_that_holds_other_features_by_now_is_refused(copy, places, tmp_path) -> None:
    moved(places, tmp_path, copy)
    other = write_cache(tmp_path, actors_and_emotions(seed=5), name="voice", stream="audio")
    with pytest.raises(CacheError, match=r"holds other features, labels or actors than when .*copy was trained on it"):
        export_heads(copy, tmp_path / "head", caches=[other])


def test_a_cache_of_another_identity_in_its_place_is_refused(copy, places, tmp_path) -> None:
    other = write_cache(tmp_path, actors_and_emotions(), name="wavlm", stream="audio")
    change(copy / "recipe.json", lambda recipe: gone(recipe, places["voice"], other))
    with pytest.raises(CacheError, match=r"is another cache than the one .* weights is wavlm, expected voice"):
        export_heads(copy, tmp_path / "head")


def test_a_cache_that_is_none_of_the_runs_is_refused(run, tmp_path) -> None:
    other = write_cache(tmp_path, actors_and_emotions(), name="wavlm", stream="audio")
    with pytest.raises(UsageError, match="is none of the caches of"):
        export_heads(run, tmp_path / "head", caches=[other])


# --- runs that are not what they say


def test_an_edited_temperature_is_refused(copy, tmp_path) -> None:
    change(copy / "calibration.json", lambda entries: entries[0].update(temperature=9.0))
    with pytest.raises(PredictionsError, match=r"calibration.json says 9.0 for .* make the run again"):
        export_heads(copy, tmp_path / "head")


def test_heads_of_another_run_are_refused_and_nothing_is_left(copy, tmp_path) -> None:
    folder = copy / "heads" / "audio-voice-logreg"
    for suffix in ("toml", "safetensors"):
        shutil.copy(folder / f"fold-1-seed-0.{suffix}", folder / f"fold-0-seed-0.{suffix}")
    with pytest.raises(HeadError, match=r"heads in .* do not give its predictions: audio / voice / logreg differs by"):
        export_heads(copy, tmp_path / "heads" / "a")
    assert not list((tmp_path / "heads").iterdir())


def test_a_missing_head_is_refused(copy, tmp_path) -> None:
    (copy / "heads" / "audio-voice-attentive" / "fold-2-seed-1.toml").unlink()
    with pytest.raises(HeadError, match=r"fold-2-seed-1\.toml is missing; a trained head is two files"):
        export_heads(copy, tmp_path / "head")


def test_a_run_of_score_files_has_no_heads(tmp_path) -> None:
    predictions, fusion = fuse(two_streams())
    write_run(tmp_path / "run", Fitted(predictions, (), {}, fusion), {})
    with pytest.raises(HeadError, match="has no heads: its scores were made elsewhere"):
        export_heads(tmp_path / "run", tmp_path / "head")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"fine_tuned": {"stream": "audio"}}, "copy: fine-tuned heads are not exported"),
    ],
)
def test_heads_that_cannot_be_exported_are_refused_saying_why(entry, message, copy, tmp_path) -> None:
    change(copy / "recipe.json", lambda recipe: recipe.update(entry))
    with pytest.raises(HeadError, match=message):
        export_heads(copy, tmp_path / "head")
    assert not (tmp_path / "head").exists()


def test_a_run_of_an_older_version_is_refused(copy, tmp_path) -> None:
    change(
        copy / "recipe.json", lambda recipe: (recipe.pop("format_version"), recipe["caches"][0].pop("content_sha256"))
    )
    with pytest.raises(PredictionsError, match="does not say the 'content_sha256' of its caches; make the run again"):
        export_heads(copy, tmp_path / "head")
    change(copy / "recipe.json", lambda recipe: recipe.update(caches=[]))
    with pytest.raises(PredictionsError, match="names 0 caches with the features 'voice' of the stream 'audio'"):
        export_heads(copy, tmp_path / "head")
    change(copy / "recipe.json", lambda recipe: recipe.pop("plan"))
    with pytest.raises(PredictionsError, match="has no plan: the run is of an older version; make it again"):
        export_heads(copy, tmp_path / "head")


def test_a_head_names_the_published_cache_that_it_was_trained_on(tmp_path: Path) -> None:
    cache = write_cache(tmp_path, actors_and_emotions(actors=6), name="voice", stream="audio")
    origins: list[PublishedOrigin] = [
        {"address": "hf://datasets/x/y", "commit": "ab" * 20, "licence": "cc-by-nc-sa-4.0"},
        {"address": str(tmp_path), "commit": "cd" * 32},
    ]
    named = []
    for number, origin in enumerate(origins):
        write_origin(cache, origin)
        head = tmp_path / f"head-{number}"
        run = one_system(cache, tmp_path / f"run-{number}", protocol="group3")
        export_heads(run, head, unchecked=True)  # the recipe says it, wherever the cache is by now
        named += load_head(head).about["made_from"]
    assert named == [origins[0], {"address": "a folder", "commit": "cd" * 32}]
