"""Tests lie where what they test lies: the rule of CONTRIBUTING, "Tests", checked."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "ravfeat"
TEST_FILES = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py"))

ELSEWHERE = {
    "test_architecture.py": "all modules: who may import whom",
    "test_makefile.py": "the Makefile",
    "test_mirroring.py": "the tests themselves",
    "toyhub/": "the hub of the tests, through the real client",
    "test_startup.py": "all commands: how long they take to start",
    "integration/": "several packages together, on generated and on real data",
    "device/": "all packages on a CUDA device, in a session of its own: make test-device",
    "api/test_options.py": "the commands: their options are the keywords of their functions",
    "benchmarks/": "benchmarks/ is not in the package",
    "fuzz/": "readers of every kind of file, with damaged ones",
    "docs/": "docs/ and examples/ are not in the package",
    "cheats/": "the audit, against everything that somebody who cheats could do without changing the code",
    "cache/test_feature_names.py": "names of features, in shards and through conversions",
    "cache/test_hostile.py": "caches that mean harm, through every command that reads one",
    "cache/test_old_formats.py": "caches of earlier versions, through every module that reads one",
    "cache/test_readme.py": "cache/README.md, the specification of the format",
    "cli/test_extract_faces.py": "ravfeat extract on faces; cli/test_extract.py is on voices",
    "cli/test_main.py": "what all commands share",
    "demo/test_browser.py": "the page of ravfeat demo, in a real browser",
    "experiment/test_averaged_views.py": "means over a clip and its views, from loading to predictions",
    "experiment/test_normalised_actors.py": "--normalise actor, from caches to report, audit, fusion and export",
    "experiment/test_kernels_with_views.py": "block-kernel and joint-kernel, from caches to a published head",
    "extract/test_command.py": "ravfeat extract on clips of its own, and its mistakes",
    "extract/test_interruption.py": "ravfeat extract in a process of its own, killed and gone on with",
    "extract/test_together.py": "several encoders in one pass, through the whole package",
    "published/test_hostile.py": "hostile heads through load_head and the commands that read heads",
    "published/test_old_formats.py": "heads published by earlier versions",
}
"""Test files, or folders of them, that bear no module's name, and what they test."""

THROUGH = {
    "ravfeat.faces.preview": "cli/test_extract_faces.py",
    "ravfeat.report.study": "reproduce/test_run.py",
}
"""Modules, or packages of them, that only another package calls, and the tests of that one which see them work."""


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py")}


def mirrored(test: str) -> str:
    """The module or package that a test file bears the name of."""
    path = Path(test)
    return ".".join(["ravfeat", *path.parent.parts, path.stem.removeprefix("test_")])


def is_elsewhere(test: str) -> bool:
    return any(test == entry or (entry.endswith("/") and test.startswith(entry)) for entry in ELSEWHERE)


@cache
def imported(path: Path) -> frozenset[str]:
    """Modules of ravfeat that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names & set(MODULES))


def with_parts(modules: Iterable[str]) -> set[str]:
    """Modules and what they are made of: what they import of their own package, and that in turn."""
    reached, waiting = set(), set(modules)
    while waiting:
        module = waiting.pop()
        reached.add(module)
        package = module.split(".")[1:2]
        waiting |= {name for name in imported(MODULES[module]) if name.split(".")[1:2] == package} - reached
    return reached


def test_a_test_file_bears_the_name_of_what_it_tests() -> None:
    # Rename the test, or mend ELSEWHERE.
    assert [test for test in TEST_FILES if (mirrored(test) in MODULES) == is_elsewhere(test)] == []


def test_every_exception_is_there() -> None:
    assert not [entry for entry in ELSEWHERE if not any(test.startswith(entry) for test in TEST_FILES)]


def test_every_module_is_tested_under_its_name_or_as_a_part_of_what_is() -> None:
    named = {mirrored(test) for test in TEST_FILES} & set(MODULES)
    called = {name for test in TEST_FILES for name in imported(TESTS / test)} - {"ravfeat"}
    untested = {name for name in set(MODULES) - with_parts(named | called) if MODULES[name].stem != "__init__"}
    assert sorted(name for name in untested if not name.startswith(tuple(THROUGH))) == []
