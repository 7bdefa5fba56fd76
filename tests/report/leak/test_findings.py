from collections.abc import Callable
from pathlib import Path

import pytest

from ravfeat.report.graded import grade
from ravfeat.report.leak.findings import GAP_ROWS, leak_gaps
from ravfeat.runs.read import read_runs

Make = Callable[..., Path]


def test_a_gap_is_leaky_minus_honest_with_the_reports_own_numbers(two_runs: list[Path]) -> None:
    graded = grade(read_runs(two_runs))
    gaps = leak_gaps(graded)
    assert [str(gap.leaky.system) for gap in gaps] == [
        "audio / logmel-0f3c9a / attentive",
        "audio / logmel-0f3c9a / logreg",
    ]
    for gap in gaps:
        assert (gap.leaky.leaky, gap.honest.leaky) == (True, False)
        for pair, found in zip(GAP_ROWS, gap.differences, strict=True):
            assert abs(found.value_a - gap.leaky.records[pair]["value"]) < 1e-12
            assert abs(found.value_b - gap.honest.records[pair]["value"]) < 1e-12
        assert gap.differences[0].value > 0.1


def test_twins_selected_alike_are_preferred(make_run: Make) -> None:
    one = {"logreg": 1.0}
    leaky = make_run("leaky", heads=one, leaky=True, protocol="clip6", select="nested")
    val, nested = make_run("val", heads=one), make_run("nested", heads=one, select="nested")
    both = leak_gaps(grade(read_runs([leaky, val, nested])))
    assert [gap.honest.run.name for gap in both] == ["nested"]
    assert [gap.honest.run.name for gap in leak_gaps(grade(read_runs([leaky, val])))] == ["val"]


def test_training_on_another_corpus_is_no_twin(make_run: Make) -> None:
    one = {"logreg": 1.0}
    leaky = make_run("leaky", heads=one, leaky=True, protocol="clip6")
    across = make_run("across", heads=one, recipe={"cross_corpus": {"train": "other", "test": "sim"}})
    graded = grade(read_runs([leaky, across]))
    assert [entry.protocol for entry in graded] == ["group4 other to sim", "clip6 LEAKY"]
    assert leak_gaps(graded) == []


def test_other_heads_are_no_twins(make_run: Make) -> None:
    leaky = make_run("leaky", heads={"logreg": 1.0}, leaky=True, protocol="clip6")
    assert leak_gaps(grade(read_runs([leaky, make_run("other", heads={"kernel": 1.0})]))) == []


def test_other_settings_are_no_twins(make_run: Make) -> None:
    def chosen(layers: list[int] | None) -> dict[str, object]:
        key = {"stream": "audio", "features": "logmel-0f3c9a", "head": "logreg", "seed": 0, "fold": 0}
        return {"chosen": [{**key, "settings": {"layers": layers, "std": True}}]}

    one = {"logreg": 1.0}
    leaky = make_run("leaky", heads=one, leaky=True, protocol="clip6", recipe=chosen(None))
    last = make_run("last", heads=one, recipe=chosen([2]))
    alike = make_run("alike", heads=one, recipe=chosen(None))
    gaps = leak_gaps(grade(read_runs([leaky, last, alike])))
    assert [gap.honest.run.name for gap in gaps] == ["alike"]


def test_heads_that_other_views_trained_are_no_twins(make_run: Make) -> None:
    def on(*views: str) -> dict[str, object]:
        own = [{"view": view, "fingerprint": f"0{view}"} for view in views]
        cache = {"features": "logmel-0f3c9a", "fingerprint": "1", "trained_on": " + ".join(["clean", *views])}
        return {"caches": [cache | {"views": own}]}

    one = {"logreg": 1.0}
    leaky = make_run("leaky", heads=one, leaky=True, protocol="clip6", recipe=on("gain-1:seed0"))
    clean, other = make_run("clean", heads=one, recipe=on()), make_run("other", heads=one, recipe=on("gain-1:seed1"))
    assert leak_gaps(grade(read_runs([leaky, clean, other]))) == []
    alike = make_run("alike", heads=one, recipe=on("gain-1:seed0"))
    assert [gap.honest.run.name for gap in leak_gaps(grade(read_runs([leaky, clean, alike])))] == ["alike"]


def test_another_number_of_seeds_is_no_twin(make_run: Make) -> None:
    leaky = make_run("leaky", heads={"logreg": 1.0}, leaky=True, protocol="clip6", seeds=2)
    assert leak_gaps(grade(read_runs([leaky, make_run("one", heads={"logreg": 1.0}, seeds=1)]))) == []


def test_systems_of_one_name_carry_the_name_of_their_run(make_run: Make) -> None:
    first, second = make_run("first", heads={"logreg": 1.0}), make_run("second", heads={"logreg": 2.0})
    assert ["run first" in entry.conditions for entry in grade(read_runs([first, second]))] == [True, False]
    assert "run " not in grade(read_runs([first]))[0].conditions


def test_a_fused_system_has_a_gap_and_the_mixtures_beside_it_have_none(fused_runs: list[Path]) -> None:
    gaps = leak_gaps(grade(read_runs(fused_runs)))
    assert [gap.leaky.system.stream for gap in gaps] == ["fused", "audio", "face"]
    fused = gaps[0]
    assert fused.honest.members == fused.leaky.members != ()
    assert fused.differences[0].value == pytest.approx(
        fused.leaky.records["uar", "pooled"]["value"] - fused.honest.records["uar", "pooled"]["value"]
    )


def test_fused_systems_of_other_members_are_no_twins(make_run: Make) -> None:
    def caches(fingerprint: str) -> dict[str, object]:
        face = {"features": "landmarks-77ab01", "fingerprint": fingerprint}
        return {"caches": [{"features": "logmel-0f3c9a", "fingerprint": "1"}, face]}

    both = {"heads": {"logreg": 1.0}, "faces": {"kernel": 1.0}, "seeds": 1}
    leaky = make_run("leaky", leaky=True, protocol="clip6", recipe=caches("2"), **both)
    other, alike = make_run("other", recipe=caches("3"), **both), make_run("alike", recipe=caches("2"), **both)
    gaps = leak_gaps(grade(read_runs([leaky, other, alike])))
    assert {gap.honest.run.name for gap in gaps if gap.honest.members} == {"alike"}
    assert {gap.honest.run.name for gap in gaps if gap.honest.system.stream == "audio"} == {"other", "alike"}


def test_another_rule_is_no_twin(make_run: Make) -> None:
    both = {"heads": {"logreg": 1.0}, "faces": {"kernel": 1.0}, "seeds": 1}
    leaky = make_run("leaky", leaky=True, protocol="clip6", **both)
    gaps = leak_gaps(grade(read_runs([leaky, make_run("given", rule="linear", **both)])))
    assert [gap.leaky.system.stream for gap in gaps] == ["audio", "face"]
