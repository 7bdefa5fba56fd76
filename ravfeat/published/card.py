"""Model card of a published head, ``card.md``: what it is, its scores, the terms of its data, its limits."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ravfeat.corpora.labels import labels_said
from ravfeat.corpora.terms import Terms, known_corpus, licence_for
from ravfeat.escape import code_span, markdown_text
from ravfeat.model_origin import IN_RAVFEAT
from ravfeat.published.agreement import UNCHECKED
from ravfeat.runs.task import chance_said
from ravfeat.runs.trust import Trust, encoded_source
from ravfeat.schema import CONTROL_STREAMS, FUSED_STREAMS, is_unchecked, transductive_suffix

__all__ = ["card", "document_trust", "score_rows", "terms_of"]

_METRICS = {"uar": "UAR (mean recall)", "wa": "WA (plain accuracy)", "nll": "NLL", "ece": "ECE"}
_AVERAGINGS = {"pooled": "pooled over folds", "fold_mean": "mean of folds"}

Records = Sequence[Mapping[str, Any]]


def card(document: Mapping[str, Any], records: Records) -> str:
    """Write the card.

    Parameters
    ----------
    document : mapping
        ``head.toml``.
    records : sequence of mapping
        ``metrics.json`` of the run.
    """
    sections = [
        [f"# {markdown_text(document['name'])}", "", *_warnings(document), *_what(document)],
        ["## How to use it", "", *_use(document)],
        ["## Numbers", "", *_numbers(document, records)],
        ["## How it was graded", "", *_graded(document)],
        ["## Data terms", "", markdown_text(document["data_terms"]), *_rows_inside(document)],
        ["## Limits", "", *_limits(document)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def terms_of(document: Mapping[str, Any], licence: str | None, option: str = "--license") -> Terms:
    """Say under which licence a head may be published; errors as `ravfeat.corpora.terms.licence_for`.

    Parameters
    ----------
    document : mapping
        ``head.toml``.
    licence : str or None
        What the user says of a corpus that ravfeat does not know.
    option : str
        What the user says it by.
    """
    # Of two corpora either may be the generated one: then the name decides.
    synthetic = document["synthetic"] and "cross_corpus" not in document
    return licence_for(document["corpus"], synthetic=synthetic, licence=licence, what="heads", option=option)


def _warnings(document: Mapping[str, Any]) -> list[str]:
    lines = []
    if document["leaky"]:
        lines += ["**LEAKY: tested on actors it was trained on. Its numbers say how well it knows these actors.**", ""]
    if is_unchecked(document["protocol"]):
        lines += ["**UNCHECKED: of some clips nobody says who speaks; it may have been tested on people it knew.**", ""]
    if document["synthetic"]:
        what = "Trained or tested" if "cross_corpus" in document else "Trained"
        lines += [f"**{what} on a synthetic corpus: no number here says anything about people.**", ""]
    return lines


def _what(document: Mapping[str, Any]) -> list[str]:
    labels = ["", markdown_text(labels_said(document["replaced_labels"]))] if "replaced_labels" in document else []
    changed = document.get("changes", [])
    lines = [
        f"Emotion heads on frozen features, {_corpora(document)} and published by ravfeat {document['ravfeat']}.",
        "",
        f"Classes, in the order of the probabilities: {', '.join(map(markdown_text, document['classes']))}"
        f" ({chance_said(len(document['classes']))}).",
        *_label_maps(document),
        *labels,
        *(["", f"Not the corpus's own task: {markdown_text('; '.join(changed))}."] if changed else []),
        "",
        f"Who made the features: {markdown_text(document_trust(document).said)}.",
        "",
        "| system | seeds averaged | trained on | needs features of |",
        "|---|---|---|---|",
    ]
    for system in document["systems"]:
        encoders = ", ".join(
            f"{code_span(entry['encoder'])} ({code_span(entry['fingerprint'])})" for entry in system["caches"]
        )
        lines.append(
            f"| {_name(system)} | {len(system['seeds'])} | {markdown_text(system['trained_on'])} | {encoders} |"
        )
    if "rule" in document:
        apart = any(entry["stream"] in CONTROL_STREAMS for entry in document["systems"])
        but = "; the `joint` one is a control and not mixed in" if apart else ""
        lines += ["", f"The systems are calibrated and fused by the rule {code_span(document['rule'])}{but}."]
    lines += ["", f"Heads of {document['folds']} folds{_refitted(document)}."]
    return lines


def _corpora(document: Mapping[str, Any]) -> str:
    scored = f"{document['actors']} actors, {document['clips']} clips"
    if "cross_corpus" not in document:
        return f"trained on the corpus {code_span(document['corpus'])} ({scored})"
    transfer = document["cross_corpus"]
    return (
        f"trained on the corpus {code_span(transfer['train'])} ({transfer['actors']} actors,"
        f" {transfer['clips']} clips), tested on all of the corpus {code_span(transfer['test'])} ({scored})"
    )


def _label_maps(document: Mapping[str, Any]) -> list[str]:
    """Say what labels stand for, where they are no names of classes."""
    lines = []
    transfer = document.get("cross_corpus", {"labels": {}})
    for side, labels in transfer["labels"].items():
        if any(label != name for label, name in labels.items()):
            meanings = ", ".join(f"{markdown_text(label)} is {markdown_text(name)}" for label, name in labels.items())
            lines += ["", f"Labels of {code_span(transfer[side])}: {meanings}; clips of other labels were left out."]
    return lines


def _refitted(document: Mapping[str, Any]) -> str:
    return ", and one of each system that learned from all actors" if "refit" in document else ""


def _use(document: Mapping[str, Any]) -> list[str]:
    default = "the heads that learned from all actors" if "refit" in document else "the mean over the folds' heads"
    return [
        "```python",
        "import ravfeat",
        "",
        f"head = ravfeat.load_head({json.dumps('heads/' + document['name'])})",
        "with head.predictor() as predictor:",
        '    prediction = predictor("talk.webm")  # a file, or (rate, samples)',
        "probs = head.predict(caches, clip_ids)  # (N, classes), calibrated",
        "```",
        "",
        f"`caches` are feature caches made by the encoders above. By default {default} answer; `fold=N` asks fold N,"
        f" for clips of the {'other' if 'cross_corpus' in document else 'training'} corpus that it tested.",
        "",
        *_models(document),
    ]


def _models(document: Mapping[str, Any]) -> list[str]:
    """Say where the encoders come from, as far as the caches said it."""
    lines = ["| encoder | where it is | licence | SHA-256 of its weights |", "|---|---|---|---|"]
    caches = {cache["fingerprint"]: cache for system in document["systems"] for cache in system["caches"]}
    for cache in caches.values():
        model = cache.get("model", {})
        place = " at ".join(code_span(model[name]) for name in ("repository", "revision") if name in model)
        here = "in ravfeat" if model.get("kind") in IN_RAVFEAT else "not said"
        weights = code_span(str(cache["identity"].get("weights", "not said")))
        licence = markdown_text(model.get("licence", "not said"))
        lines.append(f"| {code_span(cache['encoder'])} | {place or here} | {licence} | {weights} |")
    return lines


def _numbers(document: Mapping[str, Any], records: Records) -> list[str]:
    leaky = " **LEAKY**" if document["leaky"] else ""
    lines = [
        "| system | metric | averaging | value [95 %, over actors] | protocol | select | n |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += ["".join(_row(record, leaky)) for record in records if _is_published(record)]
    lines += [
        "",
        "Of calibrated probabilities of test clips, each by the heads of the fold that tested it;"
        f" {chance_said(len(document['classes']))}; {markdown_text(document_trust(document).said)}.",
    ]
    lines += ["", f"Tries: {markdown_text(document['tries'])}."] if document.get("tries") else []
    if "refit" in document:
        lines += ["", f"The heads that learned from all actors: {markdown_text(document['refit']['score'])}."]
    return lines


def _row(record: Mapping[str, Any], leaky: str) -> tuple[str, str]:
    """Give a row of the table of scores: what it is of, and the value with its conditions."""
    metric, averaging = _METRICS[record["metric"]], _AVERAGINGS[record["averaging"]]
    conditions = f"{markdown_text(record['protocol'])}{leaky} | {markdown_text(record['select'])} | {record['n']}"
    return f"| {_name(record)} | {metric} | {averaging} |", f" {_value(record)} | {conditions} |"


def score_rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the rows that ``head.toml`` has scores of, as a card has to say them: what of, and the rest of the line."""
    leaky = " **LEAKY**" if document["leaky"] else ""
    plain = {"averaging": "pooled", "select": document["select"], "ci_low": None, "ci_high": None}
    return [_row({**plain, **entry}, leaky) for entry in document.get("scores", [])]


