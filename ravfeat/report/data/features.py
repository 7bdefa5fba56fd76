"""The section on the features of a cache: its clips in the plane, by label and by actor, and what every layer tells."""

import numpy as np

from ravfeat.explore.counts import cross
from ravfeat.explore.doubts import times
from ravfeat.explore.embedding import Embedding
from ravfeat.explore.exploration import CacheFacts
from ravfeat.explore.listing import Listing
from ravfeat.explore.separability import Separability
from ravfeat.report.data.figures import embedding_figure, separability_figure
from ravfeat.report.data.tables import cross_table, separability_table
from ravfeat.report.page.document import PageFigure, Section

__all__ = ["cache_section"]


def cache_section(facts: CacheFacts, listing: Listing, number: int) -> Section:
    """Show what the features of one cache tell; `number` tells sections apart."""
    anchor, found, embedding = f"features-{number}", facts.separability, facts.embedding
    parts = []
    if embedding is not None:
        figures = tuple(_plane(embedding, listing, facts.name, name, anchor) for name in ("label", "actor"))
        parts.append(Section(f"{anchor}-plane", "The same clips twice", (_plane_words(embedding, facts),), figures))
    if found.layers:
        figure = _layers(found, facts.name, anchor)
        parts.append(Section(f"{anchor}-layers", "Layer by layer", (_layer_words(found),), (figure,)))
    notes = [f"{times(facts.n_clips, 'clip')}, {times(len(facts.layers), 'layer')}."]
    notes += [f"Not measured: {reason}." for reason in found.why_not]
    title = f"What {facts.name} tells ({facts.stream})"
    return Section(anchor, title, paragraphs=(" ".join(notes),), subsections=tuple(parts))


def _plane_words(embedding: Embedding, facts: CacheFacts) -> str:
    chosen = "which tells classes best" if facts.separability.best else "the middle one"
    label, actor = (
        f"{100 * share:.0f} % have its {name} (by chance {100 * chance:.0f} %)"
        for name, share, chance in (
            ("label", embedding.same_label, embedding.label_by_chance),
            ("actor", embedding.same_actor, embedding.actor_by_chance),
        )
    )
    return (
        f"{times(len(embedding.rows), 'clip')} by their pooled features of layer {embedding.layer}, {chosen}, drawn by"
        " t-SNE, which keeps who lies near whom; sizes of groups and distances between them mean nothing. Where the"
        " picture by actor falls into islands, features know people, and folds that share actors let a head use it. Of"
        f" the ten nearest clips of a clip, {label} and {actor}."
    )


def _plane(embedding: Embedding, listing: Listing, features: str, name: str, anchor: str) -> PageFigure:
    values = listing.columns[name]
    own = [values[row] for row in embedding.rows]
    share = embedding.same_label if name == "label" else embedding.same_actor
    return PageFigure(
        name=f"{anchor}-by-{name}",
        title=f"Clips in the plane, marked by {name}",
        caption=f"{features}, layer {embedding.layer}, marked by {name}.",
        alt=f"{len(own)} clips of {len(set(own))} values of {name} in the plane. Of the ten nearest clips of a clip"
        f" {100 * share:.0f} % have the same {name}.",
        canvas=embedding_figure(embedding, values, name),
        table=cross_table(cross("features", [features] * len(own), name, own)),
    )


def _layer_words(found: Separability) -> str:
    best = found.best
    top = f" Classes are told best by layer {best.layer} ({best.classes:.2f})." if best else ""
    return (
        f"A linear probe of fixed strength on the pooled features of one layer, {times(found.n_clips, 'clip')} of"
        f" {times(found.n_actors, 'actor')}: classes are named on actors that it has not met, actors on emotions that"
        " it has not heard. No score of a head: nothing is chosen, and no interval is given. Where actors are named"
        f" easily, a split that shares them flatters.{top}"
    )


def _layers(found: Separability, features: str, anchor: str) -> PageFigure:
    words = "; ".join(
        f"layer {layer.layer}: classes {layer.classes:.2f}, actors {layer.actors:.2f}"
        for layer in found.layers
        if np.isfinite([layer.classes, layer.actors]).any()
    )
    return PageFigure(
        name=f"{anchor}-separability",
        title="How well layers tell classes and actors apart",
        caption=f"{features}: UAR of linear probes, layer by layer.",
        alt=f"UAR of linear probes. {words}. Chance: {found.chance_classes:.2f} and {found.chance_actors:.2f}.",
        canvas=separability_figure(found),
        table=separability_table(found),
    )
