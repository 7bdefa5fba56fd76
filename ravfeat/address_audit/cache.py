"""Audit a published cache: digests, clips, card, what it tells about people, its encoder, its terms."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ravfeat.address_audit.lines import CARD, FILES, address_of, card_line, said_otherwise, terms_line
from ravfeat.audit import Audit, Line
from ravfeat.audit.encoders import look_up_encoder
from ravfeat.audit.recordings import check_inputs
from ravfeat.audit.trust import trust_line
from ravfeat.audit.verdicts import edited, info, left_out, not_possible, pass_, warn
from ravfeat.cache import Cache, open_cache
from ravfeat.cache.verify import verify_cache
from ravfeat.cards.cache_card import card_claims
from ravfeat.errors import CacheError, RavfeatError
from ravfeat.files import passing_folder
from ravfeat.identity.sample import probe_cache
from ravfeat.progress import ProgressBar
from ravfeat.remote.base import DamagedError, Store
from ravfeat.remote.card import read_card
from ravfeat.remote.pull import pull_whole
from ravfeat.remote.reading import open_mirror
from ravfeat.remote.store import is_remote
from ravfeat.runs.outcome import MADE_BY
from ravfeat.runs.trust import Trust, encoded_source

__all__ = ["audit_cache"]

_CLIPS, _PROBE = "no clip missing", "identity probe"
_CORE = (MADE_BY, FILES)
_MISSING = "is missing ("  # how `verify` says that a clip of the manifest is not stored
_PROBED = re.compile(r"names the actor of (\d\.\d{3}) \[")
_TOLERANCE = 0.02  # of one probe on two machines: a clip of fifty named otherwise


def audit_cache(store: Store, place: str, *, quick: bool) -> Audit:
    """Audit a cache.

    Parameters
    ----------
    store : Store
    place : str
        As it was given.
    quick : bool
        Read the tables alone, not the features.

    Raises
    ------
    RemoteError
        Where it cannot be reached, or there is no room for it while it is read.
    """
    try:
        with _opened(store, place, quick=quick) as (cache, whole):
            lines, trust = _lines(cache, whole, store, place)
    except (CacheError, DamagedError) as error:
        # Nothing of a cache whose tables or shards are damaged is believed.
        lines, trust = [edited(FILES, "", str(error))], Trust(())
    return Audit(place, tuple(lines), quick, {}, trust, _CORE)


@contextmanager
def _opened(store: Store, place: str, *, quick: bool) -> Iterator[tuple[Cache, bool]]:
    """Open a cache, and say whether its features may be read.

    Of an address all is fetched anew, whatever was kept of it before, and deleted again.
    """
    if not is_remote(place):
        yield open_cache(place), not quick
        return
    with passing_folder("audits") as folder:
        cache, mirror = open_mirror(store, folder / "blocks")
        yield cache if quick else open_cache(pull_whole(cache, mirror, folder / "cache").path), not quick


def _lines(cache: Cache, whole: bool, store: Store, place: str) -> tuple[list[Line], Trust]:  # noqa: FBT001
    card = read_card(store)
    text = card.decode("utf-8", "replace")
    corpus, synthetic = str(cache.about["corpus"]), bool(cache.about["synthetic"])
    name, address = f"{cache.about['stream']} {cache.about['encoder']}", address_of(store, place, cache.path)
    trust = Trust((encoded_source(name, cache.identity, {"address": address} if address else {}, cache.source),))
    steps: list[Callable[[], list[Line]]] = [
        lambda: [trust_line(trust, "; that is what the cache says of itself")],
        lambda: _verified(cache, whole=whole),
        lambda: check_inputs(cache) if whole else [],
        lambda: [card_line(*said_otherwise(text, card_claims(cache)), "the cache")],
        lambda: _probed(cache, text, whole=whole),
        lambda: [look_up_encoder(str(cache.about["encoder"]), corpus, str(cache.identity["weights"]), _names(cache))],
        lambda: [terms_line(corpus, card, "features", synthetic=synthetic)],
    ]
    lines = []
    with ProgressBar(total=len(steps), unit="check") as bar:
        for step in steps:
            lines += step()
            bar.update()
    return lines, trust


def _verified(cache: Cache, *, whole: bool) -> list[Line]:
    if not whole:
        return [left_out(FILES, "", "features, digests and clips of the shards")]
    problems = verify_cache(cache.path)
    missing = [problem for problem in problems if problem.description.startswith(_MISSING)]
    faults = [problem for problem in problems if problem not in missing]
    lines = [
        edited(FILES, "", f"{len(faults)} problems, the first: {'; '.join(map(str, faults[:3]))}")
        if faults
        else pass_(
            FILES, "", f"{len(cache.shards)} shards, {len(cache)} clips: files, features, clips, index and manifest"
            " agree with one another and with their digests",
        )
    ]  # fmt: skip
    if missing:
        first = "; ".join(map(str, missing[:3]))
        lines.append(warn(_CLIPS, "", f"{len(missing)} of {len(cache) + len(missing)} clips are not stored: {first}"))
    return lines


def _probed(cache: Cache, card: str, *, whole: bool) -> list[Line]:
    if not whole:
        return [left_out(_PROBE, "", "how often the features name the actor")]
    try:
        measured = probe_cache(cache)
    except RavfeatError as error:
        return [not_possible(_PROBE, "", error)]
    if isinstance(measured, str):
        return [not_possible(_PROBE, "", measured)]
    probe = measured.probe
    line = info(
        _PROBE, "",
        f"a linear probe names the actor of {probe.value:.3f} [{probe.ci_low:.3f}, {probe.ci_high:.3f}] of the clips"
        f" (chance {probe.chance:.3f}; {probe.n} clips of {probe.n_actors} actors)",
        value=probe.value,
    )  # fmt: skip
    said = _PROBED.search(card)
    if said and abs(float(said[1]) - probe.value) > _TOLERANCE:
        return [line, edited(CARD, "identity probe", f"it says {said[1]}, and {probe.value:.3f} is measured")]
    return [line]


def _names(cache: Cache) -> list[str]:
    values = (*cache.header(cache.shards[0]).provenance.values(), *cache.source.values()) if cache.shards else ()
    return [value for value in values if isinstance(value, str)]
