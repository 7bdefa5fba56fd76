"""How a command ends."""

import re
from unittest.mock import MagicMock, Mock

import pytest
from click import Context

from ravfeat.cli import group
from ravfeat.cli.errors import reporting


@pytest.mark.parametrize("package", ["PIL", "mediapipe", "onnxruntime"])
def test_a_missing_package_of_the_face_encoders_names_their_extra(package, capsys) -> None:
    with pytest.raises(SystemExit) as end, reporting():
        raise ModuleNotFoundError(f"No module named '{package}.x'", name=f"{package}.x")
    assert end.value.code == 1
    assert f"ravfeat: this needs the package '{package}': pip install 'ravfeat[face]'" in capsys.readouterr().err


def test_a_missing_package_that_no_extra_brings_is_our_mistake() -> None:
    with pytest.raises(ModuleNotFoundError), reporting():
        raise ModuleNotFoundError("No module named 'other'", name="other")


def _options(command: str) -> set[str]:
    parameters = group.get_command(Context(group), command).params
    return {name for parameter in parameters for name in parameter.opts}


@pytest.mark.parametrize(
    ("command", "works"),
    [
        ("fit-heads", "ravfeat.api.fit_heads.fit_plan"),
        ("compare-splits", "ravfeat.splits.compare.compare_splits"),
        ("fine-tune", "ravfeat.finetune.prepare"),
    ],
)
@pytest.mark.parametrize(
    "error", [MemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 5 GB\nmore")]
)
def test_where_memory_runs_out_a_command_names_options_that_it_has(
    command, works, error, here, whole_cache, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(works, Mock(side_effect=error))
    reads = ("--cache", whole_cache)
    if command == "fine-tune":
        monkeypatch.setattr("ravfeat.corpora.load_corpus", Mock(return_value=MagicMock(unread=())))
        reads = ("--unfreeze-top", 1)
    done = here(command, *reads, "--device", "cpu", "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ravfeat: not enough memory ({str(error).splitlines()[0]}); ")
    assert set(re.findall(r"--[a-z-]+", line)) <= _options(command)
