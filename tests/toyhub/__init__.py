"""A Hugging Face hub on this machine that the real client reads from and publishes to.

``serve()`` starts one with an empty list of repositories; ``serve_model()`` one with a model at a fixed revision.
A process of its own talks to it by ``environment(hub, home)``, this process by ``use_hub(patch, url, home)``.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.loopback import serving
from tests.toyhub.server import Hub, HubHandler

__all__ = [
    "OWNER",
    "READ_TOKEN",
    "REPOSITORY",
    "REVISION",
    "WRITE_TOKEN",
    "Hub",
    "environment",
    "serve",
    "serve_model",
    "use_hub",
]

REVISION = "c0ffee" * 6 + "c0de"
REPOSITORY = "somebody/tiny-wavlm"
CARD = b"---\nlicense: mit\n---\n# tiny"

OWNER = "somebody"
WRITE_TOKEN, READ_TOKEN = "hf_write", "hf_read"


@contextmanager
def serve() -> Iterator[Hub]:
    """Serve a hub without repositories, on which `OWNER` may write with one token and read with another."""
    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(folder=Path(folder), readers={READ_TOKEN: OWNER}, writers={WRITE_TOKEN: OWNER})
        with serving(HubHandler, hub):
            yield hub


@contextmanager
def serve_model(folder: Path, further: Mapping[str, bytes] = {}) -> Iterator[Hub]:
    """Serve the files of a folder, a model card, and further files, as one model at one revision."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()} | {"README.md": CARD} | dict(further)
    with serve() as hub:
        repository = hub.create(REPOSITORY, "model")
        repository.commit({**files, ".gitattributes": None}, sha=REVISION)
        yield hub


def use_hub(patch: pytest.MonkeyPatch, url: str, cache: Path, token: str | None = None) -> None:
    """Make the hub's client, in this process, talk to an address and keep files in a folder."""
    from huggingface_hub import HfFileSystem, constants

    patch.setattr(constants, "ENDPOINT", url)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
    for key, value in {"no_proxy": "*", "HF_ENDPOINT": url, "HF_TOKEN": token}.items():
        if value is None:
            patch.delenv(key, raising=False)
        else:
            patch.setenv(key, value)
    HfFileSystem.clear_instance_cache()


def environment(hub: Hub, home: Path, token: str | None = None) -> dict[str, str]:
    """What a process of its own finds in its environment to talk to the hub."""
    variables = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "no_proxy": "*"}
    return variables | ({"HF_TOKEN": token} if token else {})
