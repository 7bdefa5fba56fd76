"""Hostile heads, signed as an attacker would sign them: each is refused by one line that names the file."""

import os
import pickle
import shutil
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.errors import CacheError, HeadError
from tests.conftest import Done
from tests.published.hostile import (
    ATTENTIVE,
    CLIPS,
    KERNEL,
    LOGREG,
    Change,
    Place,
    arrays,
    content,
    fill,
    header,
    instead_of,
    json_file,
    put,
    sign,
    toml,
)
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

HEAD, LEARNED, NAMES = "head.toml", "learned.json", "clips.json"
TOML, TENSORS = f"{LOGREG}.toml", f"{LOGREG}.safetensors"


def size(about: dict[str, Any], name: str, shape: list[int]) -> None:
    about[name]["shape"] = shape


def overlap(about: dict[str, Any]) -> None:
    about["mean"]["data_offsets"] = about["std"]["data_offsets"]


def sparse(path: Path, n_bytes: int) -> None:
    with path.open("wb") as file:
        file.truncate(n_bytes)


DOCUMENTS: dict[str, tuple[Change, str]] = {
    # What head.toml says.
    "no leaky": (toml(HEAD, lambda d: d.pop("leaky")), "lacks 'leaky'"),
    "leaky is an object": (put(HEAD, "leaky", {}), "leaky is {}, expected true or false"),
    "leaky is 0": (put(HEAD, "leaky", 0), "leaky is 0, expected true or false"),
    "leaky is text": (put(HEAD, "leaky", "no"), 'leaky is "no", expected true or false'),
    "synthetic is a list": (put(HEAD, "synthetic", []), "synthetic is [], expected true or false"),
    "classes twice": (put(HEAD, "classes", ["a", "b", "a", "c"]), "classes names 'a' twice"),
    "classes of numbers": (put(HEAD, "classes", [1, 2, 3, 4]), "classes[0] is 1, expected text"),
    "an empty class": (put(HEAD, "classes.0", ""), "classes[0] is"),
    "one class": (put(HEAD, "classes", ["a"]), "expected two or more"),
    "classes are text": (put(HEAD, "classes", "abcd"), "expected a list"),
    "more classes": (put(HEAD, "classes", list("abcde")), "has 5 classes"),
    "another selection": (put(HEAD, "select", "test"), "select is"),
    "no systems": (put(HEAD, "systems", []), "systems is []"),
    "systems are text": (put(HEAD, "systems", "x"), "systems is"),
    "a system twice": (toml(HEAD, lambda d: d["systems"].append(d["systems"][0])), "twice"),
    "a fused stream": (put(HEAD, "systems.0.stream", "fused"), "systems[0].stream is"),
    "another stream": (put(HEAD, "systems.0.stream", "../../x"), "systems[0].stream is"),
    "features that lead out": (put(HEAD, "systems.0.features", "../../../x"), "expected a plain name"),
    "absolute features": (put(HEAD, "systems.0.features", "/etc"), "expected a plain name"),
    "features with an escape": (put(HEAD, "systems.0.features", "\u001b[31m"), "expected a plain name"),
    "features of a kilobyte": (put(HEAD, "systems.0.features", "a" * 1000), "expected a plain name"),
    "a head that leads out": (put(HEAD, "systems.0.head", "..\\x"), "expected a plain name"),
    "a head of another kind": (put(HEAD, "systems.0.head", "attentive-sum"), "does not list"),
    "no seeds": (put(HEAD, "systems.0.seeds", []), "seeds is []"),
    "a seed twice": (put(HEAD, "systems.0.seeds", [0, 0]), "seeds names 0 twice"),
    "a negative seed": (put(HEAD, "systems.0.seeds", [-1]), "seeds[0] is -1"),
    "a seed that is true": (put(HEAD, "systems.0.seeds", [True]), "expected a whole number"),
    "100,000 seeds": (put(HEAD, "systems.0.seeds", list(range(100_000))), "fewer than the"),
    "a window of 0": (put(HEAD, "systems.0.reading.window", 0), "window is 0"),
    "another window": (put(HEAD, "systems.0.reading.window", 2), "which reads"),
    "an unknown statistic": (put(HEAD, "systems.1.reading.statistics", ["mode"]), "statistics[0] is"),
    "other statistics": (put(HEAD, "systems.1.reading.statistics", ["std", "mean"]), "which reads"),
    "no caches": (put(HEAD, "systems.0.caches", []), "caches is []"),
    "two caches": (toml(HEAD, lambda d: d["systems"][0]["caches"].append(d["systems"][0]["caches"][0])), "1 caches"),
    "an identity of text": (put(HEAD, "systems.0.caches.0.identity", "x"), "expected an object"),
    "a fingerprint of number": (put(HEAD, "systems.0.caches.0.fingerprint", 3), "expected text"),
    "layers that are none": (put(HEAD, "systems.0.caches.0.read_layers", [-1]), "read_layers[0] is -1"),
    "layers twice": (put(HEAD, "systems.0.caches.0.read_layers", [1, 1]), "read_layers names 1 twice"),
    "a model of text": (put(HEAD, "systems.0.caches.0.model", "x"), "caches[0].model is"),
    "a model elsewhere": (put(HEAD, "systems.0.caches.0.model", {"repository": "../../x"}), "expected owner/name"),
    "a model of a link": (put(HEAD, "systems.0.caches.0.model", {"repository": "http://x/y"}), "expected owner/name"),
    "a model of another kind": (put(HEAD, "systems.0.caches.0.model", {"kind": "pickle"}), "model.kind is"),
    "a model's files elsewhere": (
        put(HEAD, "systems.0.caches.0.model", {"files": {"../../net.onnx": "0" * 64}}),
        "expected a plain name",
    ),
    "a model without a digest": (
        put(HEAD, "systems.0.caches.0.model", {"files": {"net.onnx": "mine"}}),
        "expected a SHA-256",
    ),
    "faces without end": (
        put(HEAD, "systems.0.caches.0.model", {"faces": {"cropped": False, "fps": float("inf")}}),
        "expected a number",
    ),
    "another number of folds": (put(HEAD, "folds", 2), "says 2"),
    "a score above 1": (put(HEAD, "scores.0.value", 1.5), "scores[0].value is 1.5"),
    "a score of text": (put(HEAD, "scores.0.ci_low", "<b>"), "scores[0].ci_low is"),
    "a score of another metric": (put(HEAD, "scores.0.metric", "f1"), "scores[0].metric is"),
    "a score of no system": (put(HEAD, "scores.0.head", "mine"), "which is not here"),
    "a score of another protocol": (put(HEAD, "scores.0.protocol", "clip6"), "expected 'group3'"),
    "a score twice": (toml(HEAD, lambda d: d["scores"].append(d["scores"][0])), "twice"),
    "another number of clips": (put(HEAD, "clips", 25), "says 25"),
    "a refit that is not there": (toml(HEAD, lambda d: d.pop("refit")), "refit is in learned.json only"),
    "a window of 0 s": (put(HEAD, "window_s", 0.0), "window_s is 0.0, expected greater than or equal to 0.1"),
    "a window of a year": (put(HEAD, "window_s", 3e7), "window_s is 30000000.0, expected less than or equal to 600"),
    "a window of text": (put(HEAD, "window_s", "3.7"), 'window_s is "3.7", expected a number'),
    "an unknown rule": (put(HEAD, "rule", "best"), "rule is"),
    "no rule": (toml(HEAD, lambda d: d.pop("rule")), "says otherwise"),
    "files are a list": (put(HEAD, "files", []), "files is []"),
    "a file that is not listed": (toml(HEAD, lambda d: d["files"].pop(TENSORS)), f"does not list '{TENSORS}'"),
    "a version of text": (put(HEAD, "format_version", "1"), "format_version is"),
    "a version of true": (put(HEAD, "format_version", True), "format_version is"),
    "a date for a name": (toml(HEAD, lambda d: d.update(clips=date(2020, 1, 1))), "clips is"),
    # Temperatures and weights.
    "learned is a list": (content(LEARNED, b"[]"), "expected an object"),
    "learned is no JSON": (content(LEARNED, b"{"), "is not valid JSON"),
    "learned is nested": (content(LEARNED, b"[" * 100_000), "nested too deeply"),
    "a temperature of 0": (put(LEARNED, "folds.0.temperatures.0", 0), "temperatures[0] is 0"),
    "a negative temperature": (put(LEARNED, "folds.0.temperatures.0", -1.5), "temperatures[0] is -1.5"),
    "a temperature of NaN": (put(LEARNED, "folds.0.temperatures.0", float("nan")), "is NaN, expected a number"),
    "a huge temperature": (put(LEARNED, "refit.temperatures.0", 1e300), "temperatures[0] is"),
    "a temperature of text": (put(LEARNED, "folds.0.temperatures.0", "1"), "expected a number"),
    "a temperature too few": (put(LEARNED, "folds.0.temperatures", [1.0]), "has 1 temperatures for 3 systems"),
    "a fold twice": (put(LEARNED, "folds.1.fold", 0), "each once"),
    "a fold that was not tested": (put(LEARNED, "folds.1.fold", 7), "learned.json has"),
    "a negative fold": (put(LEARNED, "folds.1.fold", -1), "folds[1].fold is -1"),
    "a fold of text": (put(LEARNED, "folds.1.fold", "../1"), "folds[1].fold is"),
    "a negative weight": (put(LEARNED, "folds.0.fusion.linear", [-1, 1, 1]), "linear[0] is -1"),
    "weights of 2": (put(LEARNED, "folds.0.fusion.linear", [1, 1, 0]), "sum to 2, expected 1"),
    "weights of 0": (put(LEARNED, "folds.0.fusion.linear", [0, 0, 0]), "sum to 0, expected 1"),
    "a weight too many": (put(LEARNED, "folds.0.fusion.loglinear", [0, 0, 1, 1]), "expected 3"),
    "a huge weight": (put(LEARNED, "folds.0.fusion.loglinear", [0, 0, 1e30]), "loglinear[2] is"),
    "a system that is not there": (put(LEARNED, "folds.0.fusion.single", 3), "single is 3"),
    "the last system": (put(LEARNED, "folds.0.fusion.single", -1), "single is -1"),
    "another choice": (put(LEARNED, "folds.0.fusion.chosen", "product"), "chosen is"),
    "a mixture in some folds": (put(LEARNED, "folds.0", {"fold": 0, "temperatures": [1, 1, 1]}), "is not fused"),
    "a mixture without temperature": (put(LEARNED, "folds.0.fusion.temperatures", {"fused": 1}), "lacks"),
    # Which clips were tested.
    "clips are an object": (content(NAMES, b"{}"), "expected a list"),
    "no clips": (content(NAMES, b"[]"), "folds are []"),
    "a clip twice": (json_file(NAMES, lambda d: d[0]["systems"][0].append(d[0]["systems"][0][0])), "twice"),
    "a clip of three names": (put(NAMES, "0.systems.0.0", ["a", "b", "c"]), "systems[0][0]"),
    "a clip of null": (put(NAMES, "0.systems.0.0", [None, "b"]), "expected text"),
    "a system too few": (put(NAMES, "0.systems", [[], []]), "clips of 2 systems"),
    "other performances": (put(NAMES, "0.systems.0.0", ["new", "new"]), "other performances"),
    "millions of clips": (content(NAMES, b"[" + b"[]," * 2_000_000 + b"[]]"), "expected an object"),
}

