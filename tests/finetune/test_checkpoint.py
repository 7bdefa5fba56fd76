"""Checkpoint files: whole or not trusted."""

import logging
import re
import shutil

import pytest
import torch
from safetensors.torch import save_file

from ravfeat.finetune.checkpoint import read_tensors, write_tensors

TENSORS = {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "b/c": torch.tensor(3.0)}


@pytest.fixture
def path(tmp_path):
    write_tensors(tmp_path / "one.safetensors", TENSORS, {"fold": 1, "epoch": 4})
    return tmp_path / "one.safetensors"


def test_what_was_written_is_read_again(path) -> None:
    tensors, about = read_tensors(path, {"fold": 1})
    assert about == {"fold": 1, "epoch": 4}
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())
    assert tensors.keys() == TENSORS.keys()


def test_no_file_is_no_checkpoint_and_no_news(path, caplog) -> None:
    assert read_tensors(path.with_name("other"), {}) is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("cut", "is damaged (.*) and not used"),
        ("empty", "is damaged (.*) and not used"),
        ("value", "is damaged .its values are not those that were written"),
        ("plain", "is damaged (.*) and not used"),
        ("foreign", "belongs to another training .fold.: what it should hold is trained again"),
    ],
)
def test_a_damaged_or_foreign_file_is_not_trusted_and_the_log_says_so(damage, words, path, caplog, tmp_path) -> None:
    data = path.read_bytes()
    if damage == "foreign":
        write_tensors(tmp_path / "two.safetensors", TENSORS, {"fold": 2})
        shutil.copy(tmp_path / "two.safetensors", path)
    else:
        flipped = data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]
        path.write_bytes({"cut": data[:-7], "empty": b"", "value": flipped, "plain": data[::-1]}[damage])
    with caplog.at_level(logging.WARNING, logger="ravfeat.finetune"):
        assert read_tensors(path, {"fold": 1}) is None
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"{path} ")
    assert re.search(words, said)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_training_cannot_go_on_with_are_not_trusted_though_their_digest_fits(value, path, caplog) -> None:
    write_tensors(path, {"a": torch.tensor([1.0, value])}, {"fold": 1})
    with caplog.at_level(logging.WARNING, logger="ravfeat.finetune"):
        assert read_tensors(path, {"fold": 1}) is None
    assert "'a' holds NaN or Inf" in caplog.text


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"ravfeat.finetune": "[]"},
        {"ravfeat.finetune": '{"fold": NaN}'},
        {"ravfeat.finetune": '{"fold": 1, "fold": 2}'},
        {"ravfeat.finetune": "[" * 100_000},
    ],
)
def test_metadata_of_another_kind_is_not_trusted(metadata, path, caplog) -> None:
    save_file(TENSORS, path, metadata)
    with caplog.at_level(logging.WARNING, logger="ravfeat.finetune"):
        assert read_tensors(path, {"fold": 1}) is None
    assert f"{path} is damaged (" in caplog.text


def test_types_that_nothing_here_writes_are_not_trusted(path, caplog) -> None:
    save_file({"a": torch.ones(3, dtype=torch.bfloat16)}, path, {"ravfeat.finetune": '{"fold": 1, "sha256": ""}'})
    with caplog.at_level(logging.WARNING, logger="ravfeat.finetune"):
        assert read_tensors(path, {"fold": 1}) is None
    assert "is damaged" in caplog.text
