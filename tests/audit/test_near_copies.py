"""Changed copies of training clips are seen among test clips, and clips of honest folds are not taken for any."""

from ravfeat.audit.near_copies import check_near_copies
from tests.audit.people import baseline_across, baseline_of, noisy, people


def test_clips_of_honest_folds_pass_with_their_numbers(tmp_path) -> None:
    (line,) = check_near_copies(baseline_of(tmp_path, people()), "audio / toy")
    assert line.verdict == "pass"
    assert line.finding.startswith("336 test clips, layer 0: the most alike clip on the other side of a fold has a")
    assert line.evidence["most_alike"] < 0.9
    assert line.evidence["partners"] < 0.27


def test_three_slightly_changed_copies_are_named_with_what_they_are_like(tmp_path) -> None:
    takes = people()
    copied = [takes[0], takes[1], takes[2]]
    with_copies = [take for take in takes if take.actor != "many:02"]
    others = [take for take in takes if take.actor == "many:02"][3:]
    copies = noisy(copied, 0.1, corpus="many", actor="many:02")
    (line,) = check_near_copies(baseline_of(tmp_path, [*with_copies, *others, *copies]), "audio / toy")
    assert line.verdict == "warn"
    named = {frozenset((pair["tested"], pair["other"])) for pair in line.evidence["pairs"]}
    assert named == {frozenset((take.clip_id, f"many-copy-of-{take.clip_id}")) for take in copied}
    assert "many-00-00 and many-copy-of-many-00-00 (1.00)" in line.finding
    assert "these may be copies of what was trained on" in line.finding


def test_a_corpus_of_noisy_copies_is_seen_though_no_pair_is_alike_enough(tmp_path) -> None:
    takes = people(corpus="one", actors=14)
    (line,) = check_near_copies(baseline_across(tmp_path, takes, noisy(takes, 1.5, corpus="two")), "audio / toy")
    assert line.verdict == "warn"
    assert not line.evidence["pairs"]
    assert len(line.evidence["actors"]) >= 10
    assert "far more clips have one clip there as a partner than by chance" in line.finding


def test_another_corpus_of_the_same_voices_passes(tmp_path) -> None:
    takes = people(corpus="one", actors=14)
    again = people(corpus="two", actors=14, day=1)
    (line,) = check_near_copies(baseline_across(tmp_path, takes, again), "audio / toy")
    assert line.verdict == "pass"


def test_equal_recordings_are_left_to_the_digests(tmp_path) -> None:
    takes = people()
    same = noisy(takes[:1], 0.0, corpus="many", actor="many:00")  # as two takes of RAVDESS: one actor, one side
    (line,) = check_near_copies(baseline_of(tmp_path, [*takes, *same]), "audio / toy")
    assert line.verdict == "pass"


def test_few_clips_cannot_be_told(tmp_path) -> None:
    (line,) = check_near_copies(baseline_of(tmp_path, people(actors=4)), "audio / toy")
    assert line.verdict == "not possible"
    assert "112 clips and 14 directions of the features are too few" in line.finding
