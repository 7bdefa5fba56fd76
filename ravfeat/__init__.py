"""ravfeat: encode a corpus once, train small emotion heads in seconds, score them on actors they never met.

What is public:

========================================================  ==================================================
`extract`, `fit_heads`, `fuse`, `audit`, `report`          what the commands do, with their options as keywords
`explore`                                                 one page about a corpus, before any head is trained
`stress`                                                  a run's heads on changed test recordings
`open_cache`, `Cache`, `verify_cache`                      features: a mapping, a table, arrays
`open_run`, `Run`                                          a finished run: predictions, metrics, folds, heads
`load_head`, `PublishedHead`                               heads that somebody published, for new recordings
`Manifest`, `Clip`                                         which clips there are
`RavfeatError`                                             every error that is raised on purpose
``ravfeat.torch``                                          a cache as a torch Dataset
========================================================  ==================================================

Other modules are the rooms inside. Importing this loads neither torch nor h5py; names are resolved when they are used.

Examples
--------
>>> import ravfeat
>>> cache = ravfeat.open_cache("cache")  # doctest: +SKIP
>>> frames = cache["03-01-06-01-02-01-12"]  # (T, L, D)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ravfeat.api.audit import audit
    from ravfeat.api.cache import Cache, open_cache
    from ravfeat.api.explore import explore
    from ravfeat.api.extract import extract
    from ravfeat.api.fit_heads import fit_heads
    from ravfeat.api.fuse import fuse
    from ravfeat.api.report import report
    from ravfeat.api.run import Run, open_run
    from ravfeat.api.stress import stress
    from ravfeat.cache import verify_cache
    from ravfeat.errors import RavfeatError
    from ravfeat.manifest import Clip, Manifest
    from ravfeat.published import PublishedHead, load_head

    __version__: str

__all__ = [
    "Cache",
    "Clip",
    "Manifest",
    "PublishedHead",
    "RavfeatError",
    "Run",
    "__version__",
    "audit",
    "explore",
    "extract",
    "fit_heads",
    "fuse",
    "load_head",
    "open_cache",
    "open_run",
    "report",
    "stress",
    "verify_cache",
]

_HOMES = {
    "Cache": "ravfeat.api.cache",
    "Clip": "ravfeat.manifest",
    "Manifest": "ravfeat.manifest",
    "PublishedHead": "ravfeat.published",
    "RavfeatError": "ravfeat.errors",
    "Run": "ravfeat.api.run",
    "fit_heads": "ravfeat.api.fit_heads",
    "fuse": "ravfeat.api.fuse",
    "load_head": "ravfeat.published",
    "open_cache": "ravfeat.api.cache",
    "open_run": "ravfeat.api.run",
    "verify_cache": "ravfeat.cache",
}

_CALLABLE = ("audit", "explore", "extract", "report", "stress")
"""Packages that are functions as well; see `ravfeat.callable_module`."""


def _version() -> str:
    # Looking into installed packages is half of what an import would take.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ravfeat")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return globals().setdefault(name, _version())
    if name in _CALLABLE:
        return import_module(f"ravfeat.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ravfeat' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