RECIPES: dict[str, tuple[Change, str]] = {
    "a recipe of text": (put(TOML, "recipe", "x"), "recipe is"),
    "an unknown head": (put(TOML, "recipe.head", "forest"), "no head 'forest'"),
    "a head of another name": (put(TOML, "recipe.head", "kernel"), "has no setting"),
    "an unknown setting": (put(TOML, "recipe.settings.device", "cuda"), "device"),
    "a setting called name": (put(TOML, "recipe.settings.name", "x"), "no setting name"),
    "a setting of another type": (put(TOML, "recipe.settings.std", 1), "std is 1, expected true or false"),
    "an unknown statistic of a head": (put(TOML, "recipe.settings.statistics", ["mode"]), "statistics[0] is"),
    "no statistics": (put(TOML, "recipe.settings.statistics", []), "expected at least one entry"),
    "a width of 0": (put(f"{ATTENTIVE}.toml", "recipe.settings.hidden", 0), "hidden is 0"),
    "a huge width": (put(f"{ATTENTIVE}.toml", "recipe.settings.hidden", 1 << 31), "its recipe implies"),
    "a dropout of 2": (put(f"{ATTENTIVE}.toml", "recipe.settings.dropout", 2.0), "dropout is 2.0"),
    "no epochs": (put(f"{ATTENTIVE}.toml", "recipe.chosen", {}), "lacks 'epochs'"),
    "layer weights of another head": (put(f"{ATTENTIVE}.toml", "layer_weights.0", 0.9), "layer_weights are not those"),
    "a negative gamma": (put(f"{KERNEL}.toml", "recipe.chosen.gamma", -1.0), "gamma is -1.0"),
    "another number of classes": (put(TOML, "recipe.n_classes", 5), "its recipe implies"),
    "a million classes": (put(TOML, "recipe.n_classes", 10**6), "n_classes is 1000000"),
    "a layer twice": (put(TOML, "recipe.layers", [1, 1]), "layers"),
    "no layers": (put(TOML, "recipe.layers", []), "layers is []"),
    "other layers than chosen": (put(TOML, "recipe.layers", [0, 9]), "chosen.layers is"),
    "50,000 layers": (put(f"{ATTENTIVE}.toml", "recipe.layers", list(range(50_000))), "layers and dim are"),
    "a huge dimension": (put(f"{ATTENTIVE}.toml", "recipe.dim", 1 << 31), "layers and dim are"),
    "a dimension of 0": (put(TOML, "recipe.dim", 0), "dim is 0"),
    "blocks that do not add up": (put(TOML, "recipe.blocks", [1, 1]), "blocks is [1, 1]"),
    "streams beside": (put(TOML, "recipe.also_dims", [4]), "must name the same streams"),
    "pooled is text": (put(TOML, "recipe.pooled", "false"), "pooled is"),
    "a newer head": (put(TOML, "format_version", 2), "reads ravfeat-head version 1"),
    "a recipe that is no TOML": (content(TOML, b"\xff\xfe"), "is not valid TOML"),
    "a recipe with a dotted key": (content(TOML, b"a" + b".a" * 100_000 + b"=1"), "nested too deeply"),
    "a nested recipe": (content(TOML, b"a=" + b"[" * 100_000), "nested too deeply"),
}

