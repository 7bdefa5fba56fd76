"""Facts of a published head for the page: scores from ``head.toml``, layer weights from the heads that answer."""

from collections.abc import Iterator

import numpy as np

from ravfeat.demo.page.facts import HeadFacts, LearnedLayers, Score
from ravfeat.heads.base import Model
from ravfeat.predictions import System
from ravfeat.published.head import PublishedHead

__all__ = ["facts_of"]


def facts_of(head: PublishedHead) -> HeadFacts:
    """Collect what the page tells of a head.

    Parameters
    ----------
    head : PublishedHead
        Layer weights are those of the refitted heads where they are loaded, else the mean over all that are.
    """
    about = head.about
    return HeadFacts(
        name=about["name"],
        corpus=about["corpus"],
        protocol=about["protocol"],
        actors=about["actors"],
        synthetic=about["synthetic"],
        leaky=about["leaky"],
        refitted="refit" in head.models,
        scores=tuple(_score(entry) for entry in about.get("scores", ())),
        layers=tuple(_layers(head)),
    )


def _score(entry: dict[str, float | int | str]) -> Score:
    system = System(str(entry["stream"]), str(entry["features"]), str(entry["head"]))
    low, high = (None if entry.get(name) is None else float(entry[name]) for name in ("ci_low", "ci_high"))
    metric = "uar" if entry["metric"] == "uar" else "wa"
    return Score(system, metric, float(entry["value"]), low, high, int(entry["n"]))  # type: ignore[arg-type]


def _layers(head: PublishedHead) -> Iterator[LearnedLayers]:
    sources = ["refit"] if "refit" in head.models else list(head.models)
    for place, part in enumerate(head.parts):
        models: list[Model] = [model for source in sources for model in head.models[source][place]]  # type: ignore[index]
        weights = [model.layer_weights for model in models]
        if all(weights) and len(part.needs) == 1:
            layers = list(weights[0] or ())
            mean = np.mean([[(by_layer or {})[layer] for layer in layers] for by_layer in weights], axis=0)
            yield LearnedLayers(part.system, dict(zip(layers, mean.tolist(), strict=True)))
