"""Published caches and heads are looked at where they lie: what they say of themselves against what is there."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ravfeat
from ravfeat.address_audit.run import audit_published
from ravfeat.audit import Audit
from ravfeat.cache import open_cache
from ravfeat.cards.cache_card import cache_card
from ravfeat.corpora.terms import licence_for
from ravfeat.errors import RemoteError
from ravfeat.published.publish import publish_head
from ravfeat.remote.publish import prepare_publication, publish
from ravfeat.remote.reading import open_cache as open_published
from ravfeat.remote.store import open_store
from tests.loopback import serving
from tests.published.hostile import Place
from tests.published.places import FilesHandler, FilesServer
from tests.toyhub import WRITE_TOKEN, Hub, serve, use_hub
from tests.writtenshards import write_shards

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published cache with its card. Read only."""
    folder = tmp_path_factory.mktemp("audited-cache") / "toy"
    written = write_shards(tmp_path_factory.mktemp("small"), shards=2, clips=6, frames=20, layers=3, dim=16)
    local = open_cache(written)
    synthetic = bool(local.about["synthetic"])
    terms = licence_for(str(local.about["corpus"]), synthetic=synthetic, licence=None if synthetic else "mit",
                        what="features")  # fmt: skip
    publish(prepare_publication(local), open_store(folder), cache_card(local, terms, str(folder)))
    return folder


@pytest.fixture(scope="module")
def published(place: Place) -> Path:
    """A published head. Read only."""
    return place.head


@pytest.fixture(scope="module")
def head(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, str]]:
    """A head on a hub. Read only."""
    with serve() as hub, pytest.MonkeyPatch.context() as patch:
        use_hub(patch, hub.url, tmp_path_factory.mktemp("home"), WRITE_TOKEN)
        publish_head(published, "hf://somebody/heads")
        yield hub, "hf://somebody/heads"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAVFEAT_CACHE_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept"


def verdicts(audit: Audit) -> dict[str, str]:
    return {line.check: line.verdict for line in audit.lines}


def finding(audit: Audit, check: str) -> str:
    return next(line.finding for line in audit.lines if line.check == check)


def spoiled(folder: Path, tmp_path: Path, change: Change) -> Path:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    change(copy)
    return copy


def replaced(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


# --- caches


def test_a_cache_on_a_web_server_is_read_whole_and_nothing_of_it_is_kept(cache: Path, home: Path) -> None:
    server = FilesServer()
    server.folder = cache
    with serving(FilesHandler, server):
        audit = ravfeat.audit(server.url)
    assert verdicts(audit)["files are those of their digests"] == "pass"
    assert verdicts(audit)["card says what is there"] == "pass"
    assert verdicts(audit)["who made the features"] == "warn"
    assert audit.outcome == "held as far as could be tried"
    assert audit.summary == "held as far as could be tried: imported, made elsewhere"
    assert not list((home / "audits").iterdir())


def test_a_cache_in_a_folder_may_have_been_made_here(cache: Path, here: Any) -> None:
    done = here("audit", cache)
    assert done.returncode == 0, done.stdout
    assert "info          who made the features" in done.stdout
    assert f"{cache}: held: 3 checks found no leak and no edit" in done.stdout
    assert not (cache / "audit.json").exists()
    done = here("audit", cache, "--quick")
    assert done.returncode == 4
    assert "not judged (--quick): features, digests and clips of the shards, how often the features" in done.stdout


def flip(name: str) -> Change:
    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (flip("shard-00001.h5"), "files are those of their digests"),
        (flip("manifest.parquet"), "files are those of their digests"),
        (replaced("README.md", "| clips | 12 |", "| clips | 1440 |"), "card says what is there"),
    ],
)
def test_a_cache_that_is_not_what_it_says_is_edited(change: Change, check: str, cache: Path, tmp_path: Path) -> None:
    audit = audit_published(spoiled(cache, tmp_path, change))
    assert audit.outcome == "broken"
    assert {line.check for line in audit.broken} == {check}


