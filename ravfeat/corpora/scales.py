"""Tell labels that are points of a scale (valence 2.75, arousal 63) from classes: ravfeat trains classifiers only."""

from collections.abc import Collection, Iterable

from ravfeat.errors import CorpusError

__all__ = ["check_no_scale", "scale_of"]

_FEW = 2
_MANY = 30
"""Whole numbers may be the names of classes, but hardly of more."""


def scale_of(labels: Iterable[str], as_written: Collection[str] = ()) -> str:
    """Say in one sentence that labels look like a scale; empty where they do not.

    They do where all are numbers, and more than two different ones with some that are not whole, or more than thirty.

    Parameters
    ----------
    labels : iterable of str
    as_written : collection of str
        Labels that are meant as they are written.

    Examples
    --------
    >>> scale_of(["1.5", "2.25", "3"])
    'the labels are 3 different numbers, from 1.5 to 3: classification only; map it to classes with --label-map'
    >>> scale_of(["1", "2", "3"]), scale_of(["1.5", "sad"])
    ('', '')
    """
    different = set(labels)
    if len(different) <= _FEW or different & {*as_written}:
        return ""
    try:
        numbers = sorted(float(label) for label in different)
    except ValueError:
        return ""
    if len(numbers) <= _MANY and all(number.is_integer() for number in numbers):
        return ""
    return (
        f"the labels are {len(numbers)} different numbers, from {numbers[0]:g} to {numbers[-1]:g}: classification only;"
        " map it to classes with --label-map"
    )


def check_no_scale(where: str, labels: Iterable[str], as_written: Collection[str] = ()) -> None:
    """Refuse to train on labels that look like a scale.

    Raises
    ------
    CorpusError
    """
    if scale := scale_of(labels, as_written):
        raise CorpusError(f"{where}: {scale} (a table of label and class; if they are classes: --as-written LABEL)")
