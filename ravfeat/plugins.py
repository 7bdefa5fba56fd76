"""Load a user's own code by name: ``path.py:NAME``, ``package.module:NAME``, or an entry point of a package.

Loading runs that code. So it happens on a user's word alone, given on the command line or to a Python function: never
because a recipe, a published head, a cache or anything else that was downloaded names it.
"""

import ast
import hashlib
import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from ravfeat.errors import PluginError, RavfeatError, UsageError
from ravfeat.escape import printable
from ravfeat.files import read_limited
from ravfeat.resources import is_out_of_memory

__all__ = ["Brought", "installed", "is_reference", "load_installed", "load_reference", "running_brought"]

_MAX_SOURCE_BYTES = 4 << 20
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_RUNS = count(1)
_FILE = re.compile(r"(?P<file>.*\.py)(?::(?P<name>.*))?", re.DOTALL)


@dataclass(frozen=True)
class Brought:
    """What a reference names, and what it was loaded from.

    Attributes
    ----------
    value : object
    reference : str
        As it was given.
    source_sha256 : str
        Of the file; of a module, over all ``.py`` files of the package that it belongs to.
    versions : mapping
        Of the installed packages that the file or module imports.
    source : bytes
        Of a file; empty for a module.
    """

    value: Any
    reference: str
    source_sha256: str
    versions: Mapping[str, str]
    source: bytes = field(default=b"", repr=False)

    def anew(self) -> Any:
        """Give what the name means in a file that is run once more, from the same bytes: with nothing left in it.

        Of a module it is the same object again: a module is run once in a process.

        Raises
        ------
        PluginError
            Where the file fails this time.
        """
        if not self.source:
            return self.value
        path, name = _split(self.reference)
        module = _run(self.source, path, f"ravfeat_brought_{next(_RUNS)}", self.reference)
        del sys.modules[module.__name__]  # it lives as long as what was made by it
        return _named(module, name, self.reference, self.source)


def is_reference(text: str) -> bool:
    """Whether a text names code: ``path.py:NAME`` or ``package.module:NAME``; nothing is loaded.

    Examples
    --------
    >>> is_reference("heads/mine.py:SVC"), is_reference("sklearn.svm:SVC"), is_reference("logreg")
    (True, True, False)
    """
    module, _, name = text.rpartition(":")
    if _FILE.fullmatch(text):
        return True
    if not _is_dotted(module) or not _is_dotted(name):
        return False
    # A module without a package looks like a stream with the name of a head; so it has to be there.
    return "." in module or _is_there(module)


def load_reference(text: str) -> Brought:
    """Load what a reference names, which runs the file or module.

    A file is run once in a process as long as its content remains the same. It stands alone: what lies beside it cannot
    be imported, for its digest says nothing of that.

    Raises
    ------
    UsageError
        Where there is no such file or module, or no such name in it.
    PluginError
        Where the file or module fails while it is run.
    """
    of_file = b""
    if _FILE.fullmatch(text):
        path, name = _split(text)
        module, digest, source = _run_file(path, text)
        of_file = source
    else:
        module_name, _, name = text.rpartition(":")
        if not (_is_dotted(module_name) and _is_dotted(name)):
            raise UsageError(f"'{printable(text)}' names no code: expected path.py:NAME or package.module:NAME")
        module = _import(module_name, text)
        digest, source = _package_digest(module), _source_of(module)
    return Brought(_named(module, name, text, source), text, digest, _versions(module, source), of_file)


def installed(group: str) -> Mapping[str, metadata.EntryPoint]:
    """Find what installed packages bring under a group of entry points, by name; nothing is loaded.

    Parameters
    ----------
    group : str
        ``ravfeat.heads``, ``ravfeat.encoders`` or ``ravfeat.corpora``.

    Raises
    ------
    UsageError
        Where two packages bring different things under one name.
    """
    brought: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=group):
        other = brought.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(
                f"two installed packages bring '{printable(point.name)}' under {group}: {printable(other.value)} and"
                f" {printable(point.value)}; uninstall one, or name the code itself"
            )
    return dict(sorted(brought.items()))


def load_installed(group: str, name: str) -> Brought:
    """Load what an installed package brings under a name.

    Raises
    ------
    UsageError
        Where none brings it, or the package has no such name.
    PluginError
        Where its module fails while it is run.
    """
    points = installed(group)
    if name not in points:
        raise UsageError(
            f"no installed package brings '{printable(name)}' under {group}; there are: {', '.join(points) or 'none'}"
        )
    return load_reference(f"{points[name].module}:{points[name].attr}")


