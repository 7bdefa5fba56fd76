"""Packages by extra: there, missing, broken, too old, too new."""

import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from ravfeat.doctor import packages
from ravfeat.doctor.imports import Import
from ravfeat.doctor.packages import EXTRAS, check_packages

MODULES = {"mediapipe", "onnxruntime", "PIL"}


@pytest.fixture
def installed(monkeypatch) -> dict[str, str]:
    versions = {"mediapipe": "0.10.31", "onnxruntime": "1.31.1", "pillow": "13.0.0"}

    def version(package: str) -> str:
        if package not in versions:
            raise PackageNotFoundError
        return versions[package]

    monkeypatch.setattr(packages, "version", version)
    monkeypatch.setattr(packages, "EXTRAS", {"face": EXTRAS["face"]})
    return versions


def face(**changes: Import):
    (finding,) = check_packages({name: Import() for name in MODULES} | changes)
    return finding


def test_the_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {"base": project["dependencies"], **project["optional-dependencies"]}
    for name, requirements in EXTRAS.items():
        assert list(requirements) == [text for text in extras[name] if not text.startswith("ravfeat[")]
    # Those that say themselves what is missing; gradio and ray take seconds to import.
    assert set(extras) - set(EXTRAS) == {"all", "demo", "docs", "dev", "face-gpu", "ray", "s3", "slurm"}
    gpu = [text.replace("onnxruntime-gpu", "onnxruntime") for text in extras["face-gpu"]]
    assert gpu == extras["face"]


def test_what_is_there_is_listed_with_versions(installed) -> None:
    finding = face()
    assert (finding.state, finding.needed, finding.remedy) == ("ok", False, "")
    assert finding.text == "mediapipe 0.10.31, onnxruntime 1.31.1, pillow 13.0.0"


def test_a_missing_package_names_the_extra(installed) -> None:
    finding = face(mediapipe=Import(missing=True, error="no module"), onnxruntime=Import(missing=True, error="no"))
    assert (finding.state, finding.breaks) == ("missing", False)
    assert finding.text == "pillow 13.0.0; not installed: mediapipe, onnxruntime"
    assert finding.remedy == "pip install 'ravfeat[face]'"


def test_a_package_is_not_broken_by_one_that_is_missing(installed) -> None:
    mediapipe = Import(lacks="onnxruntime", error="ModuleNotFoundError: No module named 'onnxruntime'")
    finding = face(mediapipe=mediapipe, onnxruntime=Import(missing=True, lacks="onnxruntime", error="no"))
    assert (finding.state, finding.breaks) == ("missing", False)
    assert finding.text.startswith("mediapipe 0.10.31 (needs onnxruntime), pillow 13.0.0; not installed: onnxruntime")
    assert face(mediapipe=Import(lacks="absl", error="no absl")).state == "problem"


def test_a_broken_package_is_a_problem_with_its_reason(installed) -> None:
    finding = face(PIL=Import(error="OSError: libjpeg"))
    assert (finding.state, finding.breaks) == ("problem", True)
    assert "cannot be imported: pillow (OSError: libjpeg)" in finding.text


@pytest.mark.parametrize(
    ("version", "fits"),
    [("0.10.30", True), ("0.10.35", False), ("0.10.9", False), ("0.10.31+cu1", True), ("1.0", False), ("", True)],
)
def test_versions_must_lie_in_the_range(version, fits, installed) -> None:
    installed["mediapipe"] = version
    finding = face()
    assert (finding.state == "ok") is fits
    if not fits:
        assert f"does not fit: mediapipe {version} (expected >=0.10.30,<0.10.35)" in finding.text
        assert finding.remedy == "pip install --upgrade 'ravfeat[face]'"


def test_the_gpu_build_of_onnxruntime_counts(installed) -> None:
    del installed["onnxruntime"]
    installed["onnxruntime-gpu"] = "1.27.0"
    assert face().text == "mediapipe 0.10.31, onnxruntime 1.27.0, pillow 13.0.0"


def test_without_a_base_package_nothing_works() -> None:
    base = (
        "numpy", "h5py", "pyarrow", "click", "tqdm", "pydantic", "annotated-types", "typing-extensions", "fsspec",
        "huggingface_hub",
    )  # fmt: skip
    names = {packages.IMPORT_NAMES.get(name, name) for name in base}
    everything = dict.fromkeys(names, Import()) | {"h5py": Import(missing=True, error="no")}
    rest = {"torch", "transformers", "safetensors", "av", "soundfile", "soxr", "mediapipe", "onnxruntime", "PIL"}
    rest |= {"threadpoolctl", "tomli_w", "sklearn", "scipy", "matplotlib", "jinja2", "opensmile"}
    report = check_packages(everything | dict.fromkeys(rest, Import(missing=True, error="no")))[0]
    assert (report.name, report.state, report.breaks, report.remedy) == (
        "base",
        "missing",
        True,
        "pip install 'ravfeat'",
    )
