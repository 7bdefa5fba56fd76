"""A hub that validates cards, for all tests of a file."""

from collections.abc import Iterator

import pytest

from tests.toyhub import Hub, serve, use_hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with serve() as hub, pytest.MonkeyPatch.context() as patch:
        use_hub(patch, hub.url, tmp_path_factory.mktemp("home"))
        yield hub
