"""Packages that are there, missing, broken, or end the process."""

import pytest

from ravfeat.doctor import imports
from ravfeat.doctor.imports import Import, load, try_imports


@pytest.fixture
def packages(tmp_path, monkeypatch):
    for name, text in {
        "fine": "__version__ = '1.2'\nprint('noise')",
        "broken": "raise OSError('libcudart.so.13: cannot open shared object file\\nand more')",
        "crashing": "import os; os.abort()",
        "exiting": "import os; os._exit(7)",
        "leaving": "raise SystemExit(3)",
        "hanging": "import time; time.sleep(60)",
        "half": "import a_package_that_is_not_there",
    }.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_each_package_has_its_answer_whatever_the_others_do(packages) -> None:
    names = ["crashing", "fine", "broken", "exiting", "absent", "leaving", "half", "json"]
    assert try_imports(names) == {
        "crashing": Import(error="importing it crashes (SIGABRT)"),
        "fine": Import(version="1.2"),
        "broken": Import(error="OSError: libcudart.so.13: cannot open shared object file"),
        "exiting": Import(error="importing it ends the process (exit code 7)"),
        "absent": Import(missing=True, lacks="absent", error="ModuleNotFoundError: No module named 'absent'"),
        "leaving": Import(error="SystemExit: 3"),
        "half": Import(
            lacks="a_package_that_is_not_there",
            error="ModuleNotFoundError: No module named 'a_package_that_is_not_there'",
        ),
        "json": Import(version="2.0.9"),
    }


def test_a_package_that_never_finishes_is_given_up(packages, monkeypatch) -> None:
    monkeypatch.setattr(imports, "_PATIENCE_S", 1.0)
    found = try_imports(["hanging", "json"])
    assert found["hanging"].error == "importing it takes more than 1 s"
    assert found["json"].works


def test_files_of_the_folder_where_the_command_runs_are_no_packages(packages, monkeypatch) -> None:
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.chdir(packages)
    assert try_imports(["fine"])["fine"].missing


def test_only_what_works_is_loaded_here() -> None:
    found = {"json": Import(version="2"), "torch": Import(error="crashes")}
    assert load("json", found).__name__ == "json"
    assert load("torch", found) is load("absent", found) is None
