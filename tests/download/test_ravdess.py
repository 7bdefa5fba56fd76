"""Downloads, against a server on this machine that can be told to misbehave."""

import hashlib
import io
import json
import random
import resource
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ravfeat.download.http import Checksum, transfer
from ravfeat.download.ravdess import download_ravdess, fetch
from ravfeat.errors import DownloadError, UsageError
from tests.loopback import Handler, Server, serving

AUDIO = "Audio_Speech_Actors_01-24.zip"
RECORD = "/api/records/1188976"
BODY = random.Random(0).randbytes(600_000)


@dataclass
class Served(Server):
    """A server of files by their path."""

    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def asked(self) -> list[tuple[str, str | None]]:
        return [(request.path, request.wanted_range) for request in self.requests]

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


class FileHandler(Handler):
    def answer(self) -> None:
        body = self.server_state.files.get(self.path)
        if body is None:
            self.send_error(404)
        else:
            self.reply_file(body)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("no_proxy", "*")
    state = Served()
    with serving(FileHandler, state):
        yield state


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- one file


def test_a_file_arrives_whole_and_is_not_fetched_twice(served: Served, tmp_path: Path) -> None:
    served.files["/model"] = BODY
    dest = tmp_path / "new" / "model.task"
    assert fetch(f"{served.url}/model", dest, sha256=sha256(BODY)) == dest
    assert fetch(f"{served.url}/model", dest, sha256=sha256(BODY)) == dest
    assert dest.read_bytes() == BODY
    assert names(tmp_path) == {"new/model.task"}
    assert served.paths() == ["/model"]


def test_an_interrupted_transfer_continues_where_it_stopped(served: Served, tmp_path: Path) -> None:
    served.files["/model"] = BODY
    served.faults.drop_after = 250_000
    dest = tmp_path / "model.task"
    with pytest.raises(
        DownloadError, match=r"broke off after 250000 of 600000 bytes.*run this again to continue.*by hand"
    ):
        fetch(f"{served.url}/model", dest, sha256=sha256(BODY))
    assert not dest.exists()
    served.faults.drop_after = None
    fetch(f"{served.url}/model", dest, sha256=sha256(BODY))
    assert served.asked[1:] == [("/model", "bytes=250000-")]
    assert dest.read_bytes() == BODY
    assert names(tmp_path) == {"model.task"}


def test_a_server_that_cannot_continue_sends_it_all_again(served: Served, tmp_path: Path) -> None:
    served.files["/model"] = BODY
    served.faults.ignore_ranges = True
    served.faults.drop_after = 250_000
    with pytest.raises(DownloadError, match="broke off"):
        fetch(f"{served.url}/model", tmp_path / "model", sha256=sha256(BODY))
    served.faults.drop_after = None
    fetch(f"{served.url}/model", tmp_path / "model", sha256=sha256(BODY))
    assert (tmp_path / "model").read_bytes() == BODY


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_a_part_that_is_whole_needs_only_its_name(served: Served, tmp_path: Path, size: int | None) -> None:
    served.files["/model"] = BODY
    checksum = Checksum.parse(f"sha256:{sha256(BODY)}")
    (tmp_path / f"model.{checksum.digest[:8]}.part").write_bytes(BODY)
    assert transfer(f"{served.url}/model", tmp_path / "model", checksum, size=size)
    assert names(tmp_path) == {"model"}
    assert len(served.asked) == (1 if size is None else 0)


def test_a_part_of_another_file_is_not_continued(served: Served, tmp_path: Path) -> None:
    served.files["/model"] = BODY
    (tmp_path / "model.00000000.part").write_bytes(b"old")
    fetch(f"{served.url}/model", tmp_path / "model", sha256=sha256(BODY))
    assert served.asked == [("/model", None)]


def test_a_wrong_checksum_removes_the_file_and_says_both(served: Served, tmp_path: Path) -> None:
    served.files["/model"] = b"forged"
    promise = sha256(BODY)
    with pytest.raises(
        DownloadError, match=rf"expected checksum sha256:{promise}, got sha256:{sha256(b'forged')}; it was removed"
    ):
        fetch(f"{served.url}/model", tmp_path / "model", sha256=promise)
    assert names(tmp_path) == set()


