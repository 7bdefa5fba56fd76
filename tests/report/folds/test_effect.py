"""What the section on folds says of their effect."""

from ravfeat.report.folds.effect import effect_table, effect_words
from ravfeat.report.folds.section import fold_section
from ravfeat.report.graded import Graded
from ravfeat.stats import fold_effect


def test_the_smallest_p_is_said_and_every_system_has_a_row(fused: list[Graded]) -> None:
    honest = [entry for entry in fused if not entry.leaky and entry.role != "alternative"]
    effects = [fold_effect(entry.probs) for entry in honest]
    least = min((effect for effect in effects if effect), key=lambda effect: effect.p)
    (words,) = effect_words(fused)
    assert words.startswith("Analysis of variance of the actors' UAR on folds, the smallest p of 3 systems, ")
    assert least.said in words
    (table,) = effect_table(fused)
    assert [row.cells[-5:-3] for row in table.rows] == [("4", "8")] * 3
    section = fold_section(fused, [])
    assert section.paragraphs == (words,)
    assert section.tables == (table,)


def test_leaky_runs_alone_say_nothing_and_too_few_folds_say_so(fused: list[Graded], make_run) -> None:
    from tests.report.simulated import graded_of

    assert effect_words([entry for entry in fused if entry.leaky]) == ()
    few = graded_of([make_run("few", actors=6, folds=3, seeds=1, heads={"logreg": 1.0})])
    assert effect_words(few) == (
        "Whether folds share an effect cannot be told: it takes 4 folds of two actors or more.",
    )
    assert effect_table(few) == ()
