import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from ravfeat.demo.page.document import document, page, stylesheet
from ravfeat.demo.page.limits import limits
from ravfeat.predict.result import SystemPrediction, WindowPrediction
from ravfeat.predictions import System
from tests.toyprediction import FACE, FUSED, VOICE, facts_of_toy, frames_of, prediction_of, unlike, window_of

HOSTILE = "<img src=x onerror=alert(1)>\"'{0}&amp;\u202e\x1b[31m"


class Tags(HTMLParser):
    """Every tag with its attributes; and whether all are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"img", "meta", "path", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self.open.pop() == tag


def long_one() -> object:
    windows = [window_of({VOICE: ("sad", 0.6), FACE: "no face", FUSED: "no face"}, n, n + 2) for n in range(3)]
    return prediction_of({VOICE: ("sad", 0.6), FACE: ("sad", 0.6), FUSED: ("sad", 0.6)}, windows)


@pytest.mark.parametrize(
    "prediction",
    [
        prediction_of(),
        long_one(),
        unlike(prediction_of(), VOICE, FUSED),
        prediction_of({VOICE: "it is silent"}, duration_s=float("nan")),
    ],
    ids=["plain", "long", "unlike", "failed"],
)
def test_it_is_whole_loads_nothing_runs_nothing_and_all_its_names_are_its_own(prediction) -> None:
    html = Tags(document(prediction, facts_of_toy(), frames=frames_of()))
    assert not html.open
    assert {"script", "link", "iframe", "a"}.isdisjoint(tag for tag, _ in html.tags)
    for _, attributes in html.tags:
        assert all(name.startswith("rv-") for name in attributes.get("class", "rv-").split())
        assert attributes.get("src", "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
        assert not [name for name in attributes if name == "id" or name.startswith("on")]
    assert "http" not in stylesheet()
    assert set(re.findall(r"\.(?!\d)([a-z-]+)", stylesheet())) <= {
        "gradio-container", "dark", *re.findall(r"rv-[a-z-]+", stylesheet())
    }  # fmt: skip


def test_texts_from_outside_are_text() -> None:
    system = System("audio", HOSTILE, HOSTILE)
    answers = (
        SystemPrediction(system, np.array([0.2, 0.8])),
        SystemPrediction(System("audio", "b", "b"), None, HOSTILE),
        SystemPrediction(System("face", HOSTILE, HOSTILE), None, HOSTILE),
    )
    windows = tuple(WindowPrediction(n, n + 2, answers) for n in range(2))
    prediction = replace(
        prediction_of(), file=HOSTILE, classes=(HOSTILE, HOSTILE + "2"), windows=windows, summary=windows[0]
    )
    facts = facts_of_toy(name=HOSTILE, corpus=HOSTILE, protocol=HOSTILE)
    facts = replace(facts, layers=(replace(facts.layers[0], system=system),))
    html = document(prediction, facts, frames=frames_of())
    tags = Tags(html).tags
    assert {attributes.get("src", "data:")[:5] for tag, attributes in tags if tag == "img"} == {"data:"}
    assert not [attributes for _, attributes in tags if "onerror" in attributes]
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_what_is_named_is_told_and_without_a_name_there_is_no_winner() -> None:
    assert 'class="rv-sentence rv-sure"' in page(prediction_of(), facts_of_toy())
    for prediction in (unlike(prediction_of(), VOICE, FUSED), prediction_of({VOICE: ("sad", 0.4)})):
        html = page(prediction, facts_of_toy())
        assert 'class="rv-sentence rv-open"' in html
        assert "rv-named" not in html


def test_the_limits_are_those_of_the_scores() -> None:
    first, *others = limits(facts_of_toy())
    assert "right on people they never met: voice 77 of 100 [73, 80]; face 61 of 100 [57, 65]; together 87" in first
    assert "1440 clips of 24 people in ravdess, protocol ravdess6" in first
    assert others[0].startswith("The heads that answer here learned from all these people")
    assert "face" not in limits(facts_of_toy(), ["audio"])[0]
    assert limits(facts_of_toy(synthetic=True))[0].endswith("its answers say nothing about people.")
    assert limits(facts_of_toy(leaky=True))[0].startswith("LEAKY")
    assert "on people it knows" in limits(facts_of_toy(leaky=True))[1]
    assert limits(facts_of_toy(scores=()))[0].startswith("How often this head is right is not recorded")


def test_fold_outs_hold_windows_and_layer_weights_in_full() -> None:
    html = page(long_one(), facts_of_toy())
    assert html.count("<details>") == 2
    assert html.count("no answer: no face") == 6
    weights = [float(weight) for weight in re.findall(r'data-weight="([^"]*)"', html)]
    assert weights == list(facts_of_toy().layers[0].weights.values())
    assert "<details>" not in page(prediction_of(), facts_of_toy(layers=()))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_bars_stand_out(scheme) -> None:
    pairs = re.findall(r"--rv-([a-z]+): light-dark\((#\w{6}), (#\w{6})\)", stylesheet())
    colour = {name: both[scheme] for name, *both in pairs}
    for paper in ("paper", "raised"):
        assert min(contrast(colour[text], colour[paper]) for text in ("ink", "muted")) >= 4.5
        assert min(contrast(colour[bar], colour[paper]) for bar in ("together", "voice", "face", "other")) >= 3
