"""What many tests share: a tiny generated corpus, its cache, the command line, the real data."""

import base64
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

# Tests compute small things; threads inside them only get in each other's way. Read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAVFEAT_PROGRESS_S", "0")  # no line of progress among the messages, however busy the machine
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # some tests start onnxruntime themselves
# A shell ignores Ctrl-C for what it runs in the background, and the commands that tests interrupt would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ravfeat.cache import writer
from ravfeat.cache.child_check import ChildProcesses
from ravfeat.cache.format import LOCK_FILE
from ravfeat.cache.index import present_shards
from ravfeat.cli import main
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract import Extraction, run_extraction
from ravfeat.faces.source import FaceOptions
from ravfeat.manifest import Manifest
from tests.objectstore import ObjectStore, serve_objects
from tests.processes import Commands
from tests.report.simulated import write_run
from tests.spoken import Spoken, publish_spoken
from tests.tinyfaces import write_net, write_videos

if TYPE_CHECKING:
    from tests.published.hostile import Place

SLOW_FILES = (
    "tests/integration/",
    "tests/extract/test_interruption.py",
    "tests/reproduce/",
    "tests/report/test_build.py",
    "tests/finetune/",
)
"""What takes longest begins, so that no process has a minute's work left when the others have none."""

SHARD_CLIPS = 4
N_CLIPS = 22  # five full shards and a short one


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let slow files begin; within them, and after, the order stays random."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW_FILES))


@dataclass(frozen=True)
class Corpus:
    """Generated clips of two actors and their manifest."""

    root: Path
    manifest: Manifest

    def extraction(self, **changes: object) -> Extraction:
        return Extraction(**({"manifest": self.manifest, "root": self.root, "encoder": LogMelEncoder()} | changes))


@pytest.fixture(scope="session", autouse=True)
def few_swaps() -> Iterator[None]:
    """Fewer swaps, for the files of every run; tests/stats draws all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravfeat.stats.permutation.SWAPS", 500)
        yield


@pytest.fixture(scope="session", autouse=True)
def unflushed() -> Iterator[None]:
    """Files are not flushed to the disk, as no test cuts the power; commands in processes of their own do flush."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def kept_children() -> Iterator[None]:
    """Processes that check shards serve the caches of all tests: to start one takes half a second."""
    kept = ChildProcesses()
    with pytest.MonkeyPatch.context() as patch, kept:
        patch.setattr(ChildProcesses, "__init__", lambda self: setattr(self, "_idle", kept._idle))
        patch.setattr(ChildProcesses, "__exit__", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 60 generated clips of two actors, not to be changed."""
    folder = tmp_path_factory.mktemp("generated") / "synth"
    generate(folder, actors=2)
    return folder


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """A published head of generated voices and faces. Read only."""
    return publish_spoken(tmp_path_factory.mktemp("spoken"))


@pytest.fixture(scope="session")
def corpus(generated: Path) -> Corpus:
    """A few clips of both actors."""
    whole = scan_ravdess(generated, corpus="synth", synthetic=True)
    return Corpus(generated, whole.with_clips(whole.clips[i * len(whole) // N_CLIPS] for i in range(N_CLIPS)))


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of four clips."""
    monkeypatch.setattr(writer, "MAX_SHARD_CLIPS", SHARD_CLIPS)


Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="session")
def contents() -> Contents:
    """Everything in a cache's folder, byte by byte."""

    def read(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != LOCK_FILE}

    return read


@pytest.fixture
def clips(corpus: Any, tmp_path: Path) -> Path:
    """The clips of `corpus` in a folder of their own that says nothing of being generated."""
    folder = tmp_path / "clips"
    for clip in corpus.manifest:
        (folder / clip.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(corpus.root / clip.path, folder / clip.path)
    return folder


Stamps = Callable[[Path], dict[str, tuple[int, int]]]


@pytest.fixture(scope="session")
def stamps() -> Stamps:
    """Which shard files are there; another inode or time means that one was written again."""

    def read(folder: Path) -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in present_shards(folder).values()}

    return read


