"""Which files hold the weights: exactly those that are loaded, none of them outside the folder."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ravfeat.encoders.registry import load_encoder
from ravfeat.encoders.weight_files import find_weights
from ravfeat.encoders.weights import open_weights
from ravfeat.errors import EncoderError

STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
INDEX = "model.safetensors.index.json"
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 12345\n"


@pytest.fixture
def split(make_tiny, save_model, tmp_path) -> Path:
    return save_model(make_tiny("WavLM", **STABLE), tmp_path / "split", max_shard_size="60KB")


def relist(folder: Path, name: Callable[[str], object]) -> None:
    """Write the index anew, with another name for every file."""
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"] = {key: name(file) for key, file in index["weight_map"].items()}
    (folder / INDEX).write_text(json.dumps(index))


def zeros(source: Path, target: Path) -> None:
    save_file({key: 0 * value for key, value in load_file(source).items()}, target, metadata={"format": "pt"})


def refused(folder: Path, match: str) -> None:
    with pytest.raises(EncoderError, match=match) as error:
        load_encoder(str(folder), "cpu")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_count_in_the_order_of_the_library(tmp_path) -> None:
    for name in ("pytorch_model.bin", "model-00001-of-00001.safetensors", "model.safetensors"):
        (tmp_path / name).write_bytes(b"weights")
    (tmp_path / INDEX).write_text('{"weight_map": {"a": "model-00001-of-00001.safetensors"}}')
    for name in ("model.safetensors", "model-00001-of-00001.safetensors", "pytorch_model.bin"):
        weights = find_weights(tmp_path)
        assert [file.name for file in weights.files] == [name]
        (tmp_path / name).unlink()
        (weights.index or tmp_path / "nothing").unlink(missing_ok=True)


def test_other_files_than_those_with_the_usual_names_are_never_loaded_unseen(split) -> None:
    for shard in split.glob("model-*"):
        zeros(shard, split / f"other-{shard.name}")
    relist(split, lambda file: f"other-{file}")
    refused(split, r"has model-00001-of-\d+.safetensors, which model.safetensors.index.json does not list")
    for shard in split.glob("model-*.safetensors"):
        shard.unlink()
    # Now they are the model, and all of its identity.
    assert {file.name[:6] for file in open_weights(split).files} == {"other-"}


@pytest.mark.parametrize("place", ["../", "/", "sub/../", "./", "..\\"])
def test_no_file_outside_the_folder_is_loaded(place, split) -> None:
    for shard in split.glob("model-*"):
        zeros(shard, split.parent / shard.name)
    relist(split, lambda file: (str(split.parent) if place == "/" else "") + place + file)
    refused(split, r"a file in .*index.json is '.*', expected a plain name")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        pytest.param(lambda folder: (folder / INDEX).unlink(), f"and no {INDEX}, which lists", id="no index"),
        pytest.param(lambda folder: min(folder.glob("model-*")).unlink(), "lists model-00001.*not there", id="lost"),
        pytest.param(
            lambda folder: shutil.copy(min(folder.glob("model-*")), folder / "model-00009-of-00009.safetensors"),
            "has model-00009-of-00009.safetensors, which", id="one more",
        ),
        pytest.param(lambda folder: relist(folder, lambda _: 3), "is 3, expected text", id="number"),
        pytest.param(lambda folder: relist(folder, lambda _: ""), "is '', expected a plain name", id="no name"),
        pytest.param(lambda folder: relist(folder, lambda _: "x.bin"), "'x.bin', expected names that end", id="pickle"),
        pytest.param(lambda folder: (folder / INDEX).write_text("{}"), "lacks 'weight_map'", id="empty"),
        pytest.param(lambda folder: (folder / INDEX).write_text('{"weight_map": {}}'), "lists no files", id="no files"),
        pytest.param(lambda folder: (folder / INDEX).write_text("[]"), r"it is \[\], expected an object", id="list"),
        pytest.param(lambda folder: (folder / INDEX).write_bytes(LFS_POINTER), "not valid JSON", id="pointer"),
    ],
)  # fmt: skip
def test_an_index_that_does_not_fit_its_files_is_refused(spoil, match, split) -> None:
    spoil(split)
    refused(split, match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (LFS_POINTER, "is a Git LFS pointer, not the weights; fetch it with 'git lfs pull'"),
        (b"<!DOCTYPE html><html>sign in</html>", "is a web page, not the weights; download it again"),
        (b"", "is empty"),
    ],
)
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_what_lies_in_place_of_weights_is_named(name, content, match, save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(content)
    refused(folder, match)


def test_pipes_devices_and_links_to_nothing_are_no_weights(save_tiny) -> None:
    folder = save_tiny("WavLM", **STABLE)
    weights = folder / "model.safetensors"
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("nothing")):
        weights.unlink()
        make(weights)
        refused(folder, "model.safetensors is not a regular file, or a link to nothing")


def test_links_to_weights_elsewhere_are_followed_as_in_the_store_of_the_hub(split, tmp_path) -> None:
    digest, snapshot = open_weights(split).digest, tmp_path / "snapshots" / "c0ffee"
    (tmp_path / "blobs").mkdir()
    snapshot.mkdir(parents=True)
    for number, file in enumerate(split.iterdir()):
        shutil.copy(file, tmp_path / "blobs" / str(number))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(number))
    assert load_encoder(str(snapshot), "cpu").spec.weights == digest


def test_objects_in_a_pickle_are_never_made(save_tiny, tmp_path) -> None:
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    folder = save_tiny("WavLM", **STABLE)
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Harm()}, folder / "pytorch_model.bin")
    refused(folder, "holds Python objects, which could run code; save it as safetensors")
    assert not (tmp_path / "harm").exists()
