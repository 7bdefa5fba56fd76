"""Model card of a published head for the hub: front matter with scores, the text of ``card.md``, licence, origins."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index

from ravfeat.cache.origin_file import PublishedOrigin, is_public
from ravfeat.cards.sections import citation, front_matter, hub_datasets, made_from, tags, terms_lines
from ravfeat.corpora.terms import Terms
from ravfeat.escape import printable
from ravfeat.schema import is_unchecked

__all__ = ["compare_results", "head_card"]

_METRICS = {
    "uar": ("recall", "UAR (mean recall), pooled over folds"),
    "wa": ("accuracy", "WA (plain accuracy), pooled"),
}
_TASK = "audio-classification"


def head_card(document: Mapping[str, Any], body: str, terms: Terms, address: str) -> str:
    """Write ``README.md`` of a head that is to be published.

    Parameters
    ----------
    document : mapping
        ``head.toml``.
    body : str
        ``card.md``.
    terms : Terms
        See `ravfeat.corpora.terms.licence_for`.
    address : str
        Where it will be, for the example.
    """
    if is_public(address):  # the example of card.md loads it from the folder that it was exported to
        there = json.dumps("heads/" + document["name"])
        body = body.replace(f"ravfeat.load_head({there})", f"ravfeat.load_head({json.dumps(address)})", 1)
    encoders = dict.fromkeys(cache["encoder"] for system in document["systems"] for cache in system["caches"])
    sections = [
        ["## Licence", "", *terms_lines(terms)],
        made_from(document.get("made_from", [])),
        citation(terms, list(encoders)),
    ]
    further = "\n\n".join("\n".join(lines) for lines in sections if lines)
    return f"{front_matter(_facts(document, terms))}\n{body.strip()}\n\n{further}\n"


def _facts(document: Mapping[str, Any], terms: Terms) -> Mapping[str, Any]:
    streams = [system["stream"] for system in document["systems"]]
    heads = [system["head"] for system in document["systems"]]
    models = [cache.get("model", {}) for system in document["systems"] for cache in system["caches"]]
    origins: Sequence[PublishedOrigin] = document.get("made_from", [])
    results = _results(document)
    return {
        "license": terms.licence,
        "language": [terms.corpus.language] if terms.corpus is not None else [],
        "library_name": "ravfeat",
        "pipeline_tag": _TASK if set(streams) == {"audio"} else None,
        "tags": tags(
            *streams,
            *heads,
            leaky=document["leaky"],
            unchecked=is_unchecked(document["protocol"]),
            synthetic=document["synthetic"],
        ),
        "base_model": sorted({model["repository"] for model in models if "repository" in model}),
        "datasets": hub_datasets(origins),
        "metrics": list(dict.fromkeys(result.metric_type for result in results)),
        "model-index": eval_results_to_model_index(document["name"], results) if results else [],
    }


def _results(document: Mapping[str, Any]) -> list[EvalResult]:
    """Give the scores of every system; none of a LEAKY or UNCHECKED head: lists of models do not show that it is."""
    if document["leaky"] or is_unchecked(document["protocol"]):
        return []
    corpus = document["cross_corpus"]["test"] if "cross_corpus" in document else document["corpus"]
    name = f"{corpus} (synthetic)" if document["synthetic"] else corpus
    return [
        EvalResult(
            task_type=_TASK,
            task_name="speech emotion recognition",
            dataset_type=printable(corpus),
            dataset_name=name,
            dataset_split=f"test folds of {score['protocol']}",
            metric_type=_METRICS[score["metric"]][0],
            metric_name=f"{_METRICS[score['metric']][1]}: {score['stream']} / {score['features']} / {score['head']}",
            metric_value=round(score["value"], 4),
            metric_args={"n": score["n"], **_interval(score)},
        )
        for score in document.get("scores", [])
    ]


def compare_results(card: str, document: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Hold the scores in a card's front matter, which lists of models show, against ``head.toml``.

    Returns
    -------
    n_said : int
        Scores that the card has.
    faults : list of str
        Those that are others than in ``head.toml``, or not in it.
    """
    if not card.startswith("---"):
        return 0, []
    try:
        said = getattr(ModelCard(card, ignore_metadata_errors=True).data, "eval_results", None) or []
    except Exception as error:  # noqa: BLE001  # whatever a stranger's YAML makes the library raise
        return 0, [f"its front matter cannot be read ({type(error).__name__})"]
    known = {result.metric_name: result.metric_value for result in _results(document)}
    faults = [
        f"front matter: '{printable(str(result.metric_name))[:100]}' is {printable(str(result.metric_value))[:40]},"
        f" expected {known.get(result.metric_name, 'none')}"
        for result in said
        if known.get(result.metric_name) != result.metric_value
    ]
    return len(said), faults


def _interval(score: Mapping[str, Any]) -> dict[str, Any]:
    if "ci_low" not in score or "ci_high" not in score:
        return {}
    return {"interval_95_over_actors": [round(score["ci_low"], 4), round(score["ci_high"], 4)]}
