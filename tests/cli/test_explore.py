"""``ravfeat explore``."""


def test_a_line_says_what_is_there_what_to_look_at_and_where_the_page_is(whole_cache, here, tmp_path) -> None:
    done = here("explore", whole_cache, "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    first, second, *_, last = done.stdout.splitlines()
    assert first.startswith("synth (synthetic): 22 clips of 2 actors, 8 classes; ")
    assert first.endswith(" to look at, 1 of them grave")
    assert second.startswith("GRAVE actor: there are 2 actors")
    assert last == str(tmp_path / "page.html")


def test_a_table_that_extract_refuses_is_shown_and_so_is_why(here, tmp_path) -> None:
    (tmp_path / "clips.csv").write_text("path,actor,label\na.wav,1,\nb.wav,2,sad\n")
    done = here("explore", tmp_path / "clips.csv", "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert "'ravfeat extract' does not take this table: " in done.stderr
    assert "'label' is empty in 1 row: 2" in done.stdout
    assert (tmp_path / "page.html").is_file()


def test_what_is_not_there_is_one_line(here, tmp_path) -> None:
    done = here("explore", tmp_path / "nothing.csv")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "nothing.csv is not there" in line
