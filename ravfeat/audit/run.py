"""The audit of a run: every attempt to break its number, one after the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ravfeat.audit.baseline import apart_of, cheap_of
from ravfeat.audit.clip_split import check_clip_split
from ravfeat.audit.context import Opened, open_run
from ravfeat.audit.encoders import check_encoders
from ravfeat.audit.features import Features
from ravfeat.audit.files import check_files
from ravfeat.audit.folds import check_leaky, check_sides, name_of
from ravfeat.audit.identity import check_identity
from ravfeat.audit.labels import check_labels, check_left_out
from ravfeat.audit.per_actor import check_per_actor, check_transductive
from ravfeat.audit.permuted import check_permuted
from ravfeat.audit.plan_check import check_plan
from ravfeat.audit.record import Audit, digests
from ravfeat.audit.refit_calibration import check_temperatures, check_weights
from ravfeat.audit.retraining import check_retrained
from ravfeat.audit.rows import check_against_folds, check_rows
from ravfeat.audit.saved_heads import check_saved_heads
from ravfeat.audit.sentences import check_sentences
from ravfeat.audit.verdicts import Line, not_possible
from ravfeat.errors import RavfeatError
from ravfeat.experiment.fit import PreparedPlan

__all__ = ["audit_run"]

_OF_RUN: tuple[tuple[str, Callable[[Opened], list[Line]]], ...] = (
    ("plan as recorded", check_plan),
    ("protocol keeps actors apart", check_leaky),
    ("folds from the shards", check_sides),
    ("predictions keep sides apart", check_rows),
    ("predictions follow the folds", check_against_folds),
    ("labels are those of the corpus", check_labels),
    ("no clip left out", check_left_out),
    ("files belong together", check_files),
    ("temperatures from val rows", check_temperatures),
    ("fusion weights from val rows", check_weights),
    ("encoder has met the actors", check_encoders),
    ("nothing transductive", check_transductive),
)
_OF_SYSTEM = (
    "saved heads give the test rows",
    "trained again",
    "labels permuted",
    "identity probe",
    "gain of a clip split",
    "per-actor normalisation",
    "held-out sentence",
)


def audit_run(
    path: Path,
    *,
    caches: Sequence[Path] = (),
    device: str = "cpu",
    quick: bool = False,
    without_caches: bool = False,
) -> Audit:
    """Try to break the number of a run.

    Parameters
    ----------
    path : Path
        A run's folder.
    caches : sequence of Path
        Where its caches lie now, or folders that hold them.
    device : str
        Where heads are trained and read.
    quick : bool
        Do not train the run's heads again.
    without_caches : bool
        Go on where a cache is gone: what needs it is not possible.

    Raises
    ------
    PredictionsError
        Where there is no run.
    CacheError
        Where a cache is gone, or one that is given is none of the run's.
    """
    opened = open_run(path, caches, device=device, without_caches=without_caches)
    parts = () if opened.prepared is None else opened.prepared.by_system()
    lines = [place.line for place in opened.places]
    with tqdm(total=len(_OF_RUN) + len(_OF_SYSTEM) * len(parts), unit="check", disable=None) as bar:
        for name, check in _OF_RUN:
            bar.set_description(name)
            lines += _tried(name, "", lambda check=check: check(opened))  # type: ignore[misc]
            bar.update()
        for part in parts:
            lines += _of_system(opened, part, bar, quick=quick)
        if opened.prepared is None:
            lines += [not_possible(name, "", opened.why) for name in _OF_SYSTEM]
    return Audit(path, tuple(lines), quick, digests(path))


def _of_system(opened: Opened, part: PreparedPlan, bar: "tqdm[Any]", *, quick: bool) -> list[Line]:
    """Try what needs the features of one system."""
    load, subject = Features(), name_of(part.systems[0])

    def retrained() -> list[Line]:
        if quick:
            return [not_possible("trained again", subject, _left_out(part))]
        return check_retrained(opened, part, load)

    lines = []
    heads: list[Callable[[], list[Line]]] = [lambda: check_saved_heads(opened, part, load), retrained]
    for name, check in zip(_OF_SYSTEM[:2], heads, strict=True):
        bar.set_description(f"{subject}: {name}")
        lines += _tried(name, subject, check)
        bar.update()
    load.keep_statistics()
    try:
        cheap = cheap_of(part, part.systems[0], load)
        apart = apart_of(cheap, part)
    except RavfeatError as error:
        bar.update(len(_OF_SYSTEM[2:]))
        return lines + [not_possible(name, subject, error) for name in _OF_SYSTEM[2:]]
    asked: list[Callable[[], list[Line]]] = [
        lambda: check_permuted(cheap, subject),
        lambda: check_identity(cheap, subject),
        lambda: check_clip_split(cheap, apart, subject),
        lambda: check_per_actor(cheap, apart, subject),
        lambda: check_sentences(cheap, apart, subject),
    ]
    for name, check in zip(_OF_SYSTEM[2:], asked, strict=True):
        bar.set_description(f"{subject}: {name}")
        lines += _tried(name, subject, check)
        bar.update()
    return lines


def _left_out(part: PreparedPlan) -> str:
    nested = "; nested val rows were not checked: the heads that said them are not kept"
    return f"left out by --quick{nested if part.select == 'nested' else ''}"


def _tried(name: str, subject: str, check: Callable[[], list[Line]]) -> list[Line]:
    try:
        return check()
    except RavfeatError as error:
        return [not_possible(name, subject, error)]