def _is_published(record: Mapping[str, Any]) -> bool:
    known = record["metric"] in _METRICS and record["averaging"] in _AVERAGINGS
    return known and record["stream"] not in FUSED_STREAMS[1:] and not transductive_suffix(record["features"])


def _value(record: Mapping[str, Any]) -> str:
    interval = "" if record["ci_low"] is None else f" [{record['ci_low']:.3f}, {record['ci_high']:.3f}]"
    return f"{record['value']:.3f}{interval}"


def _graded(document: Mapping[str, Any]) -> list[str]:
    chose = (
        "the protocol's validation actors" if document["select"] == "val" else "inner folds over all that is not tested"
    )
    lines = [
        f"Protocol {code_span(document['protocol'])}, {_folds(document)}. Layers, strengths, epochs,"
        f" temperatures and weights were learned from {chose}; test clips were only read. Intervals are over"
        " actors.",
        "",
        f"Held against the predictions of the run: {markdown_text(document['check'])}.",
    ]
    if "refit" in document:
        lines += [
            "",
            f"The heads of all actors were chosen on {document['refit']['inner_folds']} inner folds over all actors;"
            " their temperatures and weights were learned from out-of-fold logits: of heads that never met the actor.",
        ]
    return lines


def _folds(document: Mapping[str, Any]) -> str:
    checked = "which was checked from the metadata of the features themselves"
    if "cross_corpus" in document:
        transfer = document["cross_corpus"]
        return (
            f"one fold: trained on {code_span(transfer['train'])}, tested on every clip of"
            f" {code_span(transfer['test'])} that has a class. No actor, performance or recording is in both, {checked}"
        )
    if document["leaky"]:
        return f"{document['folds']} folds of clips: actors are on both sides (LEAKY)"
    if is_unchecked(document["protocol"]):
        return f"{document['folds']} folds; whether they share people could not be checked (UNCHECKED)"
    return f"{document['folds']} folds of actors: no head was trained on an actor id whose clips it tests, {checked}"


