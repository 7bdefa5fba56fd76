"""Sentences on what differences a report's systems can show."""

from ravfeat.report.detectable import detectable_words
from ravfeat.report.differences.section import difference_section
from ravfeat.report.graded import Graded
from ravfeat.report.results.section import results_section
from ravfeat.stats import detectable


def test_every_protocol_has_its_sentence_beside_scores_and_differences(fused: list[Graded]) -> None:
    words = detectable_words(fused)
    assert [sentence.partition(":")[0] for sentence in words] == ["group4", "clip6 LEAKY"]
    chosen = [entry.compared for entry in fused if not entry.leaky and entry.role != "alternative"]
    assert words[0] == f"group4: {detectable(chosen).said}."
    assert results_section(fused).paragraphs == tuple(words)
    section = difference_section(fused)
    assert section is not None
    assert section.paragraphs[1:] == tuple(words)


def test_one_protocol_is_not_named(fused: list[Graded]) -> None:
    (sentence,) = detectable_words([entry for entry in fused if not entry.leaky])
    assert sentence.startswith("With 8 actors, differences of UAR under about 0.")
