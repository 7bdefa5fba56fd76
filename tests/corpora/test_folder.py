"""Corpora that people describe in a table."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from ravfeat.corpora import data_root, load_corpus
from ravfeat.corpora.folder import read_folder_corpus
from ravfeat.errors import CorpusError, UsageError


def table(folder: Path, text: str, name: str = "mine.csv") -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_text(text)
    return folder / name


def test_every_column_finds_its_place(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "path,actor,label,performance,gender,clip_id,note\n"
        "wav/a.wav,01,sad,take1,F,first,x\n"
        "wav/b.wav,anna,happy,take2,man,second,y\n",
    )
    (tmp_path / "wav").mkdir()
    soundfile.write(tmp_path / "wav/a.wav", np.ones(800), 16_000)
    manifest = read_folder_corpus(path)
    assert (manifest.corpus, manifest.classes, manifest.synthetic) == ("mine", ("happy", "sad"), False)
    first, second = manifest.clips
    assert (first.clip_id, first.performance_id, first.actor, first.gender) == ("first", "take1", "mine:01", "female")
    assert (first.path, first.duration_s) == ("wav/a.wav", 0.05)
    assert (second.actor, second.gender, second.label) == ("mine:anna", "male", "happy")
    assert np.isnan(second.duration_s)  # not there; decoding will say so
    assert data_root("folder", path) == tmp_path


def test_what_is_left_out_has_sensible_values(tmp_path: Path) -> None:
    manifest = load_corpus("folder", table(tmp_path, "path,actor,label\nx\\y.b.wav,1,sad\n"), name="crema-d")
    (clip,) = manifest.clips
    assert (clip.clip_id, clip.performance_id, clip.path) == ("x/y.b", "x/y.b", "x/y.b.wav")
    assert (clip.actor, clip.gender) == ("crema-d:1", "")


def test_a_speaker_is_an_actor(tmp_path: Path) -> None:
    path = table(tmp_path, "path,speaker,label\na.wav,01,sad\nb.wav,02,happy\n")
    assert [clip.actor for clip in read_folder_corpus(path).clips] == ["mine:01", "mine:02"]


def test_parquet_reads_like_csv_and_nothing_is_nothing(tmp_path: Path) -> None:
    columns = {"path": ["a.wav"], "actor": [7], "label": ["sad"], "gender": [None], "performance": [float("nan")]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    (clip,) = read_folder_corpus(tmp_path / "t.parquet").clips
    assert (clip.actor, clip.gender, clip.performance_id) == ("t:7", "", "a")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,,sad,", r"row 2: 'actor' is empty"),
        ("a.wav,1,,", r"row 2: 'label' is empty"),
        (",1,sad,", r"row 2: 'path' is empty"),
        ("a.wav,1,sad,unknown", r"row 2: gender is 'unknown'; expected male, female or empty"),
        (".,1,sad,", r"row 2: path is '\.'; expected a file's path"),
        ("x/..,1,sad,", r"row 2: path is 'x/\.\.'; expected a file's path"),
    ],
)
def test_a_bad_row_is_refused_by_its_number(tmp_path: Path, row: str, message: str) -> None:
    path = table(tmp_path, f"path,actor,label,gender\n{row}\n")
    with pytest.raises(CorpusError, match=message):
        read_folder_corpus(path)


def test_an_actor_that_is_not_a_number_in_parquet_is_missing(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.wav"], "actor": [float("nan")], "label": ["sad"]}), tmp_path / "t.parquet")
    with pytest.raises(CorpusError, match="'actor' is empty"):
        read_folder_corpus(tmp_path / "t.parquet")


def test_two_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"two clips with one id: 'a' is a\.\w+ and a\.\w+;.*'clip_id' column"):
        read_folder_corpus(table(tmp_path, "path,actor,label\na.wav,1,sad\na.flac,1,sad\n"))


def test_a_table_without_the_columns_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"lacks the columns \['path', 'label'\].*got \['media', 'actor'\].*--columns path=COL"
    ):
        read_folder_corpus(table(tmp_path, "media,actor\na.wav,1\n"))
    with pytest.raises(CorpusError, match="has no rows"):
        read_folder_corpus(table(tmp_path, "path,actor,label\n"))


@pytest.mark.parametrize("name", ["../x", "a/b", "two words", ""])
def test_a_name_that_cannot_be_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match="cannot be a corpus's name"):
        read_folder_corpus(table(tmp_path, "path,actor,label\na.wav,1,sad\n"), name=name)


def test_the_name_of_the_generated_corpus_is_taken(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="'synth' is the name of a corpus of its own"):
        read_folder_corpus(table(tmp_path, "path,actor,label\na.wav,1,sad\n"), name="synth")


@pytest.mark.parametrize(
    ("folder", "file", "corpus"),
    [("My Corpus (v2)", "manifest.csv", "My-Corpus-v2-"), ("x", "crema d.csv", "crema-d"), (".x", "clips.csv", "x")],
)
def test_a_name_taken_from_the_disk_is_made_to_fit(tmp_path: Path, folder: str, file: str, corpus: str) -> None:
    path = table(tmp_path / folder, "path,actor,label\na.wav,1,sad\n", file)
    assert read_folder_corpus(path).corpus == corpus


def test_an_absolute_path_is_remembered_relative_to_the_table(generated: Path, tmp_path: Path) -> None:
    wav = sorted(generated.rglob("*.wav"))[0]
    table = tmp_path / "elsewhere" / "mine.csv"
    table.parent.mkdir()
    table.write_text(f"path,actor,label\n{wav.resolve()},a,sad\n")
    (clip,) = read_folder_corpus(table).clips
    assert clip.clip_id == wav.stem
    assert not Path(clip.path).is_absolute()
    assert (table.parent / clip.path).resolve() == wav.resolve()


def test_paths_above_the_table_keep_their_names(tmp_path: Path) -> None:
    path = table(tmp_path, "path,actor,label\n../x/.a.wav,1,sad\n../y/a.wav,1,sad\n")
    assert [clip.clip_id for clip in read_folder_corpus(path).clips] == ["x/.a", "y/a"]


def test_a_table_cannot_pass_for_ravdess(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="'ravdess' is the name of a corpus of its own"):
        read_folder_corpus(table(tmp_path, "path,actor,label\na.wav,1,sad\n"), name="ravdess")


def test_further_columns_are_kept_and_empty_ones_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, "path,actor,label,Session No.,code,gap,\na.wav,1,sad,2,01,,\nb.wav,1,sad,,02,,x\n")
    manifest = read_folder_corpus(path)
    assert [clip.further for clip in manifest] == [{"session_no": 2.0, "code": "01"}, {"code": "02"}]
    assert manifest.unread == ("gap (empty)", "(without a name)")
    plain = read_folder_corpus(table(tmp_path, "path,actor,label\na.wav,1,sad\n"))
    assert (plain.unread, plain.columns.extra) == ((), ())


def recording(path: Path, seconds: float = 4.0) -> None:
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, round(16_000 * seconds)), 16_000)


def test_rows_are_parts_of_files_with_ids_of_their_own(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav")
    path = table(tmp_path, "file,start,end,speaker,emotion\na.wav,0 days 00:00:01.5,0 days 00:00:02,1,sad\n"
                 "a.wav,0 days,0 days 00:00:01,1,sad\na.wav,2,NaT,2,glad\na.wav,,,3,glad\n")  # fmt: skip
    clips = {clip.clip_id: clip for clip in read_folder_corpus(path)}
    assert list(clips) == ["a", "a_0.000-1.000", "a_1.500-2.000", "a_2.000-end"]
    spans = [(clip.start_s, clip.end_s, clip.duration_s) for clip in clips.values()]
    np.testing.assert_array_equal(spans, [(np.nan, np.nan, 4.0), (0.0, 1.0, 1.0), (1.5, 2.0, 0.5), (2.0, np.nan, 2.0)])
    assert clips["a_2.000-end"].performance_id == "a_2.000-end"


def test_an_end_a_little_behind_the_file_is_cut_and_said_and_a_later_one_is_refused(tmp_path: Path) -> None:
    recording(tmp_path / "a.wav", 3.98)
    manifest = read_folder_corpus(table(tmp_path, "file,start,end,speaker,emotion\na.wav,1,4.0,1,sad\n"))
    assert manifest.notes == ("1 parts end up to 50 ms behind their file and are cut there, such as 'a_1.000-4.000'",)
    assert (manifest.clips[0].end_s, manifest.clips[0].duration_s) == (pytest.approx(np.nan, nan_ok=True), 2.98)
    for row in ("a.wav,1,4.1,1,sad", "a.wav,3.98,,1,sad"):
        with pytest.raises(
            CorpusError, match=r"the part of a\.wav from .*this file lasts 3\.980 s\. Are times seconds"
        ):
            read_folder_corpus(table(tmp_path, f"file,start,end,speaker,emotion\n{row}\n"))


def test_parts_that_overlap_or_are_listed_twice_are_said(tmp_path: Path) -> None:
    rows = "a.wav,0,2,1,sad,x\na.wav,1,3,2,sad,y\na.wav,1,3,1,sad,z\nb.wav,1,3,2,sad,w\n"
    manifest = read_folder_corpus(table(tmp_path, f"file,start,end,speaker,emotion,clip_id\n{rows}"))
    assert manifest.notes == (
        "1 parts are listed twice, such as 'y' and 'z'",
        "1 parts overlap one of another actor in the same file, such as 'x' and 'y'",
    )
    with pytest.raises(CorpusError, match=r"two clips with one id: 'a_0\.000-2\.000'"):
        read_folder_corpus(table(tmp_path, "file,start,end,speaker,emotion\na.wav,0,2,1,sad\na.wav,0,2.0,1,sad\n"))


@pytest.mark.parametrize(("key", "what"), [("clip_id", "two actors"), ("key", "one id")])
def test_parts_whose_times_nobody_understood_are_not_taken_for_whole_files(tmp_path: Path, key: str, what: str) -> None:
    rows = "x,a.wav,0,2,1,sad\ny,a.wav,2,3,2,sad\nz,b.wav,0,2,1,sad\n"
    path = table(tmp_path, f"{key},file,from,to,speaker,emotion\n{rows}")
    with pytest.raises(CorpusError, match=rf"2 rows are the whole file a\.wav, of {what}: .*start=COLUMN.*from, to;"):
        read_folder_corpus(path)
    clips = read_folder_corpus(path, columns={"start": "from", "end": "to"}).clips
    assert [(clip.start_s, clip.end_s) for clip in clips] == [(0, 2), (2, 3), (0, 2)]


def test_one_recording_in_several_rows_of_one_actor_is_said(tmp_path: Path) -> None:
    rows = "x,a.wav,1,sad\ny,a.wav,1,happy\nz,b.wav,1,sad\n"
    (note,) = read_folder_corpus(table(tmp_path, f"clip_id,file,speaker,emotion\n{rows}")).notes
    assert note.startswith("1 rows are a whole file that another row is as well, such as 'x' and 'y'")


@pytest.mark.parametrize("column", ["max", "trend", "restart", "weekend", "age", "stopword", "duration"])
def test_other_columns_are_no_times(tmp_path: Path, column: str) -> None:
    (clip,) = read_folder_corpus(table(tmp_path, f"path,actor,label,{column}\na.wav,1,sad,3\n"))
    assert (clip.is_part, clip.further) == (False, {column: 3.0})


def test_an_audformat_index_in_parquet_has_durations(tmp_path: Path) -> None:
    times = {"start": pa.array([1_500_000_000], pa.duration("ns")), "end": pa.array([None], pa.duration("ns"))}
    pq.write_table(pa.table({"file": ["a.wav"], **times, "speaker": [1], "emotion": ["sad"]}), tmp_path / "t.parquet")
    (clip,) = read_folder_corpus(tmp_path / "t.parquet")
    assert (clip.clip_id, clip.start_s) == ("a_1.500-end", 1.5)


def test_the_columns_of_times_can_be_named(tmp_path: Path) -> None:
    path = table(tmp_path, "file,von,bis_ms,speaker,emotion\na.wav,1,2500,1,sad\n")
    (clip,) = read_folder_corpus(path, columns={"start": "von", "end": "bis_ms"})
    assert (clip.start_s, clip.end_s) == (1.0, 2.5)
    with pytest.raises(UsageError, match=r"--columns begin=von: 'begin' is none of path, .*clip_id, start, end"):
        read_folder_corpus(path, columns={"begin": "von"})


def test_one_person_in_two_spellings_is_refused_until_both_are_meant(tmp_path: Path) -> None:
    path = table(tmp_path, "path,actor,label\na.wav,3,sad\nb.wav,03,happy\nc.wav,3,happy\n")
    with pytest.raises(CorpusError, match=r"one actor in several spellings: '03' \(1 clip\) and '3' \(2 clips\)"):
        read_folder_corpus(path)
    assert read_folder_corpus(path, as_written=["3"]).actors == ("mine:03", "mine:3")


def test_columns_can_be_named_and_a_speaker_that_is_not_meant_does_not_matter(tmp_path: Path) -> None:
    path = table(tmp_path, "Path,actor,speaker,person,mood\na.wav,hero,x,1,sad\nb.wav,hero,y,2,glad\n")
    manifest = load_corpus("folder", path, columns={"actor": "person", "label": "mood"})
    assert (manifest.actors, manifest.classes) == (("mine:1", "mine:2"), ("glad", "sad"))
    assert manifest.columns.further == ("table_actor", "table_speaker")
    with pytest.raises(UsageError, match="--columns and --as-written go with a table"):
        load_corpus("synth", tmp_path / "x", columns={"actor": "person"})


def test_numbers_that_went_through_floats_are_whole_again(tmp_path: Path) -> None:
    columns = {"path": [b"a.wav", b"b.wav"], "actor": [1.0, 2.0], "label": [b"sad", b"glad"]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert read_folder_corpus(tmp_path / "t.parquet").actors == ("t:1", "t:2")
    with pytest.raises(CorpusError, match=r"'1' \(1 clip\) and '1\.0' \(1 clip\)"):
        read_folder_corpus(table(tmp_path, "path,actor,label\na.wav,1,sad\nb.wav,1.0,happy\n"))
