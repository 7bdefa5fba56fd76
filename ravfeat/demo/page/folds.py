"""Fold-outs of the page: every window in numbers, and what the heads weigh their encoder's layers with."""

from collections.abc import Iterator

from markupsafe import Markup

from ravfeat.demo.page.answers import answers_of, percent, stream_names
from ravfeat.demo.page.facts import HeadFacts, LearnedLayers
from ravfeat.escape import printable
from ravfeat.predict.result import FilePrediction

__all__ = ["layer_fold", "window_fold"]

_FOLD = Markup("<details><summary>{}</summary>{}</details>")
_TABLE = Markup(
    '<div class="rv-scroll" tabindex="0" role="region" aria-label="{}"><table class="rv-table">'
    "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
)
_LAYERS = Markup(
    '<table class="rv-bars rv-single rv-layers" role="table"><caption>{}</caption>'
    '<tbody role="rowgroup">{}</tbody></table>'
)
_LAYER = Markup(
    '<tr role="row"><th role="rowheader" scope="row">layer {}</th><td class="rv-{}" role="cell" data-layer="{}"'
    ' data-weight="{!r}"><span class="rv-track" aria-hidden="true"><i style="width:{:.2f}%"></i></span>'
    '<span class="rv-value">{:.3f}</span></td></tr>'
)


def window_fold(prediction: FilePrediction) -> Markup:
    """Show what every system says of every window; empty where there is one window only."""
    if len(prediction.windows) < 2:
        return Markup()
    names = [answer.name for answer in answers_of(prediction.summary)]
    head = Markup().join(Markup('<th scope="col">{}</th>').format(title) for title in ["from", "to", *names])
    rows = Markup().join(Markup("<tr>{}</tr>").format(row) for row in _window_rows(prediction))
    return _FOLD.format("Window by window", _TABLE.format("Window by window", head, rows))


def _window_rows(prediction: FilePrediction) -> Iterator[Markup]:
    for window in prediction.windows:
        cells = [f"{window.start_s:.1f} s", f"{window.end_s:.1f} s"]
        for answer in answers_of(window):
            if answer.probs is None:
                cells.append(f"no answer: {printable(answer.reason)}")
                continue
            verdict, prob = answer.verdict(prediction.classes), percent(float(answer.probs.max()))
            words = {"sure": f"{printable(verdict.label)}, {prob}", "unsure": f"unsure (at most {prob})"}
            cells.append(words.get(verdict.why, "unlike what it learned from"))
        yield Markup().join(Markup("<td>{}</td>").format(cell) for cell in cells)


def layer_fold(facts: HeadFacts) -> Markup:
    """Show the learned layer weights; empty where no head weighs layers."""
    if not facts.layers:
        return Markup()
    names = stream_names([learned.system for learned in facts.layers])
    parts = Markup().join(_layers(learned, name) for learned, name in zip(facts.layers, names, strict=True))
    return _FOLD.format("Which layers of the encoder count", parts)


def _layers(learned: LearnedLayers, name: str) -> Markup:
    largest = max(learned.weights.values())
    kind = "voice" if learned.system.stream == "audio" else "face"
    rows = Markup().join(
        _LAYER.format(layer, kind, layer, float(weight), 100 * weight / largest, weight)
        for layer, weight in sorted(learned.weights.items())
    )
    caption = f"{name}: learned weights of the layers of {printable(learned.system.features)}, sum 1"
    return _LAYERS.format(caption, rows)
