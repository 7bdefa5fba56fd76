"""EmoBox's lists, labels and folds."""

import json
from pathlib import Path

import pytest

from ravfeat.corpora import load_corpus
from ravfeat.corpora.readers.emobox import speaker_pattern
from ravfeat.errors import CorpusError, UsageError
from ravfeat.manifest import Manifest, is_unknown
from tests.distributed import emobox


def load(root: Path, pattern: str | None = None) -> Manifest:
    return load_corpus("emobox", root / "data/emodb", audio=root / "audio", speaker_pattern=pattern)


def test_speakers_of_a_corpus_with_a_reader_are_known(tmp_path: Path) -> None:
    manifest = load(emobox(tmp_path))
    assert manifest.corpus == "emobox-emodb"
    assert manifest.actors == tuple(f"emobox-emodb:{speaker}" for speaker in ("03", "08", "09", "10"))
    clip = manifest.by_id()["emodb-03a01Fa"]
    assert (clip.label, clip.gender, clip.path) == ("Happy", "male", "emodb/wav/03a01Fa.wav")
    assert clip.further == {"fold_1": "test", "fold_2": "test"}
    assert manifest.by_id()["emodb-10a02Wa"].further == {"fold_1": "train", "fold_2": "train"}


def test_a_pattern_names_speakers_of_any_corpus(tmp_path: Path) -> None:
    root = emobox(tmp_path)
    assert load(root, r"emodb-(?P<take>.)(?P<speaker>\d)").actors == tuple(f"emobox-emodb:{n}" for n in "0389")
    by_path = load(root, r"wav/(\d\d)")
    assert by_path.actors == load(root).actors
    some = load(root, r"emodb-(03|08)")
    assert sum(is_unknown(clip.actor) for clip in some) == 8
    assert any("of 8 clips nobody says who speaks" in note and "UNCHECKED" in note for note in some.notes)


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        ("emodb", "has no group: put the part"),
        ("(", "is no regular expression"),
        ("(zzz)", "matches no key and no path"),
    ],
)
def test_a_pattern_that_names_nobody_is_refused(pattern: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=match):
        load(emobox(tmp_path), pattern)


def test_without_anybody_who_knows_every_speaker_is_unknown(tmp_path: Path) -> None:
    root = emobox(tmp_path)
    other = root / "data/turev"
    (root / "data/emodb").rename(other)
    for file in list(other.rglob("emodb*")):
        file.rename(file.with_name(file.name.replace("emodb", "turev")))
    manifest = load_corpus("emobox", other, audio=root / "audio/emodb/wav")
    assert all(is_unknown(clip.actor) for clip in manifest)
    assert manifest.clips[0].path == "03a01Fa.wav"  # found by the end of its path, wherever the folder was given


def test_earlier_lists_and_validation_lists_are_read(tmp_path: Path) -> None:
    root = emobox(tmp_path)
    fold = root / "data/emodb/fold_1"
    test = fold / "emodb_test_fold_1.jsonl"
    lines = [json.loads(line) for line in test.read_text().splitlines()]
    earlier = [{"key": row["key"], "audio": row["wav"], "label": row["emo"]} for row in lines]
    (fold / "emodb_test_fold1.jsonl").write_text("\n".join(map(json.dumps, earlier[:4])) + "\n")
    (fold / "emodb_valid_fold_1.jsonl").write_text("\n".join(map(json.dumps, earlier[4:])) + "\n")
    test.unlink()
    (root / "data/emodb/emodb.jsonl").unlink()
    sides = [clip.further["fold_1"] for clip in load(root)]
    assert [sides.count(side) for side in ("train", "val", "test")] == [8, 4, 4]


def damage_label_map(data: Path) -> None:
    (data / "label_map.json").write_text('{"anger": "Angry"}')


def damage_json(data: Path) -> None:
    (data / "emodb.jsonl").write_text("{'key'}\n")


def damage_path(data: Path) -> None:
    (data / "emodb.jsonl").write_text('{"key": "k", "wav": "../../etc/03a01Fa.wav", "emo": "anger"}\n')


def damage_long(data: Path) -> None:
    (data / "emodb.jsonl").write_text(f'{{"key": "k", "wav": "{"x" * 5000}.wav", "emo": "anger"}}\n')


def damage_twice(data: Path) -> None:
    (data / "emodb.jsonl").write_text('{"key": "emodb-03a01Fa", "wav": "emodb/wav/03a01Fa.wav", "emo": "anger"}\n')


def damage_sides(data: Path) -> None:
    train, test = (data / f"fold_1/emodb_{side}_fold_1.jsonl" for side in ("train", "test"))
    test.write_text(test.read_text() + train.read_text().splitlines()[0] + "\n")


def damage_fold(data: Path) -> None:
    (data / "fold_2/emodb_test_fold_2.jsonl").unlink()


def damage_all(data: Path) -> None:
    for file in data.rglob("*.jsonl"):
        file.unlink()
    for fold in data.glob("fold_*"):
        fold.rmdir()


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (damage_label_map, r"label_map.json has no class for 'happy', the label of 'emodb-"),
        (damage_json, r"emodb.jsonl is not valid JSON|emodb.jsonl: "),
        (damage_path, r"the path '../../etc/03a01Fa.wav' leads out of its folder"),
        (damage_long, r"the path 'xxxx.* leads out of its folder, or is no path"),
        (
            damage_twice,
            r"the lists below .* say of 'emodb-03a01Fa' both downloads.*happy and emodb/wav/03a01Fa.wav anger",
        ),
        (damage_sides, r"fold 1 has 'emodb-.*' in train and in test"),
        (damage_fold, r"fold_2 has no list of test; expected NAME.jsonl"),
        (damage_all, r"holds no list of recordings; expected NAME.jsonl"),
    ],
)
def test_damaged_lists_are_refused(damage, match: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    root = emobox(tmp_path)
    damage(root / "data/emodb")
    with pytest.raises(CorpusError, match=match):
        load(root)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--corpus emobox needs --data EMOBOX/data/NAME.* and --audio FOLDER"):
        load_corpus("emobox", tmp_path)
    with pytest.raises(CorpusError, match=r"nowhere is not a folder; expected NAME\.jsonl"):
        load_corpus("emobox", tmp_path / "nowhere", audio=tmp_path)
    root = emobox(tmp_path / "corpus")
    with pytest.raises(CorpusError, match=r"no clip of EmoBox's emodb.*16 listed recordings that are not there"):
        load_corpus("emobox", root / "data/emodb", audio=tmp_path / "corpus/data")


def test_a_group_may_be_called_speaker() -> None:
    person = speaker_pattern(r"(\w)-(?P<speaker>\d+)")("a-12")
    assert person is not None
    assert person.actor == "12"
