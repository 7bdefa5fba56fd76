"""Probabilities as bars: a table with a row for each emotion and a bar for each answer."""

from collections.abc import Sequence

from markupsafe import Markup

from ravfeat.demo.page.answers import Answer, percent
from ravfeat.escape import printable

__all__ = ["bars"]

# Roles are written out: a browser forgets those of a table whose rows are laid out as a grid.
_TABLE = Markup(
    '<table class="rv-bars{}" role="table"><caption class="rv-hidden">{}</caption>'
    '<thead class="rv-key" role="rowgroup"><tr role="row"><th class="rv-hidden" role="columnheader" scope="col">emotion'
    '</th>{}</tr></thead><tbody role="rowgroup">{}</tbody></table>'
)
_KEY = Markup('<th class="rv-{}" role="columnheader" scope="col"><i aria-hidden="true"></i>{}</th>')
_ROW = Markup('<tr class="{}" role="row"><th role="rowheader" scope="row">{}</th>{}</tr>')
_BAR = Markup(
    '<td class="rv-{}" role="cell" data-answer="{}" data-label="{}" data-p="{!r}">'
    '<span class="rv-track" aria-hidden="true"><i style="width:{:.2f}%"></i></span>'
    '<span class="rv-value">{}</span></td>'
)


def bars(
    classes: Sequence[str], answers: Sequence[Answer], *, named: str = "", caption: str = "", truth: str = ""
) -> Markup:
    """Draw the answers.

    Parameters
    ----------
    classes : sequence of str, length K
    answers : sequence of Answer
        Those without probabilities have no bars.
    named : str
        The emotion that is named; where none is, all bars are grey.
    caption : str
        What the table is, for screen readers.
    truth : str
        The emotion that was acted, where it is known; it is marked.

    Returns
    -------
    Markup
        A table whose cells hold the exact probability as ``data-p``.
    """
    drawn = [(answer, answer.probs) for answer in answers if answer.probs is not None]
    looks = _looks([answer for answer, _ in drawn], named)
    key = Markup().join(_KEY.format(look, answer.name) for look, (answer, _) in zip(looks, drawn, strict=True))
    rows = []
    for place, label in enumerate(classes):
        cells = [
            _bar(look, answer.name, float(probs[place]), label)
            for look, (answer, probs) in zip(looks, drawn, strict=True)
        ]
        row = "rv-row rv-named" if label == named else "rv-row"
        rows.append(_ROW.format(row, _label(label, truth), Markup().join(cells)))
    single = " rv-single" if len(drawn) == 1 else ""
    return _TABLE.format(single, caption or "Probability of each emotion", key, Markup().join(rows))


def _looks(answers: Sequence[Answer], named: str) -> list[str]:
    """Give the classes of each answer's bars: its kind, whether it is another one of it, whether it is grey."""
    kinds = [answer.kind for answer in answers]
    return [
        f"{answer.kind}{' rv-more' * (answer.kind in kinds[:place])}{' rv-grey' * (not named or answer.unlike)}"
        for place, answer in enumerate(answers)
    ]


def _label(label: str, truth: str) -> Markup:
    mark = Markup(' <span class="rv-truth">acted</span>') if label == truth else Markup()
    return Markup("{}{}").format(printable(label), mark)


def _bar(look: str, name: str, prob: float, label: str) -> Markup:
    return _BAR.format(look, name, printable(label), prob, 100 * prob, percent(prob))
