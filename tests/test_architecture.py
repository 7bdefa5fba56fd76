"""The packages: which may import which, which third-party package each owns, who may print."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ravfeat

PACKAGE = Path(ravfeat.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

BASE = {
    "align", "callable_module", "clip_checks", "clips", "documents", "errors", "escape", "feature_names", "files",
    "manifest", "metrics", "model_origin", "plugins", "progress", "resources", "schema", "short_repr",
    "texts",
}  # fmt: skip
"""Loose modules at the root, which every package may import."""

ALLOWED: dict[str, set[str]] = {
    # The base itself.
    "callable_module": set(),
    "short_repr": set(),
    "errors": set(),
    "schema": set(),
    "files": {"errors"},
    "documents": {"errors", "escape", "files"},
    "resources": {"errors"},
    "texts": set(),
    "clips": {"errors", "escape", "schema", "short_repr", "texts"},
    "clip_checks": {"clips", "errors", "escape", "schema"},
    "manifest": {"clip_checks", "clips", "documents", "errors", "files", "short_repr", "texts"},
    "metrics": {"errors"},
    "align": {"errors"},
    "model_origin": {"documents", "errors", "files"},
    "escape": set(),
    "feature_names": set(),
    "plugins": {"errors", "escape", "files", "resources"},
    "progress": {"errors", "escape"},
    # Recordings in, features out.
    "numerics": BASE,
    "media": BASE,
    "cache": BASE | {"numerics"},
    "download": BASE,
    "corpora": BASE | {"cache", "media"},
    "remote": BASE | {"cache", "download"},
    "faces": BASE | {"cache", "download", "media"},
    "encoders": BASE | {"faces", "media"},
    "extract": BASE | {"cache", "encoders", "faces", "features", "media", "numerics", "remote"},
    "engines": BASE | {"cache", "encoders", "extract"},
    "importers": BASE | {"corpora", "encoders", "faces", "media", "numerics"},
    "doctor": BASE | {"cache", "encoders", "extract", "faces", "media"},
    # Training.
    "ledger": BASE,
    "features": BASE | {"cache", "numerics"},
    "protocols": BASE | {"corpora", "features"},
    "heads": BASE | {"features", "numerics"},
    "experiment": BASE
    | {"cache", "corpora", "features", "fusion", "heads", "media", "predictions", "protocols", "runs"},
    "crosscorpus": BASE | {"cache", "corpora", "experiment", "features", "protocols", "runs"},
    "finetune": BASE | {"corpora", "encoders", "features", "heads", "media", "predictions", "protocols", "runs"},
    # What heads say, and how sure it is.
    "predictions": BASE | {"numerics"},
    "calibrate": BASE | {"numerics", "predictions"},
    "stats": BASE | {"calibrate", "predictions"},
    "fusion": BASE | {"calibrate", "numerics", "predictions"},
    "scorefiles": BASE | {"corpora", "fusion", "importers", "media", "numerics", "predictions", "protocols", "runs"},
    "runs": BASE | {"calibrate", "fusion", "heads", "ledger", "predictions", "stats"},
    # Reading runs.
    "report": BASE
    | {
        "cache", "calibrate", "corpora", "demo", "explore", "fusion", "media", "predict", "predictions", "runs",
        "stats",
    },
    "splits": BASE | {"experiment", "identity", "ledger", "predictions", "protocols", "report", "runs", "stats"},
    "published": BASE
    | {
        "cache", "calibrate", "cards", "corpora", "encoders", "experiment", "extract", "faces", "features", "fusion",
        "heads", "media", "numerics", "predict", "predictions", "protocols", "remote", "runs",
    },
    # New recordings: predicted, shown.
    "predict": BASE | {"cache", "corpora", "encoders", "extract", "media", "predictions"},
    "address_audit": BASE
    | {"audit", "cache", "cards", "corpora", "identity", "published", "remote", "runs"},
    "api": BASE
    | {
        "address_audit", "audit", "cache", "corpora", "crosscorpus", "encoders", "engines", "experiment", "explore",
        "extract", "faces", "features", "fusion", "heads", "media", "numerics", "predictions", "remote", "report",
        "runs", "scorefiles", "stress",
    },
    "torch": BASE | {"api", "features"},
    "demo": BASE | {"corpora", "encoders", "heads", "media", "predict", "predictions", "published", "runs"},
    "identity": BASE | {"cache", "features", "heads", "numerics", "stats"},
    "explore": BASE | {"cache", "corpora", "features", "identity", "media", "numerics", "protocols"},
    "cards": BASE | {"cache", "corpora", "features", "identity"},
    "audit": BASE
    | {
        "cache", "calibrate", "corpora", "crosscorpus", "experiment", "explore", "features", "fusion", "heads",
        "identity", "ledger", "media", "numerics", "predictions", "protocols", "runs", "scorefiles", "splits", "stats",
    },
    "stress": BASE
    | {
        "cache", "extract", "heads", "media", "predictions", "published", "runs", "stats",
    },
    "sweep": BASE
    | {"cache", "experiment", "features", "heads", "predictions", "protocols", "report", "runs", "stats"},
    "importance": BASE
    | {"audit", "cache", "calibrate", "experiment", "features", "heads", "predictions", "protocols", "runs", "stats"},
    "reproduce": BASE
    | {
        "audit", "cache", "corpora", "encoders", "experiment", "extract", "faces", "finetune", "media", "report",
        "runs", "splits",
    },
}  # fmt: skip
"""What the modules of each package may import from the rest of ravfeat. The command line may import everything."""

OWNERS: dict[str, set[str]] = {
    "torch": {"encoders", "heads", "finetune", "resources", "torch"},
    "transformers": {"encoders"},
    "huggingface_hub": {"cards", "encoders", "doctor", "remote"},
    "fsspec": {"remote"},
    "h5py": {"cache"},
    "sklearn": {"explore", "protocols", "heads", "metrics"},
    "scipy": {"audit", "heads", "metrics", "stats", "calibrate", "fusion"},
    "safetensors": {"heads", "finetune", "published"},
    "tomli_w": {"heads", "published"},
    "threadpoolctl": {"explore", "heads"},
    "av": {"media"},
    "mediapipe": {"faces"},
    "PIL": {"demo", "encoders", "faces"},
    "onnxruntime": {"encoders"},
    "opensmile": {"encoders"},
    "soundfile": {"media"},
    "soxr": {"explore", "media"},
    "pyarrow": {
        "api",
        "cache",
        "clip_checks",
        "clips",
        "corpora",
        "explore",
        "extract",
        "manifest",
        "predict",
        "predictions",
        "texts",
    },
    "matplotlib": {"report", "splits", "sweep"},
    "gradio": {"demo"},
    "starlette": {"demo"},
    "jinja2": {"report"},
    "markupsafe": {"demo", "report"},
    "click": {"cli"},
    "ray": {"engines"},
    "submitit": {"engines"},
    "numpy": {"*"},
    "tqdm": {"progress"},
    "annotated_types": {"documents", "encoders", "published"},
    "pydantic": {"documents"},
    "pydantic_core": {"documents"},
    "typing_extensions": {"*"},
}
"""Whose code may import a third-party package; nothing else may be imported at all."""


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    return [*module.split("."), ""][1]


@dataclass(frozen=True)
class Facts:
    """What a module is asked about; trees of all modules would slow every collection of garbage after them.

    Attributes
    ----------
    imports : frozenset of str
        Every module that it imports, wherever in it; names that exist only for type checkers too.
    calls, raised : frozenset of str
    methods : tuple of frozenset of str
        Of each class.
    documented : bool
    """

    imports: frozenset[str]
    calls: frozenset[str]
    raised: frozenset[str]
    methods: tuple[frozenset[str], ...]
    documented: bool


@cache
def facts_of(path: Path) -> Facts:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    raised = (node.exc for node in nodes if isinstance(node, ast.Raise))
    return Facts(
        frozenset(_imports(path, nodes)),
        frozenset(ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)),
        frozenset(ast.unparse(what) for what in raised if what is not None),
        tuple(frozenset(line.name for line in node.body if isinstance(line, ast.FunctionDef)) for node in classes),
        bool(ast.get_docstring(tree)),
    )


def _imports(path: Path, nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)


def imports(path: Path) -> frozenset[str]:
    return facts_of(path).imports


def own_imports(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] == "ravfeat"}


def test_a_module_imports_only_what_its_package_may() -> None:
    def forbidden(path: Path) -> list[str]:
        package = package_of(name_of(path))
        if package in {"", "cli"}:  # ravfeat/__init__.py re-exports
            return []
        # "" is ravfeat itself, for its version.
        return sorted({package_of(name) for name in own_imports(path)} - {package, ""} - ALLOWED[package])

    assert {name_of(path): names for path in MODULES if (names := forbidden(path))} == {}


def test_no_permission_is_idle() -> None:
    used: dict[str, set[str]] = {package: set() for package in ALLOWED}
    for path in MODULES:
        package = package_of(name_of(path))
        used.get(package, set()).update(package_of(name) for name in own_imports(path))
    idle = {package: sorted(ALLOWED[package] - BASE - used[package]) for package in ALLOWED}
    assert not {package: names for package, names in idle.items() if names}


def test_the_permissions_hold_no_circle() -> None:
    list(TopologicalSorter(ALLOWED).static_order())  # raises CycleError, naming the circle


def test_every_package_has_its_permissions_and_few_modules_are_loose() -> None:
    packages = {package_of(name_of(path)) for path in MODULES} - {"", "cli"}
    assert packages == set(ALLOWED)
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == BASE


def test_every_third_party_package_has_its_owner() -> None:
    def not_its_own(path: Path) -> list[str]:
        room = package_of(name_of(path))
        packages = {name.split(".")[0] for name in imports(path)} - {"ravfeat"} - sys.stdlib_module_names
        return sorted(package for package in packages if not OWNERS.get(package, set()) & {room, "*"})

    assert {name_of(path): packages for path in MODULES if (packages := not_its_own(path))} == {}


def test_only_the_server_of_the_page_needs_gradio_and_reports_take_the_page_alone() -> None:
    server = ("gradio", "starlette")
    importers = {name_of(path) for path in MODULES for name in imports(path) if name.startswith(server)}
    assert importers == {"ravfeat.demo.app"}
    taken = {name for path in MODULES if package_of(name_of(path)) == "report" for name in own_imports(path)}
    assert not [name for name in taken if name.startswith("ravfeat.demo") and not name.startswith("ravfeat.demo.page")]
    page = [path for path in MODULES if name_of(path).startswith("ravfeat.demo.page")]
    allowed = (
        "ravfeat.demo.page", "ravfeat.escape", "ravfeat.predict", "ravfeat.predictions", "ravfeat.schema",
        "ravfeat.short_repr",
    )  # fmt: skip
    assert not [name for path in page for name in own_imports(path) if not name.startswith(allowed)]


@pytest.mark.parametrize("package", sorted(ALLOWED.keys() - BASE))
def test_modules_of_a_package_import_each_other_without_a_circle(package) -> None:
    modules = [path for path in MODULES if package_of(name_of(path)) == package and path.name != "__init__.py"]
    names = {name_of(path) for path in modules}
    list(TopologicalSorter({name_of(path): own_imports(path) & names for path in modules}).static_order())


def test_an_encoder_is_imported_by_those_who_choose_one_and_by_no_other_encoder() -> None:
    def defines_encoder(path: Path) -> bool:
        return path.stem != "base" and any(names >= {"prepare", "encode"} for names in facts_of(path).methods)

    folder = PACKAGE / "encoders"
    encoders = {name_of(path) for path in folder.glob("*.py") if defines_encoder(path)}
    assert len(encoders) >= 6
    importers = {name_of(path) for path in folder.glob("*.py") if own_imports(path) & encoders}
    assert importers <= {"ravfeat.encoders.registry", "ravfeat.encoders.speech"}


def test_only_the_command_line_prints_or_exits() -> None:
    ends = {"print", "sys.exit", "exit", "quit", "os._exit", "sys.stdout.write", "sys.stderr.write"}

    def said(path: Path) -> list[str]:
        facts = facts_of(path)
        return [*facts.calls & ends, *(text for text in facts.raised if text.startswith("SystemExit"))]

    others = [path for path in MODULES if package_of(name_of(path)) != "cli"]
    assert {name_of(path): words for path in others if (words := said(path))} == {}


def test_heads_and_metrics_see_arrays_and_never_caches_or_folds() -> None:
    unseen = {"cache", "manifest", "folds", "protocols", "corpora"}
    rooms = [path for path in MODULES if package_of(name_of(path)) in {"heads", "metrics"}]
    seen = {name_of(path): {package_of(name) for name in own_imports(path)} & unseen for path in rooms}
    assert {name: packages for name, packages in seen.items() if packages} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [name_of(path) for path in MODULES if not facts_of(path).documented]
    assert not silent


# --- what is loaded when


HEAVY = (
    "torch",
    "transformers",
    "h5py",
    "mediapipe",
    "sklearn",
    "pyarrow",
    "numpy",
    "av",
    "matplotlib",
    "tqdm",
    "fsspec",
    "huggingface_hub",
    "ray",
    "submitit",
    "s3fs",
)


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(chr(10).join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


RUN = "import click.testing; from ravfeat.cli import group; click.testing.CliRunner().invoke(group, {})"


@pytest.mark.parametrize(
    "code",
    [
        "import ravfeat; ravfeat.__version__",
        "import ravfeat.cli",
        *(
            RUN.format([*command, "--help"])
            for command in (
                [],
                ["extract"],
                ["fit-heads"],
                ["doctor"],
                ["fine-tune"],
                ["compare-splits"],
                ["explore"],
                ["audit"],
                ["fuse"],
                ["export-heads"],
                ["report"],
                ["cache", "ls"],
                ["cache", "import"],
            )
        ),
    ],
)
def test_importing_and_asking_for_help_load_nothing_heavy(code) -> None:
    loaded = loaded_after(code)
    assert "ravfeat" in loaded
    assert not loaded & set(HEAVY)


def test_asking_for_help_loads_no_more_than_the_shell_needs() -> None:
    bare = loaded_after("import click, logging, importlib.metadata")
    with_help = loaded_after("import sys; sys.argv = ['ravfeat', '--version']\nimport ravfeat.cli")
    assert len(with_help - bare) < 20, sorted(with_help - bare)


def test_a_cache_is_read_without_torch(whole_cache) -> None:
    code = f"import ravfeat; cache = ravfeat.open_cache({str(whole_cache)!r}); cache[cache.clip_ids[0]]; cache.manifest"
    loaded = loaded_after(code)
    assert "h5py" in loaded
    assert not loaded & {"torch", "transformers", "sklearn", "av", "soundfile", "click", "matplotlib"}
    assert not loaded & {"fsspec", "huggingface_hub"}


def test_the_public_names_are_these_and_all_exist() -> None:
    assert ravfeat.__all__ == [
        "Cache", "Clip", "Manifest", "PublishedHead", "RavfeatError", "Run", "__version__", "audit", "explore",
        "extract", "fit_heads", "fuse", "load_head", "open_cache", "open_run", "report", "stress", "verify_cache",
    ]  # fmt: skip
    assert all(getattr(ravfeat, name) is not None for name in ravfeat.__all__)
    assert dir(ravfeat) == sorted(ravfeat.__all__)
    with pytest.raises(AttributeError, match="module 'ravfeat' has no attribute 'tensorflow'"):
        _ = ravfeat.tensorflow