ARRAYS: dict[str, tuple[Change, str]] = {
    "NaN": (fill(LOGREG, "weights", np.nan), "not finite"),
    "infinity": (fill(LOGREG, "intercept", np.inf), "not finite"),
    "NaN in half precision": (fill(KERNEL, "rows", np.nan), "not finite"),
    "infinity in a network": (fill(ATTENTIVE, "params.class_bias", -np.inf), "not finite"),
    "a deviation of 0": (fill(LOGREG, "std", 0), "expected more than 0"),
    "a negative deviation": (fill(KERNEL, "std", -1), "expected more than 0"),
    "a deviation of 0 in a network": (fill(ATTENTIVE, "constants.pooled_std", 0), "expected more than 0"),
    "a width of 0": (fill(KERNEL, "width", 0), "expected more than 0"),
    "an array too few": (arrays(LOGREG, lambda t: t.pop("std")), "lacks 'std'"),
    "an array too many": (arrays(LOGREG, lambda t: t.update(x=np.ones(1))), "has an array too many, 'x'"),
    "a shape that would broadcast": (arrays(LOGREG, lambda t: t.update(std=t["std"][:, :1, :1])), "of shape"),
    "a number for an array": (arrays(LOGREG, lambda t: t.update(intercept=np.array(1, np.float32))), "of shape"),
    "a transposed array": (arrays(LOGREG, lambda t: t.update(weights=t["weights"].T.copy())), "of shape"),
    "an empty array": (arrays(KERNEL, lambda t: t.update(rows=t["rows"][:0], dual=t["dual"][:0])), "of shape"),
    "rows without coefficients": (arrays(KERNEL, lambda t: t.update(dual=t["dual"][1:])), "of shape"),
    "another precision": (arrays(LOGREG, lambda t: t.update(std=t["std"].astype(np.float64))), "F64 of shape"),
    "whole numbers": (arrays(LOGREG, lambda t: t.update(std=t["std"].astype(np.int32))), "I32 of shape"),
    "no file": (instead_of(TENSORS, lambda path: None), "is missing"),
    "an empty file": (content(TENSORS, b""), "is damaged"),
    "a pickle": (content(TENSORS, pickle.dumps({"weights": [1.0]})), "is damaged"),
    "a header of 2^60 bytes": (content(TENSORS, struct.pack("<Q", 1 << 60) + b"{}"), "is damaged"),
    "a header past the end": (content(TENSORS, struct.pack("<Q", 5000) + b"{}"), "is damaged"),
    "a nested header": (content(TENSORS, struct.pack("<Q", 200_000) + b"[" * 200_000), "is damaged"),
    "a header that is none": (content(TENSORS, struct.pack("<Q", 2) + b"[]"), "is damaged"),
    "10^12 numbers": (header(LOGREG, lambda about: size(about, "weights", [10**6, 10**6])), "is damaged"),
    "2^64 numbers": (header(LOGREG, lambda about: size(about, "weights", [1 << 32, 1 << 32])), "is damaged"),
    "no numbers of 10^12 rows": (header(LOGREG, lambda about: size(about, "weights", [0, 10**12])), "is damaged"),
    "offsets outside": (header(LOGREG, lambda a: a["mean"].update(data_offsets=[10**6, 2 * 10**6])), "is damaged"),
    "offsets that overlap": (header(LOGREG, overlap), "is damaged"),
    "offsets backwards": (header(LOGREG, lambda a: a["mean"]["data_offsets"].reverse()), "is damaged"),
    "an unknown type": (header(LOGREG, lambda a: a["mean"].update(dtype="OBJECT")), "is damaged"),
    "another type of the same size": (header(LOGREG, lambda a: a["mean"].update(dtype="U32")), "U32 of shape"),
    "bytes after the end": (lambda f: content(TENSORS, (f / TENSORS).read_bytes() + b"x")(f), "is damaged"),
    "an end too early": (lambda f: content(TENSORS, (f / TENSORS).read_bytes()[:-4])(f), "is damaged"),
}

