"""Import packages in a process of their own, so that one that crashes is a line of the report and not its end."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["Import", "load", "try_imports"]

_PATIENCE_S = 120.0

_CHILD = """
import importlib, json, sys
with open(sys.argv[1], "a", encoding="utf-8") as results:
    for name in sys.argv[2:]:
        try:
            module = importlib.import_module(name)
            found = {"version": str(getattr(module, "__version__", ""))}
        except BaseException as error:
            lacks = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
            lines = str(error).strip().splitlines()
            reason = f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")
            found = {"missing": lacks == name, "lacks": lacks, "error": reason}
        results.write(json.dumps([name, found]) + chr(10))
        results.flush()
"""


@dataclass(frozen=True)
class Import:
    """Result of importing one package.

    Attributes
    ----------
    version : str
        Empty where the package does not say.
    missing : bool
        Whether it is not installed.
    lacks : str
        Package that it needs and that is not installed.
    error : str
        Why it cannot be imported, empty where it can.
    """

    version: str = ""
    missing: bool = False
    lacks: str = ""
    error: str = ""

    @property
    def works(self) -> bool:
        """Whether it can be imported."""
        return not self.missing and not self.error


def try_imports(names: Sequence[str]) -> dict[str, Import]:
    """Import packages, one after the other; a package that ends the process is passed over by the next process."""
    found: dict[str, Import] = {}
    while waiting := [name for name in names if name not in found]:
        results, end = _run_child(waiting)
        found |= results
        if rest := [name for name in waiting if name not in found]:
            found[rest[0]] = Import(error=end)
    return found


def load(name: str, imports: Mapping[str, Import]) -> Any:
    """Import a package here that could be imported there; None for all others."""
    return import_module(name) if name in imports and imports[name].works else None


def _run_child(names: Sequence[str]) -> tuple[dict[str, Import], str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results"
        path.touch()
        end = _wait([sys.executable, "-P", "-c", _CHILD, str(path), *names])
        lines = path.read_text(encoding="utf-8").splitlines()
    return {name: Import(**values) for name, values in map(json.loads, lines)}, end


def _wait(command: Sequence[str]) -> str:
    """Run a process, and say how it ended."""
    # As ravfeat itself does before it imports onnxruntime: nothing is reported to its makers.
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": os.environ.get("ORT_DISABLE_TELEMETRY", "1")}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        return f"importing it takes more than {_PATIENCE_S:g} s"
    if done.returncode < 0:
        return f"importing it crashes ({signal.Signals(-done.returncode).name})"
    return f"importing it ends the process (exit code {done.returncode})"
