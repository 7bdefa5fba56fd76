"""An object store and a web server on this machine, which count what is asked of them, and published caches."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ravfeat.cache.reader import open_cache
from ravfeat.remote import base
from ravfeat.remote.publish import prepare_publication, publish
from ravfeat.remote.store import open_store
from tests.loopback import Handler, Server, serving
from tests.writtenshards import write_shards

CARD = "---\nlicense: apache-2.0\n---\n# toy\n"


@dataclass
class WebServer(Server):
    """A web server for the files of a folder; with ``elsewhere`` it redirects to another address."""

    folder: Path = field(default_factory=Path)
    elsewhere: str = ""

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Names and ranges."""
        return [(request.path.lstrip("/"), request.wanted_range or "") for request in self.requests]

    def of_shards(self) -> list[tuple[str, str]]:
        """Requests for shards alone."""
        return [(name, wanted) for name, wanted in self.asked if name.endswith(".h5")]


class _FolderHandler(Handler):
    server_state: WebServer

    def answer(self) -> None:
        name = self.path.partition("?")[0].lstrip("/")
        if self.server_state.elsewhere:
            self.reply(302, headers={"Location": f"{self.server_state.elsewhere}/{name}"})
        elif (self.server_state.folder / name).is_file():
            self.reply_file(self.server_state.folder / name)
        else:
            self.reply(404)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    """A web server for the folder ``web`` of the test."""
    (tmp_path / "web").mkdir()
    server = WebServer(folder=tmp_path / "web")
    with serving(_FolderHandler, server):
        yield server


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Try again without waiting, reach this machine without a proxy, keep blocks in the test's folder."""
    monkeypatch.setattr(base, "WAITS_S", [0.0, 0.0])
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("RAVFEAT_CACHE_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of four shards of six clips, five layers of over 1 MiB each. Not to be changed."""
    return write_shards(tmp_path_factory.mktemp("local"), shards=4, clips=6, frames=110, layers=5, dim=1024)


@pytest.fixture(scope="session")
def published(local: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, published to a folder. Not to be changed."""
    folder = tmp_path_factory.mktemp("published") / "toy"
    publish(prepare_publication(open_cache(local)), open_store(folder), CARD)
    return folder


@pytest.fixture
def served(published: Path, web: WebServer) -> WebServer:
    """A web server that gives a copy of it."""
    shutil.copytree(published, web.folder, dirs_exist_ok=True)
    return web
