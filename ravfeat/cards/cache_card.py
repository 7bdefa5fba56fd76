"""Dataset card of a published cache: what the features are, how made, what they tell about people, terms."""

import json
from collections.abc import Mapping
from typing import Any

from ravfeat.cache import Cache
from ravfeat.cache.format import INDEX_FILE, MANIFEST_FILE
from ravfeat.cache.origin_file import is_public, read_origin
from ravfeat.cards.sections import (
    HERE,
    citation,
    front_matter,
    hub_datasets,
    made_from,
    tags,
    terms_lines,
)
from ravfeat.corpora.terms import Terms
from ravfeat.escape import code_span, markdown_text
from ravfeat.features.layers import spans
from ravfeat.identity.sample import ProbedIdentity, probe_cache

__all__ = ["cache_card", "card_claims"]

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_TASKS = {"audio": "audio-classification", "face": "video-classification"}
_SHOWN_FAILED = 10
_TABLES = {"manifest": MANIFEST_FILE, "index": INDEX_FILE}


def cache_card(cache: Cache, terms: Terms, address: str, *, identity: ProbedIdentity | str | None = None) -> str:
    """Write ``README.md`` of a cache that is to be published.

    Parameters
    ----------
    cache : Cache
    terms : Terms
        See `ravfeat.corpora.terms.licence_for`.
    address : str
        Where it will be, for the examples; of a folder of this machine nothing is said.
    identity : ProbedIdentity or str, optional
        What `ravfeat.identity.sample.probe_cache` measured, or why it did not; by default it is measured now.

    Raises
    ------
    ShardError
        Where clips that are read are damaged.
    """
    identity = probe_cache(cache) if identity is None else identity
    origin = read_origin(cache.path)
    title = f"{cache.about['encoder']} features of {cache.about['corpus']}"
    sections = [
        [f"# {markdown_text(title)}", "", *_warnings(cache), *_what(cache)],
        ["## How to read it", "", *_reading(cache, address)],
        ["## How it was made", "", *_making(cache)],
        ["## What is missing", "", *_missing(cache)],
        ["## What it tells about people", "", *_people(identity)],
        ["## Terms", "", *terms_lines(terms)],
        made_from([origin] if origin else []),
        citation(terms, [str(cache.about["encoder"])]),
    ]
    body = "\n\n".join("\n".join(lines) for lines in sections if lines)
    return f"{front_matter(_facts(cache, terms, title))}\n{body}\n"


def card_claims(cache: Cache) -> list[tuple[str, str]]:
    """Give what a card says of a cache that the cache itself tells: how a line begins, and how it has to go on."""
    rows = [line.partition(" | ") for line in _what(cache) if line.startswith("| ") and "| property |" not in line]
    name, colon, counts = _missing(cache)[0].partition(":")
    return [*((f"{name} |", f" {value}") for name, _, value in rows), (name + colon, counts)]


def _facts(cache: Cache, terms: Terms, title: str) -> Mapping[str, Any]:
    origin, stream = read_origin(cache.path), str(cache.about["stream"])
    synthetic = bool(cache.about["synthetic"])
    return {
        "license": terms.licence,
        "pretty_name": title,
        "language": [terms.corpus.language] if terms.corpus is not None else [],
        "tags": tags("precomputed-features", stream, synthetic=synthetic),
        "task_categories": [_TASKS[stream]] if stream in _TASKS else [],
        "size_categories": [next((size for limit, size in _SIZES if len(cache) < limit), "10M<n<100M")],
        "source_datasets": hub_datasets([origin] if origin else []),
        # The shards are HDF5, which the hub's viewer does not show; the tables it does.
        "configs": [
            {"config_name": name, "data_files": file, **({"default": True} if name == "manifest" else {})}
            for name, file in _TABLES.items()
        ],
    }


def _warnings(cache: Cache) -> list[str]:
    if not cache.about["synthetic"]:
        return []
    return ["**Of a synthetic corpus: the clips are generated, and no number says anything about people.**", ""]