FILES: dict[str, tuple[Change, str]] = {
    "a pipe": (instead_of(TENSORS, os.mkfifo), "is not a regular file"),
    "a folder": (instead_of(TENSORS, Path.mkdir), "cannot be read"),
    "a link to a device": (instead_of(TENSORS, lambda path: path.symlink_to("/dev/zero")), "leads out of the folder"),
    "a link to a password file": (instead_of(LEARNED, lambda path: path.symlink_to("/etc/passwd")), "leads out"),
    "a link in a circle": (instead_of(TENSORS, lambda path: path.symlink_to(path.name)), "cannot be read"),
    "a link to nothing": (instead_of(NAMES, lambda path: path.symlink_to("nothing")), "is missing"),
    "a pipe for clips": (instead_of(NAMES, os.mkfifo), "is not a regular file"),
    "arrays of 300 GB": (instead_of(TENSORS, lambda path: sparse(path, 300_000_000_000)), "take 300 GB"),
    "arrays larger than told": (instead_of(TENSORS, lambda path: sparse(path, 1_500_000_000)), "expected at most"),
    "clips of 300 MB": (instead_of(NAMES, lambda path: sparse(path, 300_000_000)), "expected at most"),
    "a recipe of 300 MB": (instead_of(TOML, lambda path: sparse(path, 300_000_000)), "expected at most"),
}

