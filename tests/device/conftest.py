"""Tests that need a CUDA device: skipped in an ordinary session, run on a pretended one by ``make test-device``."""

import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from ravfeat.cache import find_caches
from ravfeat.cache.format import StoreRecipe
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract.streams import extract_stream
from ravfeat.faces.source import FaceOptions
from tests.device.models import AUDIO, SaveModel, save_model
from tests.device.table import Table
from tests.encoders.conftest import far_apart, make_tiny, noise, save_tiny
from tests.tinyfaces import write_videos

__all__ = ["far_apart", "make_tiny", "noise", "save_tiny"]

TABLE = pytest.StashKey[Table]()
collect_ignore = ["pretended.py"]  # a plugin, and the module that it needs is not there in an ordinary session


def pytest_pycollect_makemodule() -> None:
    """Skip the whole folder, in one line, where there is no device."""
    if not torch.cuda.is_available():
        reason = "there is no CUDA device; 'make test-device' runs these on a pretended one"
        pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="session")
def device() -> str:
    """The device to test on."""
    return "cuda"


@pytest.fixture
def pretended(device: str) -> Iterator[Any]:
    """The pretended devices' own interface, to set limits and to read counts; limits are taken back afterwards."""
    if "fakecuda" not in sys.modules:
        pytest.skip("only a pretended device can be given less memory than it has")
    interface = sys.modules["fakecuda"].ext
    limits = [interface.memory(number)[2] for number in range(interface.count())]
    yield interface
    for number, limit in enumerate(limits):
        interface.set_limit(number, limit)


@pytest.fixture(scope="session")
def encoder_of(tmp_path_factory: pytest.TempPathFactory) -> SaveModel:
    """What --encoder takes for a tiny model of a family."""
    home = tmp_path_factory.mktemp("models")
    return lambda name: save_model(home, name)


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four emotions by four actors: 16 generated voices, not to be changed."""
    whole, few = tmp_path_factory.mktemp("generated") / "synth", tmp_path_factory.mktemp("voices")
    generate(whole, actors=4)
    for emotion in ("03", "04", "05", "06"):
        for path in whole.rglob(f"03-01-{emotion}-01-01-01-*.wav"):
            shutil.copy(path, few)
    return few


@pytest.fixture(scope="session")
def videos(voices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of the same performances."""
    folder = tmp_path_factory.mktemp("faces") / "videos"
    write_videos(folder, [f"02{path.stem[2:]}" for path in sorted(voices.glob("*.wav"))], n_pictures=5)
    return folder


@pytest.fixture(scope="session")
def cache_of(
    encoder_of: SaveModel, voices: Path, videos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A family's cache of the voices or videos, encoded on the CPU, not to be changed."""
    home = tmp_path_factory.mktemp("caches")

    @cache
    def path(family: str) -> Path:
        heard = family in AUDIO
        root, stream, faces = (voices, "audio", FaceOptions()) if heard else (videos, "face", FaceOptions(cropped=True))
        encoder = load_encoder(encoder_of(family), "cpu", faces=faces)
        manifest = scan_ravdess(root, stream)
        return extract_stream(manifest, root, [encoder], home, faces=faces, recipe=StoreRecipe())[0].path

    return path


Extract = Callable[..., Path]


@pytest.fixture
def extract(here: Any, encoder_of: SaveModel, voices: Path, videos: Path) -> Extract:
    """Run `ravfeat extract` for encoders of one stream; return the folder of caches."""

    def run(out: Path, *encoders: str, code: int | None = 0, **options: object) -> Any:
        heard = all(name in AUDIO for name in encoders)
        options = {"device": "cuda", "data": voices if heard else videos, "out": out} | options
        given = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", value)]
        named = [text for name in encoders for text in ("--encoder", encoder_of(name))]
        done = here("extract", *given, *named, *([] if heard else ["--cropped"]))
        assert code in {None, done.returncode}, done.stderr
        return done

    return run


@pytest.fixture
def files_of(contents: Any) -> Callable[[Path], dict[str, dict[str, bytes]]]:
    """The files of all caches in a folder, byte by byte."""
    return lambda folder: {path.name: contents(path) for path in find_caches(folder)}


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Table:
    """Largest differences from the CPU, printed when the session ends."""
    return request.config.stash.setdefault(TABLE, Table())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the rows of a process of several to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        rows = session.config.stash.get(TABLE, Table()).rows
        session.config.workeroutput["table"] = [[*row, value] for row, value in rows.items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the rows of a process that has ended."""
    for *row, value in getattr(node, "workeroutput", {}).get("table", ()):
        node.config.stash.setdefault(TABLE, Table()).add(*row, value)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table of differences."""
    if (table := config.stash.get(TABLE, None)) is not None and table.rows:
        terminalreporter.section("largest difference from the CPU")
        terminalreporter.write_line(str(table))
