"""The hub and the models, without a network: the hub is a server on this machine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import huggingface_hub
import pytest
from huggingface_hub import constants

from ravfeat.doctor.models import check_face_models, check_hub, check_weights
from ravfeat.encoders.registry import ENCODERS


class Hub(BaseHTTPRequestHandler):
    """Answers with a status and remembers what was asked."""

    status = 200
    asked: list[str] = []  # noqa: RUF012 (one server per test)

    def do_HEAD(self) -> None:
        Hub.asked.append(f"HEAD {self.path}")
        self.send_response(Hub.status)
        self.end_headers()

    def do_GET(self) -> None:
        Hub.asked.append(f"GET {self.path}")
        self.send_response(500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def hub(monkeypatch) -> Iterator[str]:
    Hub.status, Hub.asked = 200, []
    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield address
        server.shutdown()


def test_a_hub_that_answers_is_reachable_and_nothing_is_fetched(hub) -> None:
    (finding,) = check_hub(huggingface_hub, offline=False)
    assert (finding.state, finding.text) == ("ok", f"{hub} answers")
    assert finding.values == {"address": hub, "offline": False, "reachable": True}
    assert Hub.asked == ["HEAD /"]


@pytest.mark.parametrize(("status", "state"), [(401, "ok"), (404, "ok"), (503, "problem")])
def test_an_error_of_the_hub_itself_is_a_problem(status, state, hub) -> None:
    Hub.status = status
    (finding,) = check_hub(huggingface_hub, offline=False)
    assert finding.state == state


def test_a_hub_that_refuses_is_a_problem_and_breaks_nothing(monkeypatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (finding,) = check_hub(huggingface_hub, offline=False)
    assert (finding.state, finding.breaks) == ("problem", False)
    assert finding.text.startswith("http://127.0.0.1:9 does not answer (")
    assert finding.values["reachable"] is False


def test_offline_asks_nobody(hub, monkeypatch) -> None:
    (finding,) = check_hub(huggingface_hub, offline=True)
    assert finding.text == f"{hub} was not asked (--offline)"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (finding,) = check_hub(huggingface_hub, offline=False)
    assert "HF_HUB_OFFLINE is set" in finding.text
    assert Hub.asked == []
    assert check_hub(None, offline=False) == check_weights(None) == []


def test_encoders_on_this_machine_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert check_weights(huggingface_hub)[0].state == "missing"
    for name, revision in {
        "wavlm-large": ENCODERS["wavlm-large"].revision,
        "mobilenet-v2": "any",
        "hubert-base": "old",
    }.items():
        folder = tmp_path / f"models--{ENCODERS[name].repository.replace('/', '--')}" / "snapshots" / revision
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (finding,) = check_weights(huggingface_hub)
    assert finding.values["encoders"] == ["wavlm-large", "mobilenet-v2"]


def test_face_models_on_this_machine_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert check_face_models()[0].state == "missing"
    folder = tmp_path / "ravfeat" / "models"
    folder.mkdir(parents=True)
    (folder / "face_landmarker.task").touch()
    (finding,) = check_face_models()
    assert finding.text == f"in {folder}: face_landmarker.task"
