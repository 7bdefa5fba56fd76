"""Compose the page of one prediction: sentence, notes, bars, timeline, fold-outs, limits."""

from collections.abc import Sequence
from importlib.resources import files

from markupsafe import Markup

from ravfeat.demo.page.answers import answers_of, main_answer
from ravfeat.demo.page.bars import bars
from ravfeat.demo.page.facts import HeadFacts
from ravfeat.demo.page.folds import layer_fold, window_fold
from ravfeat.demo.page.limits import limits
from ravfeat.demo.page.sentence import notes, sentence
from ravfeat.demo.page.timeline import Frame, timeline
from ravfeat.escape import printable
from ravfeat.predict.result import FilePrediction

__all__ = ["document", "page", "stylesheet"]

_PAGE = Markup('<section class="rv-page" aria-label="Answer">{}</section>')
_DOCUMENT = Markup(
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n'
    '<body class="rv-alone">\n<main>\n{}\n</main>\n</body>\n</html>\n'
)


def page(prediction: FilePrediction, facts: HeadFacts, *, frames: Sequence[Frame] = ()) -> Markup:
    """Write the answer as a fragment of HTML; `stylesheet` goes with it.

    Parameters
    ----------
    prediction : FilePrediction
    facts : HeadFacts
    frames : sequence of Frame
        Pictures of the recording, evenly spaced.

    Returns
    -------
    Markup
        One ``<section>``; several may stand in one page.
    """
    answers = answers_of(prediction.summary)
    main = main_answer(answers)
    named = "" if main is None else main.verdict(prediction.classes).label
    streams = {entry.system.stream for entry in prediction.summary.systems}
    parts = [
        Markup('<p class="rv-sentence rv-{}">{}</p>').format("sure" if named else "open", sentence(prediction)),
        _list("rv-notes", notes(prediction)),
        bars(prediction.classes, answers, named=named) if main is not None else "",
        timeline(prediction, frames),
        window_fold(prediction),
        layer_fold(facts),
        Markup('<section class="rv-limits" aria-label="Limits">{}</section>').format(
            Markup().join(Markup("<p>{}</p>").format(line) for line in limits(facts, sorted(streams)))
        ),
    ]
    return _PAGE.format(Markup().join(parts))


def _list(name: str, lines: Sequence[str]) -> Markup:
    items = Markup().join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup('<ul class="{}">{}</ul>').format(name, items) if lines else Markup()


def document(prediction: FilePrediction, facts: HeadFacts, *, frames: Sequence[Frame] = ()) -> str:
    """Write the answer as a file of its own that loads nothing; see `page`."""
    title = f"{printable(prediction.file)} — {printable(facts.name)}"
    return str(_DOCUMENT.format(title, Markup(stylesheet()), page(prediction, facts, frames=frames)))


def stylesheet() -> str:
    """Give the CSS of the page; all its names begin with ``rv-``."""
    return files("ravfeat.demo.page").joinpath("page.css").read_text(encoding="utf-8")