@pytest.fixture(scope="session")
def whole_cache(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of six shards, not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MAX_SHARD_CLIPS", SHARD_CLIPS)
        return run_extraction(corpus.extraction(), tmp_path_factory.mktemp("whole")).path


@pytest.fixture(scope="session")
def whole_face_cache(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the faces of four clips, two shards, not to be changed."""
    folder = tmp_path_factory.mktemp("faces")
    write_videos(folder / "videos", [f"02{clip.clip_id[2:]}" for clip in corpus.manifest.clips[:4]])
    source = FaceOptions(cropped=True).source(boxes=True, meshes=False)
    encoder = load_encoder(str(write_net(folder / "tiny.onnx")), "cpu", faces=FaceOptions(cropped=True))
    manifest = scan_ravdess(folder / "videos", "face")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "MAX_SHARD_CLIPS", 2)
        return run_extraction(Extraction(manifest, folder / "videos", encoder, source=source), folder / "cache").path


@pytest.fixture
def cache_copy(whole_cache: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(whole_cache, tmp_path / "cache" / "synth" / whole_cache.name))


@pytest.fixture(scope="session")
def objects() -> Iterator[ObjectStore]:
    """An S3 server with the bucket ``shelf``; one for all, since clients of fsspec remember their server."""
    with serve_objects() as store:
        yield store


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> "Place":
    """A small published head that is whole, its run, and caches of other people. Read only."""
    from tests.published.hostile import make_place  # brings torch

    return make_place(tmp_path_factory.mktemp("honest"))


BLANK = {
    "png": base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
    ),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg>',
}


@contextmanager
def without_ink() -> Iterator[None]:
    """Figures without ink: to draw them takes most of a report's time, and tests/report looks at them."""

    def save(_: Figure, file: BinaryIO, *, format: str, **options: object) -> None:
        file.write(BLANK[format])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save)
        patch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def blank_figures() -> Iterator[None]:
    """See `without_ink`."""
    with without_ink():
        yield


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run of simulated systems and a given name under the test's folder."""

    def make(name: str = "run", **options: Any) -> Path:
        return write_run(tmp_path / "runs" / name, **options)

    return make


def command_code(before: str = "") -> str:
    """The real command, after lines of Python where a test needs small shards or a slow encoder."""
    return f"{before}\nfrom ravfeat.cli import main\nmain()"


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Where commands in processes of their own come from."""
    commands = Commands()
    yield commands
    commands.close()


Ravfeat = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def ravfeat(commands: Commands) -> Ravfeat:
    """Run the real command line in a process of its own."""

    def run(*arguments: object, before: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        with commands.start(command_code(before), arguments, cwd=cwd) as command:
            out, err = command.communicate()
            return subprocess.CompletedProcess(arguments, command.wait(), out, err)

    return run


@pytest.fixture(scope="session")
def new_ravfeat() -> Ravfeat:
    """The same in a new interpreter, where what it imports is what is tested: that takes seconds."""

    def run(*arguments: object, before: str = "", **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-W", "error", "-c", command_code(before), *map(str, arguments)],
            capture_output=True, text=True, timeout=120, check=False, **options,
        )  # fmt: skip

    return run


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Done]]:
    """Run a command as `main` does, in this process and a folder: one that needs none of its own starts at once."""
    log = logging.getLogger("ravfeat")
    before = log.handlers[:], log.level
    # A forked process that inherits a handler in Python may miss the signal that is to end it.
    term = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object, cwd: Path | None = None) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["ravfeat", *map(str, arguments)])
            if cwd is not None:
                patch.chdir(cwd)
            try:
                main()
                code: object = 0
            except SystemExit as end:
                code = end.code
        said = capsys.readouterr()
        assert isinstance(code, int)
        return Done(code, said.out, said.err)

    yield run
    signal.signal(signal.SIGTERM, term)
    log.handlers[:] = before[0]
    log.setLevel(before[1])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real data, where the environment names one."""
    folder = os.environ.get("RAVFEAT_SHARED", "")
    if folder and Path(folder).is_dir():
        return Path(folder)
    if os.environ.get("RAVFEAT_REQUIRE_SHARED") == "1":
        pytest.fail(f"RAVFEAT_REQUIRE_SHARED is 1 and RAVFEAT_SHARED ('{folder}') names no folder")
    pytest.skip("RAVFEAT_SHARED names no folder with the real data")