@contextmanager
def running_brought(reference: str, doing: str) -> Iterator[None]:
    """Turn whatever brought code raises into one message: its kind, its text, its file and line.

    Parameters
    ----------
    reference : str
    doing : str
        What it does, such as ``fitting``.

    Raises
    ------
    PluginError
        With the original as its cause. Errors of ravfeat and those that say that memory ran out pass as they are.
    """
    try:
        yield
    except RavfeatError:
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        raise PluginError(f"'{printable(reference)}' failed while {doing}: {_last_line(error)}") from error


def _split(reference: str) -> tuple[Path, str]:
    """Split the reference of a file into its path and the name in it."""
    match = _FILE.fullmatch(reference)
    return (Path(match["file"]), match["name"] or "") if match else (Path(), "")


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # of __main__
        return False


def _run_file(path: Path, reference: str) -> tuple[ModuleType, str, bytes]:
    """Run a file as a module of its own, from the bytes whose digest is recorded."""
    remedy = "give the path of a Python file and a name in it: path.py:NAME"
    source = read_limited(path, _MAX_SOURCE_BYTES, UsageError, remedy)
    digest = hashlib.sha256(source).hexdigest()
    place = hashlib.sha256(f"{path.resolve()}\0{digest}".encode()).hexdigest()
    name = f"ravfeat_brought_{place[:16]}"
    if name in sys.modules:
        return sys.modules[name], digest, source
    return _run(source, path, name, reference), digest, source


def _run(source: bytes, path: Path, name: str, reference: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look their module up while they are made
    try:
        with running_brought(reference, "being loaded"):
            exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import(name: str, reference: str) -> ModuleType:
    with running_brought(reference, "being loaded"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # it is there, and imports what is not
            raise UsageError(
                f"'{printable(reference)}': there is no module '{printable(error.name)}' in this Python; install its"
                " package, or give a file: path.py:NAME"
            ) from error


def _source_of(module: ModuleType) -> bytes:
    path = Path(getattr(module, "__file__", None) or "")
    return path.read_bytes() if path.suffix == ".py" else b""


def _package_digest(module: ModuleType) -> str:
    """Hash the sources of the whole package: what a module does is also written in its neighbours."""
    top = sys.modules[module.__name__.partition(".")[0]]
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    files = {file.relative_to(folder).as_posix(): file for folder in folders for file in folder.rglob("*.py")}
    if not folders and (single := getattr(top, "__file__", None)):
        files = {Path(single).name: Path(single)}
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n" for name, file in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _named(module: ModuleType, name: str, reference: str, source: bytes) -> Any:
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, None) if part.isidentifier() else None
        if value is None:
            there = [node.name for node in _parsed(source).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
            shown = ", ".join(there[:8]) or "no class and no function"
            raise UsageError(
                f"'{printable(reference)}': expected FILE.py:NAME or MODULE:NAME, and there is no '{printable(name)}'"
                f" in {printable(str(module.__file__ or module.__name__))}, which defines {shown}"
            )
    return value


def _versions(module: ModuleType, source: bytes) -> dict[str, str]:
    """Versions of the installed packages that a source names in its imports, and of its own."""
    nodes = list(ast.walk(_parsed(source)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    tops = {name.partition(".")[0] for name in (*names, module.__name__)} - sys.stdlib_module_names
    packages = _distributions(tuple(sys.path)) if tops else {}
    found = {package for top in tops for package in packages.get(top, ())}
    return {package: metadata.version(package) for package in sorted(found)}


@cache
def _distributions(path: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Find which package brings which module; it reads the files of all that is installed on the path."""
    return metadata.packages_distributions()


def _parsed(source: bytes) -> ast.Module:
    return ast.parse(source)


def _last_line(error: BaseException) -> str:
    """Kind and text of an error, and the file and line where brought code raised it, or called what did."""
    kind = printable(" ".join("".join(traceback.format_exception_only(error)).split("\n")[-2].split()))
    if isinstance(error, SyntaxError) and error.filename:
        return f"{kind} ({printable(str(error.filename))}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)] or frames
    return kind if not own else f"{kind} ({printable(own[-1].filename)}, line {own[-1].lineno})"


def _is_ours(filename: str) -> bool:
    # Between our call and brought code lie frames of this package and of Python's import system.
    return filename.startswith(("<frozen", str(Path(__file__).parent)))