def test_a_part_spoilt_on_the_disk_is_removed_and_fetched_anew(served: Served, tmp_path: Path) -> None:
    served.files["/model"] = BODY
    (tmp_path / f"model.{sha256(BODY)[:8]}.part").write_bytes(b"spoilt")
    with pytest.raises(DownloadError, match="it was removed; run this again"):
        fetch(f"{served.url}/model", tmp_path / "model", sha256=sha256(BODY))
    fetch(f"{served.url}/model", tmp_path / "model", sha256=sha256(BODY))
    assert (tmp_path / "model").read_bytes() == BODY


def test_another_file_in_the_way_is_refused_and_kept(served: Served, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"model: expected checksum .*; remove .*model and run this again"):
        fetch(f"{served.url}/model", tmp_path / "model", sha256=sha256(BODY))
    assert (tmp_path / "model").read_bytes() == b"mine"
    assert served.asked == []


def test_a_file_that_is_not_there_is_said_with_the_way_by_hand(served: Served, tmp_path: Path) -> None:
    with pytest.raises(
        DownloadError, match=rf"{served.url}/gone: the server answered 404 .*by hand, save it as {tmp_path}"
    ):
        fetch(f"{served.url}/gone", tmp_path / "model", sha256=sha256(BODY))


def test_no_server_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match=r"could not be read: .*refused.*check the network.*by hand"):
        fetch("http://127.0.0.1:9/model", tmp_path / "model", sha256=sha256(BODY))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/x", "model.task"])
def test_only_http_is_spoken(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="expected an http:// or https:// address"):
        fetch(url, tmp_path / "model", sha256=sha256(BODY))


@pytest.mark.parametrize("text", ["md5", "md5:12", "crc32:00000000", "sha256:" + "g" * 64])
def test_a_checksum_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DownloadError, match="expected a checksum like sha256"):
        Checksum.parse(text)


def test_a_disk_that_is_too_small_is_found_before_the_first_byte(served: Served, tmp_path: Path) -> None:
    served.files["/model"] = BODY
    checksum = Checksum.parse(f"sha256:{sha256(BODY)}")
    with pytest.raises(DownloadError, match=r"needs 1152921504607 MB more, .* MB free; free some space"):
        transfer(f"{served.url}/model", tmp_path / "model", checksum, size=1 << 60)
    assert names(tmp_path) == set()


def test_a_disk_that_fills_up_keeps_what_came(served: Served, tmp_path: Path) -> None:
    served.files["/model"] = BODY
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))  # the kernel refuses longer files, as a full disk would
    try:
        with pytest.raises(DownloadError, match=r"model could not be written .*: File too large; free some space"):
            fetch(f"{served.url}/model", tmp_path / "model", sha256=sha256(BODY))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    fetch(f"{served.url}/model", tmp_path / "model", sha256=sha256(BODY))
    assert (tmp_path / "model").read_bytes() == BODY


def test_a_folder_that_cannot_be_made_is_named(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"file/model could not be written .*choose another folder"):
        fetch(f"{served.url}/model", tmp_path / "file" / "model", sha256=sha256(BODY))


# --- RAVDESS


def pack(entries: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return stream.getvalue()


def speech(actor: int) -> dict[str, bytes]:
    stems = [f"03-01-01-01-01-0{take}-{actor:02d}" for take in (1, 2)]
    return {f"Actor_{actor:02d}/{stem}.wav": stem.encode() * 100 for stem in stems}


def video(actor: int) -> dict[str, bytes]:
    stems = [f"0{modality}-01-01-01-01-01-{actor:02d}" for modality in (1, 2)]
    return {f"Actor_{actor:02d}/{stem}.mp4": stem.encode() * 200 for stem in stems}


def publish(served: Served, archives: dict[str, bytes]) -> str:
    """Serve archives and a record as Zenodo writes it; give the record's address."""
    listed = []
    for key, content in archives.items():
        path = f"{RECORD}/files/{key}/content"
        served.files[path] = content
        listed.append(
            {
                "id": f"id-of-{key}",
                "key": key,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}",
                "links": {"self": served.url + path},
            }
        )
    served.files[RECORD] = json.dumps({"id": 1188976, "metadata": {}, "files": listed}).encode()
    return served.url + RECORD


@pytest.fixture
def record(served: Served) -> str:
    everybody = {name: content for actor in range(1, 25) for name, content in speech(actor).items()}
    archives = {AUDIO: pack({"__MACOSX/._x": b"", **everybody}), "Audio_Song_Actors_01-24.zip": b"never asked for"}
    archives |= {f"Video_Speech_Actor_{actor:02d}.zip": pack(video(actor)) for actor in (1, 2)}
    return publish(served, archives)


