"""Texts that can be pasted into an issue."""

from pathlib import Path

import pytest

from ravfeat.doctor.finding import Finding, redact, redacted


def test_secrets_of_the_environment_users_of_urls_and_the_home_folder_are_left_out(monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setenv("MY_PASSWORD", "short")
    monkeypatch.setenv("HOME", "/home/anna")
    values = {
        "text": "token hf_abcdefgh at https://anna:geheim@hub.example/x in /home/anna/cache, /home/annabel, short",
        "list": ["/home/anna", 3, None],
    }
    assert redact(values) == {
        "text": "token *** at https://hub.example/x in ~/cache, /home/annabel, short",
        "list": ["~", 3, None],
    }


def test_a_finding_is_redacted_as_a_whole(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    finding = Finding("storage", "out", "ok", "/home/anna/a", "see /home/anna/b", values={"folder": "/home/anna/c"})
    assert redacted(finding) == Finding("storage", "out", "ok", "~/a", "see ~/b", values={"folder": "~/c"})


def test_a_home_that_is_the_root_hides_no_path(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert redact("/scratch/cache") == "/scratch/cache"
    assert str(Path.home()) == "/"


@pytest.mark.parametrize(
    ("state", "needed", "breaks"),
    [("ok", True, False), ("missing", True, True), ("problem", True, True), ("problem", False, False)],
)
def test_only_what_is_needed_breaks(state, needed, breaks) -> None:
    assert Finding("system", "x", state, "", needed=needed).breaks is breaks
