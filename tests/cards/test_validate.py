"""The hub is asked whether it accepts a card."""

from pathlib import Path

import pytest

from ravfeat.cards.validate import validate_card
from ravfeat.errors import RemoteError
from tests.toyhub import serve, use_hub


def test_the_hub_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serve() as hub:
        use_hub(monkeypatch, hub.url, tmp_path)
        validate_card("---\nlicense: cc-by-4.0\n---\n", "dataset")
        with pytest.raises(RemoteError, match=r"does not accept .*license.*'my-own'.*repositories-licenses"):
            validate_card("---\nlicense: my-own\n---\n", "model")


def test_without_a_hub_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(RemoteError, match=r"could not be asked to check the card .*check the network and HF_ENDPOINT"):
        validate_card("---\nlicense: mit\n---\n", "model")
