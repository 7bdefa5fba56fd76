"""Groups of clips that a score can be looked at by: gender, intensity, and what else a table says of few values."""

from collections.abc import Iterable, Mapping

from ravfeat.corpora.columns import KnownClip, clip_columns
from ravfeat.corpora.ravdess import parse_stem
from ravfeat.corpora.tables import cell_text
from ravfeat.schema import MAX_GROUPS

__all__ = ["group_columns", "named_groups"]

_OTHER = ("clip_id", "performance", "actor", "label", "duration_s")
"""Columns that are no groups: each has a section of its own in a report, or is another for every clip."""


def group_columns(clips: Iterable[KnownClip]) -> dict[str, dict[str, str]]:
    """Give the columns that put clips into 2 to `MAX_GROUPS` groups.

    Parameters
    ----------
    clips : iterable of KnownClip

    Returns
    -------
    dict of str to dict of str to str
        By column, the value of every clip of which it is known; by ``clip_id``.
    """
    table = clip_columns({clip.clip_id: clip for clip in clips}.values())
    names = table["clip_id"].to_pylist()
    columns: dict[str, dict[str, str]] = {}
    for column in table.column_names:
        if column in _OTHER:
            continue
        values = zip(names, table[column].to_pylist(), strict=True)
        known = {name: cell_text(value) for name, value in values if value is not None}
        if 2 <= len(set(known.values())) <= MAX_GROUPS:
            columns[column] = known
    return columns


def named_groups(clip_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """Give the columns that RAVDESS names tell, for runs that do not say more; empty where a name is none.

    Examples
    --------
    >>> sorted(named_groups(["03-01-03-01-01-01-01", "03-01-03-02-02-01-02"]))
    ['gender', 'intensity', 'statement']
    """
    clips = [parse_stem(clip_id) for clip_id in clip_ids]
    known: Mapping[str, dict[str, str]] = group_columns(clip for clip in clips if clip is not None)
    return dict(known) if all(clips) else {}
