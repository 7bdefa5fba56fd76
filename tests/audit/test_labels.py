"""Labels that are not the corpus's, and clips that are gone."""

from ravfeat.audit.context import open_run
from ravfeat.audit.labels import check_labels, check_left_out
from tests.audit.runs import make_run, takes
from tests.writtencaches import write_cache


def test_labels_that_are_not_the_corpus_s_are_a_warning_with_numbers(caches, tmp_path) -> None:
    table = tmp_path / "labels.csv"
    given = [(take.clip_id, take.label) for take in takes()]
    given[0] = (given[0][0], "sad")
    gone = [number for number, (_, label) in enumerate(given) if number and label == "happy"][:3]
    rows = [f"{clip},{'' if number in gone else label}" for number, (clip, label) in enumerate(given)]
    table.write_text("clip_id,label\n" + "\n".join(rows) + "\n")
    was = takes()[0].label
    run = make_run(tmp_path / "run", caches[:1], labels=table)
    context = open_run(run)
    (line,) = check_labels(context)
    assert line.verdict == "warn"
    assert f"1 of 189 clips have another label than in the shards: {was} to sad 1" in line.finding
    (line,) = check_left_out(context)
    assert line.verdict == "warn"
    assert "3 of 192 clips of the manifest are neither trained on nor tested: happy 3 of 48" in line.finding


def test_clips_that_are_missing_are_counted_by_class(tmp_path) -> None:
    lost = [take.clip_id for take in takes() if take.label == "sad"][:2]
    cache = write_cache(tmp_path, takes(), name="voice", stream="audio", lost=lost)
    run = make_run(tmp_path / "run", [cache], allow_missing=True)
    (line,) = check_left_out(open_run(run))
    assert line.finding == "2 of 192 clips of the manifest are neither trained on nor tested: sad 2 of 48"
    assert line.evidence["left_out"] == {"sad": 2}
