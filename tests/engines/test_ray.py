"""Ray on this machine: real actors, really killed."""

import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ravfeat.engines.base import EngineOptions
from ravfeat.engines.ray import _connect
from ravfeat.engines.run import extract_with
from ravfeat.errors import CacheError

pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_two_actors_make_what_one_process_makes_and_one_that_is_killed_comes_back(
    named: Any, encoded: Any, tmp_path: Path, alone: dict[str, bytes], contents: Any
) -> None:
    encoded.slow(0.1)

    def kill_one() -> None:
        while len(encoded.lines) < 6:
            time.sleep(0.01)
        os.kill(encoded.lines[0][0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    done = extract_with("ray", named, tmp_path / "out", EngineOptions(workers=2))
    killer.join()
    assert done.given_up == {}
    assert contents(done.results[0].path) == alone
    assert len(encoded.times) == 22
    assert len(encoded.pids) == 3
    assert len([name for name, count in encoded.times.items() if count > 1]) <= 4
    assert max(encoded.times.values()) <= 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_address_without_a_cluster_is_one_message(named: Any, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"no Ray cluster at --address auto .*; start one with 'ray start --head'"):
        extract_with("ray", named, tmp_path / "out", EngineOptions(address="auto"))


def test_an_address_where_nobody_listens_is_refused_before_ray_waits_for_it() -> None:
    ray = SimpleNamespace(init=lambda **_: pytest.fail("Ray was left to wait"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(CacheError, match=rf"no Ray cluster at --address 127\.0\.0\.1:{port} .*refused"):
        _connect(ray, EngineOptions(address=f"127.0.0.1:{port}"))