HEADS: dict[str, tuple[Change, str]] = {
    "a pipe": (instead_of(HEAD, os.mkfifo), "is not a regular file"),
    "a folder": (instead_of(HEAD, Path.mkdir), "cannot be read"),
    "a device": (instead_of(HEAD, lambda path: path.symlink_to("/dev/zero")), "leads out of the folder"),
    "300 MB": (instead_of(HEAD, lambda path: sparse(path, 300_000_000)), "expected at most"),
    "nesting": (content(HEAD, b"a=" + b"[" * 100_000), "nested too deeply"),
    "a dotted key": (content(HEAD, b"a" + b".a" * 100_000 + b"=1"), "nested too deeply"),
    "a table of tables": (content(HEAD, b"[a" + b".a" * 100_000 + b"]"), "nested too deeply"),
    "no text": (content(HEAD, b"\xff\xfe\x00"), "is not valid TOML"),
    "nothing": (content(HEAD, b""), "lacks 'format'"),
    "another format": (put(HEAD, "format", "pickle"), "has format 'pickle' version 1"),
    "a newer format": (put(HEAD, "format_version", 99), "version 99"),
    "no digest": (toml(HEAD, lambda document: document.pop("sha256")), "lacks 'sha256'"),
    "a digest of nothing": (put(HEAD, "sha256", ""), "does not match its own digest"),
    "a file with another digest": (content(LEARNED, b"{}"), "does not match its digest"),
}