def test_all_speech_audio_is_unpacked_and_the_archive_removed(record: str, tmp_path: Path) -> None:
    done = download_ravdess(tmp_path, record_url=record)
    expected = {f"audio/{name}": content for actor in range(1, 25) for name, content in speech(actor).items()}
    found = {name for name in names(tmp_path) if not name.endswith(".json")}
    assert {name: (tmp_path / name).read_bytes() for name in found} == expected
    assert done.fetched == (AUDIO,)
    assert len(done.unpacked) == 24
    assert done.skipped == 1


def test_actors_select_what_is_unpacked(served: Served, record: str, tmp_path: Path) -> None:
    done = download_ravdess(tmp_path, actors=[3, 7], record_url=record)
    assert done.unpacked == ("audio/Actor_03", "audio/Actor_07")
    assert {path.name for path in (tmp_path / "audio").iterdir()} == {"Actor_03", "Actor_07"}
    more = download_ravdess(tmp_path, actors=[7, 8], record_url=record)
    assert (more.fetched, more.unpacked, more.present) == ((), ("audio/Actor_08",), ("audio/Actor_07",))
    assert sum(AUDIO in path for path in served.paths()) == 1  # the archive was kept for the others


def test_videos_are_fetched_for_the_chosen_actors_only(served: Served, record: str, tmp_path: Path) -> None:
    done = download_ravdess(tmp_path, audio=False, video=True, actors=[2], record_url=record)
    assert done.fetched == ("Video_Speech_Actor_02.zip",)
    assert names(tmp_path) == {f"video/{name}" for name in video(2)} | {"video/Actor_02/.unpacked.json"}
    assert not any("Song" in path or "Audio" in path for path in served.paths())


def test_a_second_run_asks_nobody(served: Served, record: str, tmp_path: Path) -> None:
    download_ravdess(tmp_path, video=True, actors=[1], record_url=record)
    before = len(served.asked)
    again = download_ravdess(tmp_path, video=True, actors=[1], record_url=record)
    assert len(served.asked) == before
    assert (again.fetched, again.unpacked) == ((), ())
    assert again.present == ("audio/Actor_01", "video/Actor_01")


def test_an_interrupted_archive_is_continued(served: Served, record: str, tmp_path: Path) -> None:
    size = len(served.files[f"{RECORD}/files/{AUDIO}/content"])
    served.faults.drop_after = size - 1000
    with pytest.raises(DownloadError, match=rf"{AUDIO}/content broke off after {size - 1000} of {size} bytes"):
        download_ravdess(tmp_path, record_url=record)
    served.faults.drop_after = None
    download_ravdess(tmp_path, record_url=record)
    assert served.asked[-1][1] == f"bytes={size - 1000}-"
    assert len(names(tmp_path)) == 24 * 3


def test_nothing_is_unpacked_from_an_archive_with_a_wrong_checksum(served: Served, record: str, tmp_path: Path) -> None:
    path = f"{RECORD}/files/{AUDIO}/content"
    served.files[path] = served.files[path].replace(b"03-01-01-01-01-01-05", b"03-01-01-01-01-01-06")
    with pytest.raises(
        DownloadError, match=rf"{AUDIO}.*: expected checksum md5:\w{{32}}, got md5:\w{{32}}; it was removed"
    ):
        download_ravdess(tmp_path, record_url=record)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("evil", ["../../03-01-01-01-01-01-01.wav", "/tmp/03-01-01-01-01-01-01.wav"])
def test_a_malicious_archive_is_refused_whole(served: Served, tmp_path: Path, evil: str) -> None:
    url = publish(served, {AUDIO: pack({**speech(1), evil: b"evil"})})
    with pytest.raises(DownloadError, match=r"the entry '.*' (leads out of the folder|has an absolute path)"):
        download_ravdess(tmp_path / "data", record_url=url)
    assert names(tmp_path) == {f"data/{AUDIO}"}


