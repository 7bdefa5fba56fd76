"""Workers that log every clip they encode, and can be made slow or deadly, in whichever process they run."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract import run_extraction
from ravfeat.extract.named_work import NamedWork
from ravfeat.manifest import Clip
from ravfeat.media.sound import read_waveform

HOOK = """
import hashlib, os, signal, sys, time
if os.environ.get("ENCODED_LOG") and "ravfeat.cache.child_check" not in sys.orig_argv:
    from ravfeat.encoders.logmel import LogMelEncoder as E
    encode = E.encode
    def logged(self, batch):
        names = [hashlib.sha256(clip.values.tobytes()).hexdigest() for clip in batch]
        if os.environ["DEADLY"] in names:
            os.kill(os.getpid(), signal.SIGKILL)
        states = encode(self, batch)
        time.sleep(float(os.environ["SLOW_S"]) * len(batch))
        with open(os.environ["ENCODED_LOG"], "a") as log:
            log.writelines(f"{os.getpid()} {name}\\n" for name in names)
        return states
    E.encode = logged
"""


@dataclass(frozen=True)
class EncodedLog:
    """Which process encoded which clip; settings of the workers that are started from now on."""

    path: Path
    patch: pytest.MonkeyPatch

    def slow(self, seconds: float) -> None:
        """Make workers take their time over every clip."""
        self.patch.setenv("SLOW_S", str(seconds))

    def deadly(self, clip: Clip, root: Path) -> None:
        """Make a clip end every process that encodes it."""
        values = LogMelEncoder().prepare(read_waveform(root / clip.path)).values
        self.patch.setenv("DEADLY", hashlib.sha256(values.tobytes()).hexdigest())

    @property
    def lines(self) -> list[tuple[int, str]]:
        """Process and clip, in order."""
        text = self.path.read_text() if self.path.exists() else ""
        return [(int(line.split()[0]), line.split()[1]) for line in text.splitlines()]

    @property
    def pids(self) -> set[int]:
        return {pid for pid, _ in self.lines}

    @property
    def times(self) -> Counter[str]:
        """How often each clip was encoded."""
        return Counter(name for _, name in self.lines)


@pytest.fixture
def encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EncodedLog:
    """See `EncodedLog`; Python runs a module of this name in every process that begins."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(HOOK)
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{hooks}{os.pathsep}{root}")
    for name, value in {"ENCODED_LOG": str(tmp_path / "encoded.log"), "SLOW_S": "0", "DEADLY": "none"}.items():
        monkeypatch.setenv(name, value)
    return EncodedLog(tmp_path / "encoded.log", monkeypatch)


@pytest.fixture
def named(corpus: Any) -> NamedWork:
    """The clips of `corpus` through log-mel, by name."""
    return NamedWork(corpus.root, ("logmel",), corpus.manifest, device="cpu")


@pytest.fixture(scope="session")
def alone(corpus: Any, contents: Callable[[Path], dict[str, bytes]], tmp_path_factory: Any) -> dict[str, bytes]:
    """What one process makes of it, in shards of four clips."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 4)
        request = corpus.extraction(encoder=load_encoder("logmel", "cpu"))
        return contents(run_extraction(request, tmp_path_factory.mktemp("alone")).path)