def _rows_inside(document: Mapping[str, Any]) -> list[str]:
    lines = []
    if any(system["head"] == "kernel" for system in document["systems"]):
        lines = [
            "",
            "The `kernel` heads hold the standardised feature statistics of their training clips: derived data.",
        ]
    if document["check"] != UNCHECKED:
        lines += [
            "",
            "`recordings.json` holds digests of the training recordings, by the names of the clips; `domain/` holds"
            " means and standard deviations of features over them.",
        ]
    return lines


def _limits(document: Mapping[str, Any]) -> list[str]:
    known = known_corpus(document["corpus"])
    encoders = sorted({cache["encoder"] for system in document["systems"] for cache in system["caches"]})
    acted = [
        "- Acted speech of professional actors, two fixed sentences, one studio, North American English. Spontaneous"
        " speech, other languages, other microphones and other ages were not measured."
    ]
    other = [
        "- The numbers hold for this corpus's way of speaking, language and recording. Acted emotion is not felt"
        " emotion, and other languages, rooms and ages were not measured."
    ]
    return [
        f"- {document['actors']} actors: the intervals above say how much that leaves open.",
        *(acted if known is not None and known.title == "RAVDESS" else other),
        f"- It reads features: the encoders ({', '.join(map(markdown_text, encoders))}) are needed to make them, with"
        " the very weights and preprocessing that head.toml names. `ravfeat predict` finds them and refuses others.",
        "- It names the most probable of its classes for anything it is given. It does not say what a person feels, and"
        " is not made for decisions about people.",
    ]


def _name(record: Mapping[str, Any]) -> str:
    return markdown_text(f"{record['stream']} / {record['features']} / {record['head']}")


def document_trust(document: Mapping[str, Any]) -> Trust:
    """Grade a head by what its ``head.toml`` says of its caches; see `ravfeat.runs.trust`.

    Parameters
    ----------
    document : mapping
        ``head.toml``. It lists the addresses that caches were pulled from, and not which cache is from which: one that
        names any names none of its caches as encoded here.
    """
    origins = document.get("made_from", [])
    published = {"address": ", ".join(origin["address"] for origin in origins)} if origins else {}
    caches = [cache for system in document["systems"] for cache in system["caches"]]
    sources = [
        encoded_source(
            f"{cache['identity'].get('stream', '')} {cache['encoder']}".strip(), cache["identity"], published,
            cache.get("model", {}),
        )
        for cache in caches
    ]  # fmt: skip
    return Trust(tuple(dict.fromkeys(sources)))
