"""``python -m tests.device``: build the pretended CUDA device and run tests/device on it, or say why not.

`simcuda` makes a CPU build of torch believe in two CUDA devices. It lies in the folder that ``RAVFEAT_SHARED`` names,
or in ``../shared``. What is built is kept in the environment, by torch's version and simcuda's source. With a real GPU
the same tests run on that. Arguments are passed on to pytest.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

import torch

ROOT = Path(__file__).parents[2]
MADE_FOR = "2.13."
"""Versions of torch whose internals simcuda is written for; with others it may compile and crash."""

PLUGIN = "tests.device.pretended"
HANGS = ("-o", "faulthandler_timeout=300", "-o", "faulthandler_exit_on_timeout=true")
"""A wait that never ends, on a device or between threads, ends with the stacks of all threads instead."""


def main(arguments: list[str]) -> int:
    """Run the tests; return the exit status, 0 where they cannot run and need not."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if torch.cuda.is_available():
        run(["-n", "0", *arguments], environment)
    simcuda = simcuda_folder()
    reason = missing(simcuda)
    if not reason:
        built = built_folder(simcuda)
        environment |= {"FAKECUDA_BUILT": str(built), "PATH": search_path()}
        reason = build(simcuda, built, environment)
    if not reason:
        environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(simcuda)]), "PYTEST_PLUGINS": PLUGIN}
        run(["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile", *arguments], environment)
    print(f"tests/device not run: {reason}")
    return int(os.environ.get("RAVFEAT_REQUIRE_SHARED") == "1")


def run(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Become pytest, so that this process's copy of torch is given back."""
    places = [] if any(argument.startswith("tests/") for argument in arguments) else ["tests/device"]
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "pytest", *HANGS, *places, *arguments], environment)


def simcuda_folder() -> Path:
    return Path(os.environ.get("RAVFEAT_SHARED") or ROOT.parent / "shared") / "simcuda"


def missing(simcuda: Path) -> str:
    """Name the first thing that a pretended device needs and that is not here."""
    if not (simcuda / "fakecuda.py").is_file():
        return f"no GPU, and no simcuda at {simcuda}"
    if sys.platform != "linux" or torch.version.cuda is not None:
        return f"no GPU, and simcuda needs a CPU build of torch on Linux; this is {torch.__version__} on {sys.platform}"
    if not torch.__version__.startswith(MADE_FOR):
        return f"simcuda is made for torch {MADE_FOR}x; this is {torch.__version__}"
    for tool in ("g++", "ninja"):
        if shutil.which(tool, path=search_path()) is None:
            return f"{tool} is not installed, which builds simcuda"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return f"the headers of Python are not installed (no {sysconfig.get_path('include')}/Python.h)"
    return ""


def search_path() -> str:
    """The command path with this environment's programs first: its ninja is not on it unless activated."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def built_folder(simcuda: Path) -> Path:
    parts = [torch.__version__, sys.version, source(simcuda)]
    return Path(sys.prefix, "simcuda", hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12])


def source(simcuda: Path) -> str:
    """The device's source, without a deadlock that it has.

    It drops tensors while it holds its lock of late copies. To drop one that Python has seen, it waits for the
    interpreter's lock, whose holder may be waiting for late copies. Here they are dropped after the lock.
    """
    text = (simcuda / "fakecuda.cpp").read_text("utf-8")
    text = text.replace("  c10::InferenceMode whatever", "  std::deque<Late> done;\n  c10::InferenceMode whatever")
    copied = r"(\w+)\.front\(\)\.copy\(\); \1\.pop_front\(\);"
    return re.sub(copied, r"\1.front().copy(); done.push_back(\1.front()); \1.pop_front();", text)


def build(simcuda: Path, built: Path, environment: dict[str, str]) -> str:
    """Compile it, unless an earlier call has; return why it cannot be."""
    done = built / "built"
    if done.is_file():
        return ""
    print(f"building {simcuda} in {built}; the first time this takes about 30 s", flush=True)
    built.mkdir(parents=True, exist_ok=True)
    shutil.copy(simcuda / "build.py", built)
    (built / "fakecuda.cpp").write_text(source(simcuda), "utf-8")
    with built.with_suffix(".log").open("w") as log:
        code = subprocess.run(
            [sys.executable, built / "build.py"], env=environment, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code:
        return f"simcuda cannot be built with torch {torch.__version__}; see {built.with_suffix('.log')}"
    done.touch()
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