def _what(cache: Cache) -> list[str]:
    identity = cache.identity
    actors = len(cache.manifest["actor"].unique())
    kept = f"pooled over time ({', '.join(cache.statistics)}), of" if cache.statistics else "for every frame of"
    averaged = f", means of {cache.frame_stride} frames each" if cache.frame_stride > 1 else ""
    return [
        f"Hidden states of a frozen encoder, {kept} clips with emotion labels{averaged}: computed once, to train small"
        " heads on.",
        "",
        "| property | value |",
        "|---|---|",
        f"| corpus | {code_span(str(cache.about['corpus']))} |",
        f"| stream | {code_span(str(cache.about['stream']))} |",
        f"| encoder | {code_span(str(cache.about['encoder']))}{_source(cache)} |",
        f"| clips | {len(cache)} |",
        f"| actors (speakers) | {actors} |",
        f"| labels | {', '.join(map(markdown_text, cache.classes))} |",
        f"| layers | {markdown_text(spans(cache.layers))} ({code_span(str(identity['layer_convention']))}) |",
        f"| dimensions, dtype | {cache.dim}, {cache.dtype.name} |",
        f"| view | {code_span(str(identity.get('view', 'clean')))} |",
        f"| fingerprint | {code_span(cache.fingerprint)} |",
    ]


def _source(cache: Cache) -> str:
    place = " at ".join(code_span(str(cache.source[key])) for key in ("repository", "revision") if key in cache.source)
    licence = cache.source.get("licence")
    return (f", {place}" if place else "") + (f", licence {markdown_text(licence)}" if licence else "")


def _reading(cache: Cache, address: str) -> list[str]:
    where = address if is_public(address) else HERE
    clip = cache.clip_ids[0] if cache.clip_ids else "CLIP"
    pull = ["", "```console", f"$ ravfeat cache pull {where} --layers {cache.layers[len(cache.layers) // 2]}", "```"]
    return [
        "```python",
        "import ravfeat",
        "",
        f"cache = ravfeat.open_cache({json.dumps(where)})",
        f"frames = cache[{json.dumps(clip)}]  # (T, L, D): frames, layers, dimensions",
        "print(cache.manifest.to_pandas().head())  # clips, actors, labels",
        "```",
        "",
        "Only what is asked for is read. The manifest says which clip is whose and what its label is, the index where"
        " it lies. Without ravfeat, numpy and h5py read a shard.",
        *(pull if is_public(address) else []),
    ]


def _making(cache: Cache) -> list[str]:
    header = cache.header(cache.shards[0])
    steps = [f"{number}. {markdown_text(str(step))}" for number, step in enumerate(cache.identity["preprocessing"], 1)]
    derived = [markdown_text(str(step)) for step in cache.identity.get("derived") or []]
    versions = [
        f"- {markdown_text(name)}: {markdown_text(str(value))}"
        for name, value in sorted(header.provenance.items())
        if isinstance(value, str | int | float)
    ]
    return [
        f"SHA-256 of the encoder's weights: {code_span(str(cache.identity['weights']))}. From the recording to its"
        " input:",
        "",
        *(steps or ["1. not said"]),
        *(["", f"Derived from stored features: {'; '.join(derived)}."] if derived else []),
        "",
        "With:",
        "",
        *versions,
    ]


def _missing(cache: Cache) -> list[str]:
    absent = len(cache.missing) - len(cache.failed)
    lines = [f"Clips: {len(cache)} are stored, {len(cache.failed)} failed, {absent} were not extracted."]
    failed = sorted(cache.failed.items())
    if failed:
        lines += ["", *(f"- {code_span(clip)}: {markdown_text(why)}" for clip, why in failed[:_SHOWN_FAILED])]
    if len(failed) > _SHOWN_FAILED:
        lines.append(f"- and {len(failed) - _SHOWN_FAILED} more, in the shards")
    return lines


def _people(identity: ProbedIdentity | str) -> list[str]:
    care = "Treat the features as data about people: do not use them to recognise anybody."
    if isinstance(identity, str):
        return [f"Not measured: {markdown_text(identity)}. Expect that they tell who speaks. {care}"]
    probe = identity.probe
    return [
        f"A linear classifier names the actor of {probe.value:.3f} [{probe.ci_low:.3f}, {probe.ci_high:.3f}] of the"
        f" clips (chance {probe.chance:.3f}): the mean over actors, and its 95 % interval over actors. It was tested on"
        f" emotions of which it had seen no clip; {probe.n} clips of {probe.n_actors} of {identity.n_actors} actors,"
        f" {', '.join(map(markdown_text, identity.statistics))} of layers {', '.join(map(str, identity.layers))}.",
        "",
        care,
    ]
