"""The hub of the tests does what its real client expects."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, HfApi, HfFileSystem, ModelCard, snapshot_download
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from tests.toyhub import READ_TOKEN, WRITE_TOKEN, Hub, environment, serve, use_hub

NAME = "somebody/features"
FILES = {"README.md": b"---\nlicense: mit\n---\n# features\n", "a/shard.h5": bytes(range(256)) * 100, "empty": b""}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serve() as hub:
        use_hub(monkeypatch, hub.url, tmp_path / "home", WRITE_TOKEN)
        yield hub


def publish(files: Path, *, private: bool = False, kind: str = "dataset") -> str:
    api = HfApi()
    api.create_repo(NAME, repo_type=kind, private=private, exist_ok=True)
    return api.upload_folder(repo_id=NAME, folder_path=files, repo_type=kind).oid


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_what_is_uploaded_comes_down_again(hub: Hub, files: Path, tmp_path: Path, kind: str) -> None:
    sha = publish(files, kind=kind)
    folder = Path(snapshot_download(NAME, repo_type=kind))
    assert folder.name == sha
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert (folder / "a/shard.h5").is_symlink()


def test_each_commit_has_a_name_and_stays_as_it_is(hub: Hub, files: Path) -> None:
    first = publish(files)
    hub.repository(NAME).commit({"a/shard.h5": b"another"})
    fs = HfFileSystem()
    assert fs.cat_file(f"datasets/{NAME}@{first}/a/shard.h5") == FILES["a/shard.h5"]
    assert fs.cat_file(f"datasets/{NAME}/a/shard.h5") == b"another"
    assert HfApi().repo_info(NAME, repo_type="dataset").sha not in ("", first)
    with pytest.raises(RevisionNotFoundError):
        HfApi().repo_info(NAME, repo_type="dataset", revision="0" * 40)


def test_what_is_there_is_not_sent_again(hub: Hub, files: Path) -> None:
    first = publish(files)
    uploads = [request for request in hub.requests if request.path.startswith("/lfs/")]
    assert publish(files) == first
    assert [request for request in hub.requests if request.path.startswith("/lfs/")] == uploads
    assert len(uploads) == 1


def test_a_folder_is_listed_and_a_range_is_read_alone(hub: Hub, files: Path) -> None:
    root = f"datasets/{NAME}@{publish(files)}"
    fs = HfFileSystem()
    listed = {entry["name"]: entry["size"] for entry in fs.ls(root)}
    assert listed[f"{root}/README.md"] == len(FILES["README.md"])
    assert fs.info(f"{root}/a/shard.h5")["size"] == len(FILES["a/shard.h5"])
    assert not fs.exists(f"{root}/b")
    hub.requests.clear()
    with fs.open(f"{root}/README.md", cache_type="none") as file:
        file.seek(4)
        assert file.read(7) == b"license"
    (request,) = [request for request in hub.requests if request.status == 206]
    assert (request.wanted_range, request.sent) == ("bytes=4-10", 7)


def test_a_private_repository_needs_its_owners_token(
    hub: Hub, files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish(files, private=True)
    statuses = {}
    for token in (None, "hf_wrong", "hf_stranger", READ_TOKEN):
        hub.readers["hf_stranger"] = "stranger"
        try:
            HfApi().repo_info(NAME, repo_type="dataset", token=token or False)
            statuses[token] = 200
        except HfHubHTTPError as error:
            statuses[token] = error.response.status_code
    assert statuses == {None: 401, "hf_wrong": 401, "hf_stranger": 404, READ_TOKEN: 200}
    with pytest.raises(RepositoryNotFoundError):
        HfApi().repo_info("somebody/nothing", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="403 Forbidden"):
        HfApi().upload_folder(repo_id=NAME, folder_path=files, repo_type="dataset", token=READ_TOKEN)


def test_a_commit_on_another_parent_is_refused(hub: Hub, files: Path, tmp_path: Path) -> None:
    sha = publish(files)
    hub.repository(NAME).commit({"x": b"x"})
    (tmp_path / "y").write_bytes(b"y")
    with pytest.raises(HfHubHTTPError, match="412"):
        HfApi().upload_folder(repo_id=NAME, folder_path=tmp_path, repo_type="dataset", parent_commit=sha)


def test_cards_are_validated(hub: Hub) -> None:
    DatasetCard("---\nlicense: cc-by-nc-sa-4.0\n---\n").validate()
    with pytest.raises(ValueError, match="license"):
        ModelCard("---\nlicense: invented\n---\n").validate()
    assert len(hub.cards) == 2


def test_a_card_that_is_wrong_is_not_committed(hub: Hub, tmp_path: Path) -> None:
    HfApi().create_repo(NAME, repo_type="dataset")
    (tmp_path / "README.md").write_text("---\ntags: one\n---\n")
    with pytest.raises((ValueError, BadRequestError), match="Invalid metadata"):
        HfApi().upload_folder(repo_id=NAME, folder_path=tmp_path, repo_type="dataset")


def test_faults_break_off_and_give_whole_files(hub: Hub, files: Path) -> None:
    import httpx2

    url = f"{hub.url}/datasets/{NAME}/resolve/{publish(files)}/a/shard.h5"
    headers = {"Range": "bytes=10-19", "Authorization": f"Bearer {WRITE_TOKEN}"}
    hub.faults.ignore_ranges = True
    assert httpx2.get(url, headers=headers, follow_redirects=True).content == FILES["a/shard.h5"]
    hub.faults.ignore_ranges = False
    hub.faults.drop_after, hub.faults.drops = 4, 1
    with pytest.raises(httpx2.RemoteProtocolError, match="peer closed"):
        httpx2.get(url, headers=headers, follow_redirects=True)
    assert httpx2.get(url, headers=headers, follow_redirects=True).content == FILES["a/shard.h5"][10:20]
    hub.faults.statuses = [503]
    assert httpx2.get(url, follow_redirects=True).status_code == 503


def test_a_process_of_its_own_reads_from_it(hub: Hub, files: Path, tmp_path: Path) -> None:
    publish(files, private=True)
    code = f"from huggingface_hub import hf_hub_download as d; print(d('{NAME}', 'README.md', repo_type='dataset'))"
    env = os.environ | environment(hub, tmp_path / "other", READ_TOKEN)
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).read_bytes() == FILES["README.md"]
