"""Examine the machine: every check in order, none of which can end the others."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ravfeat.doctor.codecs import check_codecs
from ravfeat.doctor.defaults import check_device, check_readers
from ravfeat.doctor.devices import check_onnxruntime, check_torch
from ravfeat.doctor.finding import Finding
from ravfeat.doctor.imports import Import, load, try_imports
from ravfeat.doctor.machine import check_machine
from ravfeat.doctor.models import check_face_models, check_hub, check_weights
from ravfeat.doctor.packages import EXTRAS, IMPORT_NAMES, check_packages
from ravfeat.doctor.storage import check_caches, check_storage

__all__ = ["examine"]


def examine(out: Path, *, offline: bool = False) -> list[Finding]:
    """Examine this machine.

    Parameters
    ----------
    out : Path
        Where caches would go.
    offline : bool
        Do not ask whether the hub is reachable.

    Returns
    -------
    list of Finding
    """
    imports = try_imports([*_modules()])
    checks: dict[tuple[str, str], Callable[[], list[Finding]]] = {
        ("system", "python"): check_machine,
        ("packages", "all"): lambda: check_packages(imports),
        ("devices", "cuda"): lambda: check_torch(load("torch", imports)),
        ("devices", "onnx"): lambda: check_onnxruntime(load("onnxruntime", imports)),
        ("media", "av"): lambda: check_codecs(load("av", imports), load("soundfile", imports)),
        ("storage", "out"): lambda: check_storage(out),
        ("storage", "caches"): lambda: check_caches(out),
        ("models", "hub"): lambda: check_hub(load("huggingface_hub", imports), offline=offline),
        ("models", "encoders"): lambda: check_weights(load("huggingface_hub", imports)),
        ("models", "faces"): check_face_models,
        ("extract", "device"): lambda: check_device(load("torch", imports)),
        ("extract", "readers"): check_readers,
    }
    return [finding for (topic, name), check in checks.items() for finding in _guarded(topic, name, check, imports)]


def _modules() -> Iterator[str]:
    for requirements in EXTRAS.values():
        for requirement in requirements:
            package = requirement.partition(">")[0]
            yield IMPORT_NAMES.get(package, package)


def _guarded(topic: str, name: str, check: Callable[[], list[Finding]], imports: dict[str, Import]) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (a check that fails is a line of the report, and not its end)
        if isinstance(error, ModuleNotFoundError) and not imports.get(error.name or "", Import()).works:
            # What is missing has a line of its own among the packages.
            return [Finding(topic, name, "missing", f"cannot be examined without {error.name}")]
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        return [Finding(topic, name, "problem", f"could not be examined ({reason})")]
