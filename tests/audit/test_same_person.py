"""One person under two ids on two sides is seen, and two people are not taken for one."""

from dataclasses import replace

from ravfeat.audit.same_person import check_same_person
from tests.audit.people import baseline_of, people


def test_two_people_pass_with_their_numbers(tmp_path) -> None:
    (line,) = check_same_person(baseline_of(tmp_path, people()), "audio / toy")
    assert line.verdict == "pass"
    assert line.finding.startswith("of 54 pairs of ids on two sides the least distinct, many:")
    assert line.evidence["least_distinct"][0]["told_apart"] > 0.9


def test_halves_of_the_clips_of_some_under_other_ids_are_named(tmp_path) -> None:
    split = [
        replace(take, actor=f"{take.actor}-second") if take.actor < "many:03" and i // 4 % 2 else take
        for i, take in enumerate(people(clips=40))
    ]
    (line,) = check_same_person(baseline_of(tmp_path, split), "audio / toy")
    assert line.verdict == "warn"
    named = [pair["ids"] for pair in line.evidence["least_distinct"]]
    assert len(named) == 2  # of the third both are on one side of every fold, where it does no harm
    assert all(second == f"{first}-second" for first, second in named)
    assert "each may be one person: many:0" in line.finding


def test_features_that_know_nobody_cannot_tell(tmp_path) -> None:
    (line,) = check_same_person(baseline_of(tmp_path, people(person=0.1)), "audio / toy")
    assert line.verdict == "not possible"
    assert "cannot be told: of 66 pairs of ids these features tell 80% apart in" in line.finding


def test_ids_of_few_clips_are_not_compared(tmp_path) -> None:
    (line,) = check_same_person(baseline_of(tmp_path, people(clips=4)), "audio / toy")
    assert line.verdict == "not possible"
    assert "it needs three ids with 8 clips of two emotions, there are 0" in line.finding
