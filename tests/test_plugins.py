"""Loading of a user's own code by name: what is loaded, what is recorded, and every way in which it can fail."""

import hashlib
import sys
from pathlib import Path

import pytest

from ravfeat.errors import HeadError, PluginError, UsageError
from ravfeat.plugins import installed, is_reference, load_installed, load_reference, running_brought

SOURCE = """\
import numpy as np

STARTED = []

class Head:
    class Inner:
        pass

def make():
    return np.zeros(3)

def fails():
    raise ValueError("no\\x1b[31m good")
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package with two modules and entry points, as if it were installed."""
    folder = tmp_path / "site"
    (folder / "toybrought").mkdir(parents=True)
    (folder / "toybrought/__init__.py").write_text("")
    (folder / "toybrought/other.py").write_text("X = 1\n")
    (folder / "toybrought/heads.py").write_text("from toybrought.other import X\n\ndef svc():\n    return X\n")
    info = folder / "toybrought-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toybrought\nVersion: 3.1\n")
    (info / "top_level.txt").write_text("toybrought\n")
    (info / "entry_points.txt").write_text("[ravfeat.heads]\ntoy-svc = toybrought.heads:svc\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "toybrought"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mine.py:SVC", True),
        ("/a b/mine.py:SVC", True),
        ("a:b/mine.py:SVC", True),
        ("mine.py", True),
        ("mine.py:", True),
        ("sklearn.svm:SVC", True),
        ("sklearn:clone", True),
        ("logreg", False),
        ("audio:logreg", False),
        ("face:joint-kernel", False),
        ("hf://org/name:x", False),
        ("../../etc.:x", False),
        ("", False),
        (":", False),
    ],
)
def test_a_reference_is_told_from_a_name(text, expected) -> None:
    assert is_reference(text) is expected


def test_a_file_gives_what_it_names_with_its_digest_and_the_versions_of_what_it_imports(file) -> None:
    brought = load_reference(f"{file}:make")
    assert brought.value().shape == (3,)
    assert brought.source_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert list(brought.versions) == ["numpy"]
    assert load_reference(f"{file}:Head.Inner").value.__name__ == "Inner"


def test_a_file_runs_once_until_it_changes(file) -> None:
    first = load_reference(f"{file}:STARTED").value
    assert load_reference(f"{file}:STARTED").value is first
    file.write_text(SOURCE + "\n")
    assert load_reference(f"{file}:STARTED").value is not first


def test_a_module_is_known_by_the_sources_of_its_whole_package(package) -> None:
    before = load_reference("toybrought.heads:svc")
    assert before.value() == 1
    assert before.versions == {"toybrought": "3.1"}
    (package / "toybrought/other.py").write_text("X = 2\n")
    assert load_reference("toybrought.heads:svc").source_sha256 != before.source_sha256


def test_an_entry_point_is_found_without_being_loaded(package) -> None:
    points = installed("ravfeat.heads")
    assert points["toy-svc"].value == "toybrought.heads:svc"
    assert "toybrought" not in sys.modules
    assert load_installed("ravfeat.heads", "toy-svc").reference == "toybrought.heads:svc"
    with pytest.raises(UsageError, match=r"no installed package brings 'svc' under ravfeat.heads; there are: toy-svc"):
        load_installed("ravfeat.heads", "svc")


def test_two_packages_with_one_name_are_refused(package) -> None:
    info = package / "second-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: second\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ravfeat.heads]\ntoy-svc = second:svc\n")
    with pytest.raises(UsageError, match=r"two installed packages bring 'toy-svc' under ravfeat\.heads"):
        installed("ravfeat.heads")


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (":missing", r"there is no 'missing' in .*mine.py, which defines Head, make, fails"),
        (":", "expected FILE.py:NAME"),
        ("", "expected FILE.py:NAME"),
        (":make.deeper", "there is no 'make.deeper'"),
        (":a b", "there is no 'a b'"),
    ],
)
def test_a_name_that_a_file_lacks_is_refused_with_those_it_has(file, suffix, message) -> None:
    with pytest.raises(UsageError, match=message):
        load_reference(f"{file}{suffix}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere/mine.py:SVC", "nowhere/mine.py is missing; give the path of a Python file"),
        ("no_such_package.heads:svc", "there is no module 'no_such_package' in this Python; install its package"),
        ("ravfeat.no_such:svc", "there is no module 'ravfeat.no_such'"),
        ("a b:svc", "'a b:svc' names no code: expected path.py:NAME"),
    ],
)
def test_what_is_not_there_is_named(text, message) -> None:
    with pytest.raises(UsageError, match=message):
        load_reference(text)


def test_a_folder_is_no_file(tmp_path) -> None:
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UsageError, match="Is a directory"):
        load_reference(f"{tmp_path}/folder.py:x")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"x = 1\nraise RuntimeError('of mine')\n", r"RuntimeError: of mine \(.*mine.py, line 2\)"),
        (b"import no_such_package\n", r"No module named 'no_such_package' \(.*mine.py, line 1\)"),
        (b"import json\n\njson.loads('{')\n", r"JSONDecodeError: .*mine.py, line 3\)"),
        (b"def f(:\n", r"SyntaxError: .*mine.py, line 1\)"),
        (b"\x00\xff", "failed while being loaded"),
        (b"raise SystemExit(3)\n", "SystemExit: 3"),
        (b"raise ValueError('a\\n\\x1b[31mred')\n", r"\\x1b\[31mred"),
    ],
)
def test_a_file_that_fails_is_answered_with_its_last_line_and_nothing_stays(tmp_path, source, message) -> None:
    file = tmp_path / "mine.py"
    file.write_bytes(source)
    before = set(sys.modules)
    with pytest.raises(PluginError, match=message) as caught:
        load_reference(f"{file}:x")
    assert caught.value.__cause__ is not None
    assert not [name for name in set(sys.modules) - before if "brought" in name]


def test_errors_of_brought_code_name_its_line_and_our_own_pass(file) -> None:
    fails = load_reference(f"{file}:fails").value
    with (
        pytest.raises(PluginError, match=r"'it' failed while fitting: ValueError: no\\x1b\[31m good .*, line 13\)"),
        running_brought("it", "fitting"),
    ):
        fails()
    with pytest.raises(HeadError, match="ours"), running_brought("it", "fitting"):
        raise HeadError("ours")
    with pytest.raises(MemoryError), running_brought("it", "fitting"):
        raise MemoryError