def test_a_record_without_a_needed_file_says_which_and_what_to_do(served: Served, tmp_path: Path) -> None:
    url = publish(served, {AUDIO: pack(speech(1)), "Video_Speech_Actor_01.zip": pack(video(1))})
    with pytest.raises(DownloadError, match=r"lists no Video_Speech_Actor_05\.zip; fetch .* by hand"):
        download_ravdess(tmp_path, video=True, actors=[1, 5], record_url=url)
    assert served.paths() == [RECORD]  # not even the audio was begun


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>log in</html>",
        b"[]",
        b'{"files": {"entries": {}}}',
        b'{"files": [{"key": "x"}, 3]}',
        b"[" * 100_000,
        b'{"files": null}',
        b"",
    ],
)
def test_an_answer_that_is_no_record_is_refused(served: Served, tmp_path: Path, answer: bytes) -> None:
    served.files[RECORD] = answer
    with pytest.raises(
        DownloadError, match=r"1188976(: .*expected|: .*lacks| is not valid JSON| is nested too deeply).*by hand"
    ):
        download_ravdess(tmp_path, record_url=served.url + RECORD)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"size": -1}, r"files\[0\].size is -1"),
        ({"size": "many"}, r"files\[0\].size is \"many\", expected a whole number"),
        ({"size": 1 << 60}, r"files\[0\].size is 1152921504606846976"),
        ({"links": {"self": 3}}, r"files\[0\].links.self is 3, expected text"),
        ({"links": None}, r"files\[0\].links is null"),
        ({"checksum": "md5:12"}, "expected a checksum like sha256"),
        (
            {"links": {"self": "file:///etc/passwd"}},
            "expected an http:// or https:// address, got 'file:///etc/passwd'",
        ),
        ({"links": {"self": "http://["}}, "could not be read"),
    ],
    ids=str,
)
def test_an_entry_of_the_record_that_cannot_be_is_named(
    served: Served, tmp_path: Path, change: dict[str, object], match: str
) -> None:
    url = publish(served, {AUDIO: pack(speech(1))})
    record = json.loads(served.files[RECORD])
    record["files"][0] |= change
    served.files[RECORD] = json.dumps(record).encode()
    with pytest.raises(DownloadError, match=match):
        download_ravdess(tmp_path, record_url=url)


@pytest.mark.parametrize("text", ["{", "[]", '{"a.wav": "large"}', '{"a.wav": -1}'])
def test_a_list_of_files_that_is_none_is_refused(record: str, tmp_path: Path, text: str) -> None:
    download_ravdess(tmp_path, actors=[1], record_url=record)
    (tmp_path / "audio/Actor_01/.unpacked.json").write_text(text)
    with pytest.raises(DownloadError, match=r"Actor_01/\.unpacked\.json.*move it away"):
        download_ravdess(tmp_path, actors=[1], record_url=record)


def test_an_archive_without_an_actor_is_an_error(served: Served, tmp_path: Path) -> None:
    url = publish(served, {AUDIO: pack(speech(1))})
    with pytest.raises(DownloadError, match="holds no speech clips of Actor_02"):
        download_ravdess(tmp_path, actors=[1, 2], record_url=url)
    assert not (tmp_path / ".unpacking").exists()


def test_a_folder_made_by_somebody_else_is_refused_and_kept(served: Served, record: str, tmp_path: Path) -> None:
    (tmp_path / "audio/Actor_01").mkdir(parents=True)
    (tmp_path / "audio/Actor_01/mine.wav").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"audio/Actor_01 exists, but was not unpacked by ravfeat.*move it away"):
        download_ravdess(tmp_path, record_url=record)
    assert names(tmp_path) == {"audio/Actor_01/mine.wav"}
    assert served.asked == []


def test_a_clip_lost_since_is_named(record: str, tmp_path: Path) -> None:
    download_ravdess(tmp_path, actors=[1], record_url=record)
    (tmp_path / "audio/Actor_01/03-01-01-01-01-02-01.wav").unlink()
    with pytest.raises(DownloadError, match=r"03-01-01-01-01-02-01\.wav lost or changed; move it away"):
        download_ravdess(tmp_path, actors=[1], record_url=record)


def test_leftovers_of_a_killed_run_are_cleared(record: str, tmp_path: Path) -> None:
    (tmp_path / ".unpacking/01").mkdir(parents=True)
    (tmp_path / ".unpacking/01/03-01-01-01-01-01-01.wav").write_bytes(b"half")
    download_ravdess(tmp_path, actors=[1], record_url=record)
    assert not (tmp_path / ".unpacking").exists()
    assert (tmp_path / "audio/Actor_01/03-01-01-01-01-01-01.wav").stat().st_size == 2000


@pytest.mark.parametrize("wrong", [{"audio": False}, {"actors": []}, {"actors": [0]}, {"actors": [1, 25]}])
def test_a_request_for_nothing_or_nobody_is_a_usage_error(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="expected audio, video or both, of actors 1 to 24"):
        download_ravdess(tmp_path, record_url="http://127.0.0.1:9/", **wrong)  # type: ignore[arg-type]
