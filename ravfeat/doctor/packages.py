"""Which packages are installed, by the extra of ravfeat that brings them; whether they work and fit."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ravfeat.doctor.finding import Finding
from ravfeat.doctor.imports import Import

__all__ = ["EXTRAS", "IMPORT_NAMES", "check_packages"]

EXTRAS: dict[str, tuple[str, ...]] = {
    "base": (
        "numpy>=2.0", "h5py>=3.11", "pyarrow>=17", "click>=8.1", "tqdm>=4.66", "pydantic>=2.7", "annotated-types>=0.6",
        "typing-extensions>=4.6", "fsspec>=2024.10", "huggingface_hub>=1.0",
    ),
    "extract": ("torch>=2.6", "transformers>=5.0", "safetensors>=0.4", "av>=18", "soundfile>=0.12", "soxr>=0.5"),
    "face": ("mediapipe>=0.10.30,<0.10.35", "onnxruntime>=1.20", "pillow>=10.3"),
    "heads": ("torch>=2.6", "threadpoolctl>=3.1", "safetensors>=0.4", "tomli-w>=1.1", "scikit-learn>=1.5"),
    "opensmile": ("opensmile>=2.5",),
    "fuse": ("scipy>=1.13",),
    "report": ("matplotlib>=3.9", "jinja2>=3.1"),
}  # fmt: skip
"""Requirements of each extra, as in pyproject.toml, without those of the extras that it includes."""

IMPORT_NAMES = {
    "pillow": "PIL", "tomli-w": "tomli_w", "scikit-learn": "sklearn", "typing-extensions": "typing_extensions",
    "annotated-types": "annotated_types",
}  # fmt: skip
"""Names of modules that differ from the package's."""

_LICENCES = {"opensmile": "openSMILE's research licence, no commercial use"}
"""Of extras that bring what not everybody may use."""

_GPU_BUILDS = {"onnxruntime": "onnxruntime-gpu"}
"""Packages that bring the same module."""

_NAME = re.compile(r"[\w-]+")
_BOUND = re.compile(r"(>=|<)([\d.]+)")


def check_packages(imports: Mapping[str, Import]) -> list[Finding]:
    """Report on the packages of every extra.

    Parameters
    ----------
    imports : mapping of str to Import
        By name of the module.
    """
    return [_check_extra(extra, requirements, imports) for extra, requirements in EXTRAS.items()]


def _check_extra(extra: str, requirements: tuple[str, ...], imports: Mapping[str, Import]) -> Finding:
    versions: dict[str, str | None] = {}
    missing, broken, unfit = [], [], []
    for requirement in requirements:
        package = _NAME.match(requirement)[0]  # type: ignore[index]  # each begins with a name
        found = imports[IMPORT_NAMES.get(package, package)]
        versions[package] = None if found.missing else _version(package, found)
        if found.missing:
            missing.append(package)
        elif found.lacks in imports and imports[found.lacks].missing:
            versions[package] = f"{versions[package]} (needs {found.lacks})"  # not broken: the other one is missing
        elif found.error:
            broken.append(f"{package} ({found.error})")
        elif not _fits(versions[package] or "", requirement):
            unfit.append(f"{package} {versions[package]} (expected {requirement.removeprefix(package)})")
    works = [f"{package} {text}" for package, text in versions.items() if text]
    parts = [
        ", ".join(works),
        f"not installed: {', '.join(missing)}" if missing else "",
        f"cannot be imported: {', '.join(broken)}" if broken else "",
        f"does not fit: {', '.join(unfit)}" if unfit else "",
        _LICENCES.get(extra, ""),
    ]
    name = "ravfeat" if extra == "base" else f"ravfeat[{extra}]"
    return Finding(
        "packages", extra,
        "problem" if broken or unfit else "missing" if missing else "ok",
        "; ".join(filter(None, parts)),
        f"pip install --upgrade '{name}'" if broken or unfit else f"pip install '{name}'" if missing else "",
        needed=bool(broken) or extra == "base",
        values={"versions": versions, "missing": missing, "broken": broken, "unfit": unfit},
    )  # fmt: skip


def _version(package: str, found: Import) -> str:
    for name in (_GPU_BUILDS.get(package, package), package):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return found.version


def _fits(installed: str, requirement: str) -> bool:
    parts = _numbers(installed)
    return not parts or all((parts >= _numbers(bound)) is (sign == ">=") for sign, bound in _BOUND.findall(requirement))


def _numbers(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match else ()
