import re

import numpy as np

from ravfeat.demo.page.answers import Answer, answers_of
from ravfeat.demo.page.bars import bars
from ravfeat.schema import RAVDESS_LABELS
from tests.toyprediction import FACE, FUSED, VOICE, probs_of, window_of

WINDOW = window_of({VOICE: ("happy", 0.71), FACE: ("surprised", 0.55), FUSED: ("surprised", 0.634)})
CELL = re.compile(r'data-answer="([^"]*)" data-label="([^"]*)" data-p="([^"]*)"')


def test_every_bar_holds_its_probability_in_full() -> None:
    cells = {(name, label): float(p) for name, label, p in CELL.findall(bars(RAVDESS_LABELS, answers_of(WINDOW)))}
    assert len(cells) == 3 * 8
    for name, system in (("together", FUSED), ("voice", VOICE), ("face", FACE)):
        given = [cells[name, label] for label in RAVDESS_LABELS]
        np.testing.assert_array_equal(given, WINDOW.of(system).probs)


def test_what_gave_no_answer_has_no_bar() -> None:
    table = bars(RAVDESS_LABELS, answers_of(window_of({VOICE: ("happy", 0.71), FACE: "no face", FUSED: "no face"})))
    assert {name for name, _, _ in CELL.findall(table)} == {"voice"}
    assert 'class="rv-bars rv-single"' in table


def test_bars_are_grey_where_no_emotion_is_named_and_a_named_row_stands_out() -> None:
    answers = answers_of(WINDOW)
    assert bars(RAVDESS_LABELS, answers).count(" rv-grey") == 3 * 8 + 3
    named = bars(RAVDESS_LABELS, answers, named="surprised")
    assert " rv-grey" not in named
    assert re.findall(r'rv-named" role="row"><th[^>]*>(\w+)', named) == ["surprised"]


def test_a_second_answer_of_a_kind_looks_different() -> None:
    answers = [Answer("voice", name, probs_of("sad", 0.6)) for name in ("a", "b")]
    table = bars(RAVDESS_LABELS, answers, named="sad")
    assert (table.count('"rv-voice"'), table.count('"rv-voice rv-more"')) == (9, 9)


def test_an_acted_emotion_is_marked_where_it_is_known() -> None:
    table = bars(RAVDESS_LABELS, answers_of(WINDOW), truth="happy")
    assert table.count("acted") == 1
    assert 'happy <span class="rv-truth">' in table


def test_it_is_a_table_with_text_for_who_cannot_see_bars() -> None:
    table = bars(RAVDESS_LABELS, answers_of(WINDOW), caption="Probabilities")
    assert "<caption" in table
    assert (table.count('role="columnheader"'), table.count('role="rowheader"')) == (4, 8)
    assert '<span class="rv-value">63 %</span>' in table


def test_labels_are_text_whatever_they_hold() -> None:
    classes = ["<script>x</script>", '"onload="x', "{0}\u202e"]
    answers = [Answer("voice", "<b>", probs_of("a", 0.6, "b", ("a", "b", "c")))]
    table = bars(classes, answers, named=classes[0], truth=classes[1], caption="<b>")
    assert "<script" not in table
    assert "<b>" not in table
    assert '"onload' not in table
    assert "{0}\\u202e" in table