@pytest.mark.parametrize("name", ["shard-00000.h5", "manifest.parquet"])
def test_damage_at_an_address_is_an_edit_and_no_error(name: str, cache: Path, tmp_path: Path) -> None:
    server = FilesServer()
    server.folder = Path(shutil.copytree(cache, tmp_path / "copy"))
    with serving(FilesHandler, server):
        open_published(server.url)  # what is kept of it is not what is there later
        flip(name)(server.folder)
        audit = audit_published(server.url)
    assert audit.outcome == "broken"
    assert "does not match its digest" in audit.broken[0].finding


def test_a_card_of_anybodys_own_is_not_possible_to_hold_against_anything(cache: Path, tmp_path: Path) -> None:
    own = spoiled(cache, tmp_path, lambda folder: (folder / "README.md").write_text("# mine\n"))
    assert verdicts(audit_published(own))["card says what is there"] == "not possible"


# --- heads


def test_a_head_on_a_hub_is_looked_at_and_its_numbers_are_not_judged(head: tuple[Hub, str], tmp_path: Path) -> None:
    hub, address = head
    with pytest.MonkeyPatch.context() as patch:
        use_hub(patch, hub.url, tmp_path / "home")
        audit = audit_published(address)
    assert verdicts(audit) == {
        "who made the features": "warn",
        "files are those of their digests": "pass",
        "card says what is there": "pass",
        "scores computed again": "not possible",
        "protocol keeps actors apart": "info",
        "encoder has met the actors": "info",
        "terms": "pass",
    }
    assert "the heads" in finding(audit, "who made the features")
    assert audit.outcome == "held as far as could be tried"


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (flip("learned.json"), "files are those of their digests"),
        (flip("recordings.json"), "files are those of their digests"),  # predicting does without it
        (replaced("card.md", "recall) | pooled over folds | ", "recall) | pooled over folds | 1"),
         "card says what is there"),
    ],
)  # fmt: skip
def test_a_head_that_is_not_what_it_says_is_edited(change: Change, check: str, published: Path, tmp_path: Path) -> None:
    audit = audit_published(spoiled(published, tmp_path, change))
    assert {line.check for line in audit.broken} == {check}
    assert audit.outcome == "broken"


def test_a_head_at_an_address_is_looked_at_as_it_is_there_now(published: Path, tmp_path: Path, home: Path) -> None:
    server = FilesServer()
    server.folder = Path(shutil.copytree(published, tmp_path / "served"))
    with serving(FilesHandler, server):
        assert verdicts(audit_published(server.url))["files are those of their digests"] == "pass"
        flip("learned.json")(server.folder)
        assert audit_published(server.url).outcome == "broken"
    assert not list((home / "audits").iterdir())


def test_a_score_in_front_matter_is_held_against_head_toml(
    head: tuple[Hub, str], published: Path, tmp_path: Path
) -> None:
    hub, _ = head
    repository = hub.repository("somebody/heads")
    card = repository.commits[repository.refs["main"]]["README.md"]
    own = spoiled(published, tmp_path, lambda folder: (folder / "README.md").write_bytes(card))
    assert verdicts(audit_published(own))["card says what is there"] == "pass"
    text = (own / "README.md").read_text()
    assert "      value: 0." in text
    (own / "README.md").write_text(text.replace("      value: 0.", "      value: 0.9"))
    audit = audit_published(own)
    assert audit.outcome == "broken"
    assert "front matter: 'UAR (mean recall), pooled over folds" in finding(audit, "card says what is there")


def test_a_folder_without_a_card_is_not_said_to_lack_a_licence(published: Path) -> None:
    assert verdicts(audit_published(published))["terms"] == "not possible"


def test_where_neither_is_there_it_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"neither a published head \(head.toml\) nor a cache \(SHA256SUMS\); give"):
        audit_published(tmp_path)
