"""Heads are published whole, under their terms, with a card that the hub accepts; what is there is not sent again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from ravfeat.errors import CorpusError, HeadError, RemoteError
from ravfeat.published.publish import publish_head
from ravfeat.published.pull import pull_head
from ravfeat.remote import base
from tests.objectstore import ObjectStore
from tests.published.hostile import Place, put, sign, toml
from tests.published.places import files_of
from tests.toyhub import READ_TOKEN, WRITE_TOKEN, Hub, serve, use_hub

NAME = "somebody/heads"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setattr(base, "WAITS_S", [0.0])
    with serve() as hub:
        use_hub(monkeypatch, hub.url, tmp_path / "home", WRITE_TOKEN)
        yield hub


@pytest.fixture
def copy(place: Place, tmp_path: Path) -> Path:
    """A head that a test may change."""
    return Path(shutil.copytree(place.head, tmp_path / "copy"))


def test_on_the_hub_it_is_a_model_with_a_checked_card(hub: Hub, place: Place) -> None:
    done = publish_head(place.head, f"hf://{NAME}")
    repository = hub.repository(NAME)
    assert repository.kind == "model"
    assert done.commit == repository.refs["main"]
    assert len(repository.commits) == 2  # the hub's first, and all of the head in one
    assert done.card in hub.cards
    names = files_of(place.head).keys()
    assert names | {"README.md", ".gitattributes"} == set(repository.files)
    card = ModelCard(bytes(repository.files["README.md"]).decode())  # type: ignore[arg-type]
    assert (card.data.license, done.licence) == ("cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0")
    assert f'ravfeat.load_head("hf://{NAME}")' in card.text


def test_what_is_there_is_not_sent_again(hub: Hub, place: Place) -> None:
    first = publish_head(place.head, f"hf://{NAME}")
    again = publish_head(place.head, f"hf://{NAME}")
    assert again.commit == first.commit
    assert set(again.sent) == {"card.md", "README.md"}  # which people may edit
    assert sum(request.method == "PUT" for request in hub.requests) == sum(
        n.endswith("safetensors") for n in first.sent
    )


def test_in_an_object_store_the_list_comes_last(place: Place, tmp_path: Path, objects: ObjectStore) -> None:
    done = publish_head(place.head, "s3://shelf/heads/mine")
    puts = [path.partition("/heads/mine/")[2] for method, path, *_ in objects.asked if method == "PUT"]
    puts = [name for name in puts if name]
    assert puts[-1] == "head.toml"
    assert set(puts) == set(done.sizes)
    assert files_of(pull_head("s3://shelf/heads/mine", out=tmp_path / "heads").path) == files_of(place.head)


def test_another_head_in_a_folder_is_replaced_and_never_mixed(
    place: Place, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "shared" / "head"
    publish_head(place.head, str(target))
    put("head.toml", "data_terms", "others")(copy)
    put("learned.json", "folds.0.temperatures.0", 2.0)(copy)
    sign(copy)
    seen = []
    write = base.Store.write

    def watched(store: base.Store, name: str, data: bytes | Path, **options: bool) -> bool:
        seen.append((name, (target / "head.toml").exists()))
        return write(store, name, data, **options)

    monkeypatch.setattr(base.Store, "write", watched)
    assert set(publish_head(copy, str(target)).sent) == {"card.md", "README.md", "learned.json", "head.toml"}
    assert [name for name, has_list in seen if has_list] == []
    assert files_of(target) == files_of(copy)


def test_texts_of_others_are_not_replaced(place: Place, tmp_path: Path) -> None:
    for name, match in (
        ("README.md", "holds README.md and no head, and it would be"),
        ("head.toml", "nothing is sent"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(RemoteError, match=match):
            publish_head(place.head, str(folder))
        assert {path.name: path.read_text() for path in folder.iterdir()} == {name: "mine"}
    done = publish_head(place.head, str(tmp_path / "interrupted"))
    (tmp_path / "interrupted" / "head.toml").unlink()
    assert publish_head(place.head, str(tmp_path / "interrupted")).card == done.card


def test_a_dry_run_sends_nothing(hub: Hub, place: Place, tmp_path: Path) -> None:
    for to in (f"hf://{NAME}", str(tmp_path / "there")):
        done = publish_head(place.head, to, dry_run=True)
        assert (done.sent, done.commit) == ((), "")
        assert done.sizes["head.toml"] == (place.head / "head.toml").stat().st_size
        assert "license: cc-by-nc-sa-4.0" in done.card
    assert not hub.requests
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    ("corpus", "licence", "match"),
    [
        ("mine", None, r"does not know the terms of the corpus 'mine'.*--license cc-by-4\.0"),
        ("IEMOCAP", "cc-by-4.0", "heads of IEMOCAP may not be published"),
        ("ravdess", "mit", r"published under cc-by-nc-sa-4\.0, not mit"),
    ],
)
def test_terms_are_held_before_anything_is_sent(
    hub: Hub, copy: Path, corpus: str, licence: str | None, match: str
) -> None:
    put("head.toml", "corpus", corpus)(copy)
    sign(copy)
    with pytest.raises(CorpusError, match=match):
        publish_head(copy, f"hf://{NAME}", licence=licence)
    assert not hub.requests


def test_of_an_unknown_corpus_the_publisher_says_the_licence(hub: Hub, copy: Path) -> None:
    put("head.toml", "corpus", "mine")(copy)
    sign(copy)
    assert "license: cc-by-4.0" in publish_head(copy, f"hf://{NAME}", licence="cc-by-4.0").card
    with pytest.raises(RemoteError, match=r"the hub does not accept the metadata.*'my-own'"):
        publish_head(copy, f"hf://{NAME}", licence="my-own")


def test_a_damaged_head_is_not_published(hub: Hub, copy: Path) -> None:
    next(copy.glob("domain/*")).write_bytes(b"another")
    with pytest.raises(HeadError, match="does not match its digest"):
        publish_head(copy, f"hf://{NAME}")
    assert not hub.requests


def test_what_is_no_file_of_a_head_is_not_published(hub: Hub, copy: Path) -> None:
    (copy / "clip.wav").write_bytes(b"RIFF")
    toml("head.toml", lambda about: about["files"].update({"clip.wav": ""}))(copy)
    sign(copy)
    with pytest.raises(HeadError, match=r"lists 'clip\.wav', which is no file of a head"):
        publish_head(copy, f"hf://{NAME}")
    assert not hub.requests


@pytest.mark.parametrize("token", [READ_TOKEN, "hf_wrong", None])
def test_without_the_right_to_write_nothing_is_there(
    hub: Hub, place: Place, token: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_hub(monkeypatch, hub.url, tmp_path / "home", token)
    with pytest.raises(RemoteError, match="hf auth login"):
        publish_head(place.head, f"hf://{NAME}")
    assert not hub.repositories


def test_a_head_is_no_dataset(place: Place) -> None:
    with pytest.raises(RemoteError, match=r"a head is a model of the hub; give hf://USER/NAME"):
        publish_head(place.head, "hf://datasets/somebody/heads")


def test_a_pulled_head_that_is_passed_on_names_where_it_came_from(place: Place, tmp_path: Path) -> None:
    publish_head(place.head, str(tmp_path / "first"))
    pulled = pull_head(str(tmp_path / "first"), out=tmp_path / "heads")
    done = publish_head(pulled.path, str(tmp_path / "second"), dry_run=True)
    assert f"## Made from\n\n- `a folder` at `{pulled.origin['commit']}`" in done.card
    assert str(tmp_path) not in done.card
