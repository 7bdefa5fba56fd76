"""Where a voice and a face change places."""

import pytest

from ravfeat.runs.stress_file import StressScore, Value, ladder
from ravfeat.stress.measure import crossings


def scores(
    stream: str, recipe: str, uars: dict[float | None, float], *, clean_uar: float, clean: float | None = None
) -> list[StressScore]:
    return [
        StressScore(
            stream, stream, "logreg", recipe, recipe, "units", strength, clean, 10, Value(uar, 0, 1), Value(0.1, 0, 1),
            clean_uar, 0.1, Value(uar - clean_uar, 0, 1), (),
        )
        for strength, uar in uars.items()
    ]  # fmt: skip


def found(voice: list[StressScore], face: list[StressScore]) -> list[tuple[float | None, str]]:
    return [(crossing.at, crossing.words) for crossing in crossings([*voice, *face])]


def flat(recipe: str, strengths: list[float | None], uar: float, clean: float | None = None) -> list[StressScore]:
    return scores("face", recipe, dict.fromkeys(strengths, uar), clean_uar=uar, clean=clean)


def test_a_crossing_between_two_strengths_is_interpolated() -> None:
    voice = scores("audio", "snr", {20: 0.7, 10: 0.5, 5: 0.3}, clean_uar=0.8)
    ((at, words),) = found(voice, flat("snr", [20, 10, 5], 0.6))
    assert at == pytest.approx(15)
    assert words == (
        "snr: audio / audio / logreg falls below face / face / logreg at about 15 units (between 20 and 10,"
        " interpolated)"
    )


def test_a_crossing_next_to_clean_clips_has_no_number_where_clean_has_none() -> None:
    voice = scores("audio", "snr", {20: 0.5, 10: 0.4}, clean_uar=0.8)
    ((at, words),) = found(voice, flat("snr", [20, 10], 0.6))
    assert at is None
    assert words.endswith("falls below face / face / logreg between the clean clips and 20 units")
    voice = scores("audio", "reverb", {0.3: 0.4}, clean_uar=0.8, clean=0.0)
    ((at, words),) = found(voice, flat("reverb", [0.3], 0.6, clean=0.0))
    assert at == pytest.approx(0.15)
    assert "between the clean clips and 0.3" in words


def test_gain_can_cross_on_both_sides_of_clean() -> None:
    voice = scores("audio", "gain", {-12: 0.4, -6: 0.7, 6: 0.7, 12: 0.4}, clean_uar=0.8, clean=0.0)
    assert [step.strength for step in ladder(voice)] == [-12, -6, 0, 6, 12]
    ats = [at for at, _ in found(voice, flat("gain", [-12, -6, 6, 12], 0.6, clean=0.0))]
    assert ats == pytest.approx([-8, 8])


def test_what_only_touches_has_crossed_and_what_never_meets_stays_above() -> None:
    voice = scores("audio", "snr", {20: 0.6, 10: 0.5}, clean_uar=0.8)
    ((_, words),) = found(voice, flat("snr", [20, 10], 0.6))
    assert "falls below" in words
    ((at, words),) = found(voice, flat("snr", [20, 10], 0.2))
    assert (at, words) == (None, "snr: audio / audio / logreg stays above face / face / logreg at 20, 10 units")
    ((_, words),) = found(voice, flat("snr", [20, 10], 0.9))
    assert words.startswith("snr: face / face / logreg stays above")


def test_a_recipe_without_strengths_says_whether_the_order_changed() -> None:
    voice = scores("audio", "telephone", {None: 0.3}, clean_uar=0.8)
    ((at, words),) = found(voice, flat("telephone", [None], 0.6))
    assert (at, words) == (None, "telephone: audio / audio / logreg falls below face / face / logreg")


def test_one_stream_alone_crosses_nothing() -> None:
    assert found(scores("audio", "snr", {10: 0.5}, clean_uar=0.8), []) == []
