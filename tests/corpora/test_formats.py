"""Folders of other programs, read as they are."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ravfeat.corpora import data_root, load_corpus
from ravfeat.errors import CorpusError
from ravfeat.manifest import Manifest


def recording(path: Path, seconds: float = 4.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, round(8000 * seconds)), 8000)
    return path


def files(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def facts(manifest: Manifest) -> dict[str, tuple[object, ...]]:
    return {
        clip.clip_id: (clip.path, clip.actor.partition(":")[2], clip.label, clip.gender, clip.start_s, clip.end_s)
        for clip in manifest
    }


NAN = pytest.approx(np.nan, nan_ok=True)


def lines(*objects: object) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in objects)


# --- Kaldi

KALDI = {
    "wav.scp": "rec1 wav/one.wav\nrec2 wav/two.wav\n",
    "segments": "u1 rec1 0.0 1.5\nu2 rec1 1.5 -1\nu3 rec2 0 2.25\n",
    "utt2spk": "u1 anna\nu2 bert\nu3 anna\n",
    "utt2emo": "u1 sad\nu2 glad\nu3 sad\n",
    "spk2gender": "anna f\nbert m\n",
    "utt2lang": "u1 de\nu2 de\nu3 en\n",
    "text": "u1 so it is\nu2 yes\nu3 no no\n",
}


@pytest.fixture
def kaldi(tmp_path: Path) -> Path:
    folder = files(tmp_path / "berlin", **KALDI)
    for name in ("one", "two"):
        recording(folder / f"wav/{name}.wav")
    return folder


def test_a_data_folder_of_kaldi(kaldi: Path) -> None:
    manifest = load_corpus("folder", kaldi)
    assert (manifest.corpus, data_root("folder", kaldi)) == ("berlin", kaldi)
    assert facts(manifest) == {
        "u1": ("wav/one.wav", "anna", "sad", "female", 0.0, 1.5),
        "u2": ("wav/one.wav", "bert", "glad", "male", 1.5, NAN),
        "u3": ("wav/two.wav", "anna", "sad", "female", 0.0, 2.25),
    }
    assert manifest.clips[0].further == {"lang": "de", "text": "so it is"}
    assert facts(load_corpus("folder", kaldi / "wav.scp")) == facts(manifest)


def test_kaldi_without_segments_has_whole_files_from_where_its_recipes_run(
    kaldi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kaldi / "segments").unlink()
    monkeypatch.chdir(tmp_path)
    files(kaldi, **{"wav.scp": "u1 berlin/wav/one.wav\nu3 wav/two.wav\n"})
    (kaldi / "utt2emo").unlink()
    files(kaldi, text="u1 sad\nu3 glad\n")
    manifest = load_corpus("folder", kaldi)
    assert facts(manifest) == {
        "u1": ("wav/one.wav", "anna", "sad", "female", NAN, NAN),
        "u3": ("wav/two.wav", "anna", "glad", "female", NAN, NAN),
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("wav.scp", "rec1 sox a.wav -t wav - |\nrec2 wav/two.wav\n", "'rec1' is the output of a command .*never run"),
        ("wav.scp", "rec1 | touch pwned\nrec2 wav/two.wav\n", "commands of a data folder are never run"),
        ("wav.scp", "rec1 raw.ark:17\nrec2 wav/two.wav\n", "'rec1' lies in an archive"),
        ("segments", "u1 rec9 0 1\n", "'u1' is 'rec9 0 1'; expected a recording of wav.scp"),
        ("segments", "u1 rec1 0 1 B\n", "names channel B"),
        ("segments", "u1 rec1 0 9\n", "clip 'u1' is the part of wav/one.wav from 0 to 9 s"),
        ("utt2spk", "u1 anna\n", "utt2spk says nothing of 2 utterances, such as 'u2'"),
        ("utt2spk", "u1 anna\nu1 bert\n", "line 2: 'u1' is there twice"),
        ("utt2emo", "", "utt2emo says nothing of 3 utterances"),
    ],
)
def test_a_data_folder_that_cannot_be_read_says_why(kaldi: Path, name: str, text: str, message: str) -> None:
    files(kaldi, **{name: text})
    with pytest.raises(CorpusError, match=message):
        load_corpus("folder", kaldi)
    assert not Path("pwned").exists()


def test_a_data_folder_without_labels_says_how_to_write_them(kaldi: Path) -> None:
    (kaldi / "utt2emo").unlink()
    with pytest.raises(CorpusError, match=r"does not say which emotion .* write it into a file utt2emo"):
        load_corpus("folder", kaldi)
    (kaldi / "utt2spk").write_bytes(b"u1 \xff\n")
    with pytest.raises(CorpusError, match="utt2spk is no UTF-8 text"):
        load_corpus("folder", kaldi)


# --- lhotse


def lhotse(folder: Path, **change: object) -> Path:
    recording(folder / "wav/one.wav")
    source = {"type": "file", "channels": [0], "source": "wav/one.wav"}
    one = {"id": "r1", "sources": [source], "sampling_rate": 8000, "num_samples": 32_000, "duration": 4.0}
    said = {"id": "s1", "recording_id": "r1", "start": 0.5, "duration": 1.25, "channel": 0, "speaker": "anna"}
    first = {**said, "gender": "female", "language": "English", "text": "so", "custom": {"emotion": "sad", "v": 2.5}}
    whole = {**said, "id": "s2", "start": 0.0, "duration": 4.0, "speaker": "bert", "emotion": "glad"}
    folder.mkdir(exist_ok=True)
    (folder / "mine_recordings_all.jsonl.gz").write_bytes(gzip.compress(lines({**one, **change}).encode()))
    (folder / "mine_supervisions_all.jsonl.gz").write_bytes(gzip.compress(lines(first, whole).encode()))
    return folder


def test_recordings_and_supervisions_of_lhotse(tmp_path: Path) -> None:
    manifest = load_corpus("folder", lhotse(tmp_path / "pod"))
    assert manifest.corpus == "pod"
    assert facts(manifest) == {
        "s1": ("wav/one.wav", "anna", "sad", "female", 0.5, 1.75),
        "s2": ("wav/one.wav", "bert", "glad", "", NAN, NAN),
    }
    assert manifest.clips[0].further == {"language": "English", "text": "so", "v": 2.5}
    alone = load_corpus("folder", tmp_path / "pod/mine_supervisions_all.jsonl.gz", name="x")
    assert facts(alone) == facts(manifest)


def test_several_supervisions_are_splits(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav")
    for split in ("train", "dev"):
        one = {"id": "r", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}]}
        said = {"id": f"{split}1", "recording_id": "r", "start": 1, "duration": 2, "speaker": 1, "label": "sad"}
        files(tmp_path, **{f"recordings_{split}.jsonl": lines(one), f"supervisions_{split}.jsonl": lines(said)})
    manifest = load_corpus("folder", tmp_path, name="x")
    assert [(clip.clip_id, clip.further["split"]) for clip in manifest] == [("dev1", "dev"), ("train1", "train")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"sources": [{"type": "command", "channels": [0], "source": "touch pwned"}]},
            "'r1' is not one file .commands",
        ),
        ({"sources": [{"type": "url", "channels": [0], "source": "http://x/a.wav"}]}, "is not one file"),
        ({"sources": "wav/one.wav"}, "is not one file"),
        ({"sources": [{"type": "file", "channels": [0, 1], "source": "wav/one.wav"}]}, "is of channel 0 of 2"),
        ({"transforms": [{"name": "Speed"}]}, "is changed on the fly"),
        ({"id": "other"}, "'s1' is of the recording 'r1', which is not there"),
        ({"id": 7}, "'7' is not one file"),
    ],
)
def test_recordings_that_cannot_be_read_say_why(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        load_corpus("folder", lhotse(tmp_path, **change), name="x")


def test_supervisions_without_recordings_or_times_are_refused(tmp_path: Path) -> None:
    files(tmp_path, **{"supervisions.jsonl": lines({"id": "s", "recording_id": "r", "start": "0"})})
    with pytest.raises(CorpusError, match=r"speaks of recordings, and recordings\.jsonl is not beside it"):
        load_corpus("folder", tmp_path, name="x")
    one = {"id": "r", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}]}
    files(tmp_path, **{"recordings.jsonl": lines(one)})
    with pytest.raises(CorpusError, match="the supervision 's' has no start and duration in seconds"):
        load_corpus("folder", tmp_path, name="x")


# --- audformat


def test_an_audformat_database_with_speakers_in_a_table_of_their_own(tmp_path: Path) -> None:
    recording(tmp_path / "wav/a.wav")
    recording(tmp_path / "wav/b.wav")
    segments = "wav/a.wav,0 days 00:00:01,0 days 00:00:02.5,sad,0.9\nwav/b.wav,0 days,NaT,glad,1.0\n"
    files(tmp_path, **{
        "db.yaml": "name: x\n",
        "db.emotion.csv": f"file,start,end,emotion,emotion.confidence\n{segments}",
        "db.files.csv": "file,duration,speaker\nwav/a.wav,0 days 00:00:04,3\nwav/b.wav,0 days 00:00:04,8\n",
        "db.speaker.csv": "speaker,age,gender\n3,31,male\n8,34,female\n",
    })  # fmt: skip
    manifest = load_corpus("folder", tmp_path, name="x")
    assert facts(manifest) == {
        "wav/a_1.000-2.500": ("wav/a.wav", "3", "sad", "male", 1.0, 2.5),
        "wav/b": ("wav/b.wav", "8", "glad", "female", NAN, NAN),
    }
    assert manifest.clips[0].further == {"emotion_confidence": 0.9}
    assert facts(load_corpus("folder", tmp_path / "db.emotion.csv", name="x")) == facts(manifest)


def test_which_table_of_several_is_asked(tmp_path: Path) -> None:
    files(tmp_path, **{"db.yaml": "", "db.a.csv": "file,emotion\nx.wav,sad\n", "db.b.csv": "file,emotion\ny.wav,sad\n"})
    with pytest.raises(CorpusError, match=r"2 tables with labels: db\.a\.csv, db\.b\.csv; give .*--data .*db\.a\.csv"):
        load_corpus("folder", tmp_path)
    with pytest.raises(CorpusError, match=r"lacks the columns \['actor'\]"):
        load_corpus("folder", tmp_path / "db.a.csv")


# --- audiofolder


def test_an_audiofolder_in_one_folder_and_in_splits(tmp_path: Path) -> None:
    files(tmp_path / "one", **{"metadata.csv": "file_name,speaker,emotion\nx/a.wav,1,sad\n"})
    assert facts(load_corpus("folder", tmp_path / "one")) == {"x/a": ("x/a.wav", "1", "sad", "", NAN, NAN)}
    row = {"file_name": "a.wav", "speaker": 1, "emotion": "sad", "text": "so"}
    files(tmp_path / "two/train", **{"metadata.jsonl": lines(row)})
    files(tmp_path / "two/test", **{"metadata.csv": "file_name,speaker,emotion\na.wav,2,glad\n"})
    manifest = load_corpus("folder", tmp_path / "two")
    assert facts(manifest) == {
        "test/a": ("test/a.wav", "2", "glad", "", NAN, NAN), "train/a": ("train/a.wav", "1", "sad", "", NAN, NAN)
    }  # fmt: skip
    assert [dict(clip.further) for clip in manifest] == [{"split": "test"}, {"split": "train", "text": "so"}]


def test_an_audiofolder_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    files(tmp_path, **{"metadata.csv": "path,speaker,emotion\na.wav,1,sad\n"})
    with pytest.raises(CorpusError, match="has no column 'file_name', as an audiofolder does; it has"):
        load_corpus("folder", tmp_path)
    files(tmp_path, **{"metadata.jsonl": "{}\n"})
    with pytest.raises(CorpusError, match=r"has metadata\.csv and metadata\.jsonl side by side"):
        load_corpus("folder", tmp_path)


def test_another_folder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"is a folder without wav\.scp.*; write a table of its clips: path, actor"):
        load_corpus("folder", tmp_path)
    files(tmp_path, **{"clips.csv": "path,actor,label\n"})
    with pytest.raises(CorpusError, match=rf"give one of its tables: --data {tmp_path / 'clips.csv'}"):
        load_corpus("folder", tmp_path)
    assert data_root("folder", tmp_path / "clips.csv") == tmp_path
    assert os.fspath(data_root("folder", tmp_path)) == str(tmp_path)
