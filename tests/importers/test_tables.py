"""Features in tables."""

import pytest

from ravfeat.errors import CorpusError, MediaError
from ravfeat.importers.input_files import find_files
from ravfeat.importers.tables import TableFiles
from ravfeat.manifest import Clip


@pytest.fixture
def tables(tmp_path):
    def read(array=None, named=(), **texts):
        folder = tmp_path / "tables"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        return TableFiles(find_files(folder), array, named)

    return read


def rows(files):
    return {clip.name: files.read(clip).values.tolist() for clip in files.clips}


def test_rows_of_a_clip_are_found_wherever_they_stand(tables) -> None:
    files = tables(t="name,frame,f\na,2,1\nb,1,5\na,1,0\n")
    assert (files.timed, files.named, files.shape) == ("frames", True, (1,))
    assert rows(files) == {"a": [[1], [0]], "b": [[5]]}  # the clock puts them in order
    assert files.read(files.clips[0]).facts["frame"].tolist() == [2, 1]


def test_without_time_all_names_once_means_one_row_per_clip(tables) -> None:
    files = tables(t="clip,f,g\na,1,2\nb,3,4\n")
    assert (files.timed, rows(files)) == ("clip", {"a": [[1, 2]], "b": [[3, 4]]})


def test_without_time_all_names_several_times_means_frames_in_order(tables) -> None:
    files = tables(t="clip,f\na,1\nb,3\na,2\nb,4\n")
    assert (files.timed, rows(files)) == ("rows", {"a": [[1], [2]], "b": [[3], [4]]})


def test_a_row_that_is_there_twice_counts_once_and_must_not_differ(tables) -> None:
    assert rows(tables(t="clip,f\na,1\nb,3\na,1\n")) == {"a": [[1]], "b": [[3]]}
    with pytest.raises(CorpusError, match="'b' has one row and 'a' several that differ; give a column 'frame'"):
        tables(t="clip,f\na,1\nb,3\na,2\n")


def test_a_file_without_names_is_one_clip_as_openface_writes_it(tables) -> None:
    header = "frame, face_id, timestamp, confidence, success, AU01_r\n"
    files = tables(
        c=header + "1, 0, 0.000, 0.98, 1, 0.5\n2, 0, 0.040, 0.10, 0, 0.0\n3, 0, 0.080, 0.98, 1, 0.7\n",
        d=header + "1, 0, 0.000, 0.98, 1, 0.1\n1, 1, 0.000, 0.9, 1, 9\n2, 1, 0.040, 0.9, 1, 8\n",
    )
    assert [(clip.name, clip.n_frames, round(clip.rate_hz)) for clip in files.clips] == [("c", 3, 25), ("d", 2, 25)]
    c, d = (files.read(clip) for clip in files.clips)
    assert {name: fact.tolist() for name, fact in c.facts.items()} == {
        "frame": [1, 2, 3], "time_s": [0, 0.04, 0.08], "found": [1, 0, 1], "confidence": [0.98, 0.1, 0.98]
    }  # fmt: skip
    assert d.values.tolist() == [[9], [8]]  # the face that is seen most often


def test_a_table_of_nothing_is_a_clip_of_nothing(tables) -> None:
    files = tables(c="frame,f\n", d="frame,f\n1,2\n")
    assert [(clip.name, clip.n_frames) for clip in files.clips] == [("c", 0), ("d", 1)]
    assert files.read(files.clips[0]).values.shape == (0, 1)


def test_the_first_file_decides_the_order_of_dimensions(tables) -> None:
    files = tables(a="frame,f,g\n1,1,2\n", b="frame,g,f\n1,2,1\n")
    assert rows(files) == {"a": [[1, 2]], "b": [[1, 2]]}


def test_files_with_other_columns_are_named_with_what_differs(tables) -> None:
    with pytest.raises(
        CorpusError, match=r"a\.csv and .*b\.csv have different features: 2 and 3.*only one of them has h"
    ):
        tables(a="frame,f,g\n1,1,2\n", b="frame,f,g,h\n1,1,2,3\n")
    with pytest.raises(CorpusError, match="different name columns"):
        tables(a="frame,f\n1,1\n", b="name,frame,f\nx,1,1\n")


def test_a_file_that_changed_while_it_was_read_is_a_bad_file(tables, tmp_path, monkeypatch) -> None:
    files = tables(a="frame,f\n1,1\n", b="frame,f\n1,1\n")
    monkeypatch.setattr(files._tables, "_budget", 0)
    files.read(files.clips[1])  # drives out the other
    (tmp_path / "tables/a.csv").write_text("frame,f\n1,x\n", encoding="utf-8")
    with pytest.raises(MediaError, match=r"a\.csv, row 2: expected numbers in f"):
        files.read(files.clips[0])


def test_an_empty_header_cell_is_an_index_and_not_the_clips_name(tables) -> None:
    files = tables(t=",f,g\n0,1,2\n1,3,4\n")
    assert (files.named, files.taken, files.left_out) == (False, ("f", "g"), ("",))
    assert [clip.name for clip in files.clips] == ["t"]
    assert rows(tables(t=",file,f\n0,a,2\n1,b,4\n")) == {"a": [[2]], "b": [[4]]}


def test_what_opensmile_writes_for_whole_files_is_one_row_per_clip(tables) -> None:
    files = tables(t="file,start,end,F0\na.wav,0 days,0 days 00:00:03,1.5\nb.wav,0 days,0 days 00:00:02,2.5\n")
    assert (files.timed, rows(files), files.left_out) == (
        "clip",
        {"a.wav": [[1.5]], "b.wav": [[2.5]]},
        ("start", "end"),
    )
    files = tables(t="name;frameTime;F0\n'a';0.0;1.5\n'b';0.0;2.5\n")
    assert (files.taken, files.left_out) == (("F0",), ("frameTime",))


def test_parts_of_a_file_are_refused(tables) -> None:
    with pytest.raises(CorpusError, match=r"'a' has several rows with a start or an end, and parts of a file"):
        tables(t="file,start,end,F0\na,0,1,1.5\na,1,2,2.5\nb,0,1,3\nb,1,2,4\n")


def test_named_columns_are_taken_alone_and_are_another_identity(tables) -> None:
    text = "clip,age,f,g\na,30,1,2\nb,40,3,4\n"
    assert (tables(t=text).taken, tables(t=text).array) == (("f", "g"), "all columns")
    files = tables(t=text, named=["age", "f"])
    assert (files.taken, files.array, rows(files)) == (("age", "f"), "age,f", {"a": [[30, 1]], "b": [[40, 3]]})
    assert tables("g", t=text, named=["age"]).taken == ("age", "g")


def test_a_column_that_gives_the_label_away_is_refused(tables) -> None:
    numbers = range(12)
    text = "clip,f,code\n" + "".join(f"c{i},{i * 7 % 5},{i % 2}\n" for i in numbers)
    clips = [Clip(f"c{i}", f"c{i}", f"x:{i // 4}", "", ("sad", "happy")[i % 2], "") for i in numbers]
    files = tables(t=text)
    with pytest.raises(CorpusError, match=r"t\.csv: the values of code are the same in all clips of a label"):
        files.check(dict(zip(files.clips, clips, strict=True)))
    files = tables(t=text, named=["f", "code"])
    files.check(dict(zip(files.clips, clips, strict=True)))