@pytest.fixture
def copy(place: Place, tmp_path: Path) -> Path:
    return Path(shutil.copytree(place.head, tmp_path / "copy"))


def refused(folder: Path, message: str) -> None:
    before = time.monotonic()
    with pytest.raises(HeadError) as error:
        load_head(folder)
    said = str(error.value)
    assert message in said
    assert str(folder) in said
    assert "\n" not in said
    assert said.isprintable()
    assert time.monotonic() - before < 20


def test_what_nobody_changed_predicts_the_same_bytes(place: Place, copy: Path) -> None:
    expected = load_head(place.head).predict(place.caches, CLIPS)
    sign(copy)
    assert (copy / HEAD).read_bytes() == (place.head / HEAD).read_bytes()
    assert load_head(copy).predict(place.caches, CLIPS).tobytes() == expected.tobytes()


@pytest.mark.parametrize(("change", "message"), DOCUMENTS.values(), ids=list(DOCUMENTS))
def test_documents_that_are_signed_and_wrong_are_refused(change: Change, message: str, copy: Path) -> None:
    change(copy)
    sign(copy)
    refused(copy, message)


@pytest.mark.parametrize(("change", "message"), RECIPES.values(), ids=list(RECIPES))
def test_recipes_that_are_signed_and_wrong_are_refused(change: Change, message: str, copy: Path) -> None:
    change(copy)
    sign(copy)
    refused(copy, message)


@pytest.mark.parametrize(("change", "message"), ARRAYS.values(), ids=list(ARRAYS))
def test_arrays_that_are_signed_and_wrong_are_refused(change: Change, message: str, copy: Path) -> None:
    change(copy)
    sign(copy)
    refused(copy, message)


@pytest.mark.parametrize(("change", "message"), FILES.values(), ids=list(FILES))
def test_what_is_no_file_of_the_folder_is_not_opened(change: Change, message: str, copy: Path) -> None:
    change(copy)  # no signature: digests of pipes and of 300 GB cannot be made, and are not looked at
    refused(copy, message)


@pytest.mark.parametrize(("change", "message"), HEADS.values(), ids=list(HEADS))
def test_what_is_no_head_toml_is_refused(change: Change, message: str, copy: Path) -> None:
    change(copy)
    refused(copy, message)


def test_a_link_that_leads_out_is_refused_even_to_the_right_file(place: Place, copy: Path) -> None:
    (copy / TENSORS).unlink()
    (copy / TENSORS).symlink_to(place.head / TENSORS)
    refused(copy, "is a link that leads out of the folder")
    (copy / TENSORS).unlink()
    shutil.copyfile(place.head / TENSORS, copy / TENSORS)
    shutil.move(copy / "folds", copy.parent / "folds")
    (copy / "folds").symlink_to(copy.parent / "folds")
    refused(copy, "is a link that leads out of the folder")


