"""``ravfeat.audit``: try to break the numbers of finished runs; as the command."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import overload

from typing_extensions import TypedDict

from ravfeat.address_audit.run import audit_published, is_published
from ravfeat.api.arguments import AnyPath, Many, as_names, as_paths, as_place, checked
from ravfeat.api.observer import Observer
from ravfeat.audit import Audit, audit_run, write_audit
from ravfeat.encoders.device import resolve_device
from ravfeat.errors import UsageError
from ravfeat.progress import Progress, shown_progress

__all__ = ["audit"]


class _Options(TypedDict):
    device: str
    quick: bool
    without_caches: bool


@overload
def audit(  # type: ignore[overload-overlap]  # a text is a list of texts, too
    runs: AnyPath,
    *,
    caches: Many[AnyPath] = ...,
    heads: Many[str] = ...,
    data: Many[AnyPath] = ...,
    quick: bool = ...,
    without_caches: bool = ...,
    device: str = ...,
    progress: Progress = ...,
    observer: Observer | None = ...,
) -> Audit: ...


@overload
def audit(
    runs: Iterable[AnyPath],
    *,
    caches: Many[AnyPath] = ...,
    heads: Many[str] = ...,
    data: Many[AnyPath] = ...,
    quick: bool = ...,
    without_caches: bool = ...,
    device: str = ...,
    progress: Progress = ...,
    observer: Observer | None = ...,
) -> list[Audit]: ...


def audit(
    runs: Many[AnyPath],
    *,
    caches: Many[AnyPath] = (),
    heads: Many[str] = (),
    data: Many[AnyPath] = (),
    quick: bool = False,
    without_caches: bool = False,
    device: str = "cpu",
    progress: Progress = None,
    observer: Observer | None = None,
) -> Audit | list[Audit]:
    """Try to break the numbers of finished runs, and write what was found beside them; look at what is published.

    What ``ravfeat audit`` does, with its options as keywords; ``ravfeat audit --help`` says what each is.

    Parameters
    ----------
    runs : path, or several
        Folders of runs, or what `ravfeat.open_run` gave; addresses or folders of published caches and heads, of which
        nothing is written.
    caches : path, or several
        Caches of the runs that were moved.
    heads : str, or several
        References to the code of the runs' own heads, which is run: ``"mine.py:SVC"``.
    data : path, or several
        Where the recordings lie, to compare their sound, too; else ``.`` and ``data/CORPUS``.
    progress : bool or callable, optional
        See `ravfeat.progress.shown_progress`.
    observer : Observer, optional
        Hears what happens, see `ravfeat.api.observer`.

    Returns
    -------
    Audit or list of Audit
        One for one run, a list for several; look at ``outcome``, ``shortfalls`` and ``trust``.

    Raises
    ------
    RavfeatError
        Where a run cannot be audited. A broken one is no error.

    Examples
    --------
    >>> ravfeat.audit("runs/a").summary  # doctest: +SKIP
    'held: 16 checks found no leak and no edit'
    """
    observer = observer or Observer()
    checked("audit", _Options, device=device, quick=quick, without_caches=without_caches)
    several = [runs] if isinstance(runs, str | PathLike) else list(runs)
    if not (places := [as_place("runs", place) for place in several]):
        raise UsageError("expected at least one run, got none")
    moved, references, recordings = as_paths("caches", caches), as_names("heads", heads), as_paths("data", data)
    audits = []
    with shown_progress(progress):
        for place in places:
            started = perf_counter()
            if is_published(place):
                found, path = audit_published(place, quick=quick), None
            else:
                found = audit_run(
                    Path(place), caches=moved, device=resolve_device(device), quick=quick,
                    without_caches=without_caches, heads=references, data=recordings,
                )  # fmt: skip
                path = write_audit(found)
            observer.audited(found, path, perf_counter() - started)
            audits.append(found)
    return audits[0] if isinstance(runs, str | PathLike) else audits
