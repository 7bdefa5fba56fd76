"""Remember beside and in a cache what the data that were given last say of its clips."""

from ravfeat.api.observer import Observer
from ravfeat.cache.format import MANIFEST_FILE
from ravfeat.cache.manifest import read_planned
from ravfeat.cache.update_columns import changed_columns, update_columns
from ravfeat.corpora.last_table import record_absent
from ravfeat.errors import listed
from ravfeat.extract import ExtractResult
from ravfeat.manifest import Manifest

__all__ = ["remember_given"]


def remember_given(result: ExtractResult, given: Manifest, observer: Observer, *, divided: bool = False) -> None:
    """Write down which clips of a cache were not given, and what the data say of the others now.

    Parameters
    ----------
    result : ExtractResult
    given : Manifest
    observer : Observer
        Hears which further columns are other ones than before.
    divided : bool
        Whether other processes write the same cache: then nothing is changed in it.
    """
    if not result.address:
        record_absent(result.path, given.by_id())
    if result.address or divided:
        planned = read_planned(result.path / MANIFEST_FILE).manifest
        if update := changed_columns(planned, given):
            advice = "run the same extraction once more without --num-shards" if divided else "choose another --out"
            observer.warning(
                f"{result.address or result.path} does not hold what the data say of {len(update.clips)} clips now"
                f" ({listed(update.names)}): {advice}"
            )
    elif update := update_columns(result.path, given):
        observer.columns(result.path, update.names, len(update.clips))