def test_a_link_within_the_folder_is_followed(copy: Path) -> None:
    shutil.move(copy / TENSORS, copy / "arrays")
    (copy / TENSORS).symlink_to(copy / "arrays")
    assert load_head(copy).refitted


# --- what only shows when it predicts

OVERFLOWS: dict[str, Change] = {
    "weights": arrays("refit/audio-voice-logreg/seed-0", lambda t: t["weights"].fill(3e38)),
    "a deviation that is hardly a number": arrays("refit/face-face-kernel/seed-0", lambda t: t["std"].fill(1e-45)),
    "a network": arrays("refit/audio-voice-attentive/seed-0", lambda t: t["params.hidden_weight"].fill(3e38)),
    "coefficients": arrays("refit/face-face-kernel/seed-0", lambda t: t["dual"].fill(3e38)),
}


@pytest.mark.parametrize("change", OVERFLOWS.values(), ids=list(OVERFLOWS))
@pytest.mark.filterwarnings("error")
def test_a_head_that_overflows_gives_no_probabilities(change: Change, place: Place, copy: Path) -> None:
    change(copy)
    sign(copy)
    head = load_head(copy)
    with pytest.raises(HeadError, match="no finite logits, the first '11-00'"):
        head.probabilities(place.caches, CLIPS)


def test_features_that_are_not_finite_are_refused_by_the_name_of_the_clip(place: Place, tmp_path: Path) -> None:
    takes = actors_and_emotions(seed=7, corpus="other")
    takes[5].features[0, 0, 0] = np.nan
    voice = write_cache(tmp_path, takes, name="voice", stream="audio", corpus="other")
    with pytest.raises(CacheError, match=f"clip '{takes[5].clip_id}' in .* is damaged"):
        load_head(place.head).predict([voice, place.caches[1]], [take.clip_id for take in takes])


@pytest.mark.parametrize("name", ["constants.window_std", "constants.pooled_std", "params.attention"])
def test_a_network_of_odd_numbers_gives_probabilities_or_an_error(name: str, place: Place, copy: Path) -> None:
    for value in (1e-44, 1e-20, 1e20, 3e38):
        arrays("refit/audio-voice-attentive/seed-0", lambda tensors, value=value: tensors[name].fill(value))(copy)
        sign(copy)
        with suppress(HeadError):
            for probs in load_head(copy).probabilities(place.caches, CLIPS).values():
                np.testing.assert_allclose(probs.sum(1), 1)


# --- the commands that read the heads of a run: no digests there


def hostile_run(change: Change, place: Place, tmp_path: Path) -> Path:
    """A run whose heads were changed as those of a published head are."""
    run = Path(shutil.copytree(place.run, tmp_path / "copy"))
    (run / "heads").rename(run / "folds")
    change(run)
    (run / "folds").rename(run / "heads")
    return run


# The command reads them as load_head does, with which all are tried above.
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.slow] if number % 4 else [])
        for number, (name, case) in enumerate((RECIPES | ARRAYS).items())
    ],
)
def test_export_heads_refuses_them_by_one_line(
    change: Change, message: str, place: Place, here: Callable[..., Done], tmp_path: Path
) -> None:
    run = hostile_run(change, place, tmp_path)
    done = here("export-heads", run, "--to", tmp_path / "head", "--unchecked")
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert message in said
    assert str(run) in said
    assert not (tmp_path / "head").exists()


@pytest.mark.parametrize("name", ["NaN", "a deviation of 0", "a header of 2^60 bytes"])
def test_the_audit_says_that_a_head_is_not_the_runs(
    name: str, place: Place, here: Callable[..., Done], tmp_path: Path
) -> None:
    change, message = ARRAYS[name]
    run = hostile_run(change, place, tmp_path)
    done = here("audit", run)
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stderr


def test_a_saved_head_that_overflows_is_no_agreement(place: Place, here: Callable[..., Done], tmp_path: Path) -> None:
    run = hostile_run(arrays(LOGREG, lambda tensors: tensors["weights"].fill(3e38)), place, tmp_path)
    done = here("audit", run)
    assert done.returncode == 1
    assert "differ by inf" in done.stdout
