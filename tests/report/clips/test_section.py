"""The section of recorded predictions, in HTML and in Markdown."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ravfeat.report import build_report
from ravfeat.report.clips.findings import recorded_of
from ravfeat.report.clips.section import clips_section
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import Document
from ravfeat.report.page.html import render_html
from ravfeat.report.page.markdown import render_markdown
from tests.conftest import without_ink
from tests.report.simulated import graded_of

Make = Callable[..., Path]


class Cards(HTMLParser):
    """Collects the probabilities of every card, and what is played."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.probs: list[float] = []
        self.audio: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "data-p" in found:
            self.probs.append(float(found["data-p"] or "nan"))
        if tag == "audio":
            self.audio.append(found["src"] or "")


def page(graded: list[Graded], audio: Path | None = None) -> str:
    return render_html(Document("Report", (), (), (clips_section(graded, audio),)), {})


def recordings(graded: list[Graded], folder: Path) -> Path:
    """A second of noise for every clip that is shown."""
    folder.mkdir()
    for seed, clip in enumerate(recorded_of(graded).clips):
        samples = 0.1 * np.random.default_rng(seed).normal(size=16_000)
        soundfile.write(folder / f"{clip.clip_id}.wav", samples, 16_000)
    return folder


def test_bars_hold_the_probabilities_of_the_run_and_the_acted_emotion_is_marked(fused: list[Graded]) -> None:
    recorded = recorded_of(fused)
    text = page(fused)
    shown = [clip for part in (recorded.right, recorded.wrong, recorded.disputed) for clip in part]
    # Together, voice, face for each emotion; clips hold voice, face, together.
    expected = [clip.probs[[2, 0, 1]].T.ravel() for clip in shown]
    np.testing.assert_array_equal(Cards(text).probs, np.concatenate(expected))
    classes = recorded.entries[0].probs.classes
    acted = re.findall(r'scope="row">(\w+) <span class="rv-truth">acted</span>', text)
    assert acted == [classes[clip.truth] for clip in shown]


def test_markdown_has_a_table_of_the_same_clips(fused: list[Graded]) -> None:
    recorded = recorded_of(fused)
    text = render_markdown(Document("Report", (), (), (clips_section(fused),)))
    for part in (recorded.right, recorded.wrong, recorded.disputed):
        for clip in part:
            assert f"| {clip.clip_id} | {clip.actor} | {clip.fold} |" in text
    assert "rv-" not in text


def test_without_being_asked_no_recording_is_in_the_page(fused: list[Graded]) -> None:
    text = page(fused)
    assert "<audio" not in text
    assert "part of this file" not in text


def test_asked_for_every_card_plays_its_clip_and_the_page_says_so(fused: list[Graded], tmp_path: Path) -> None:
    text = page(fused, recordings(fused, tmp_path / "data"))
    recorded = recorded_of(fused)
    sources = Cards(text).audio
    assert len(sources) == len([*recorded.right, *recorded.wrong, *recorded.disputed])
    assert len(set(sources)) == len(recorded.clips)
    assert "They were generated: no recordings of people, no terms." in text


@pytest.mark.parametrize(
    ("corpus", "terms"),
    [
        ("ravdess", "They are from RAVDESS, CC BY-NC-SA 4.0 (https"),
        ("mine", "ravfeat does not know the terms of the corpus 'mine': read them before you pass this file on"),
    ],
)
def test_terms_are_those_of_the_corpus(corpus: str, terms: str, make_run: Make, tmp_path: Path) -> None:
    graded = graded_of([make_run(synthetic=False, recipe={"corpus": corpus})])
    text = render_markdown(Document("Report", (), (), (clips_section(graded, recordings(graded, tmp_path / "data")),)))
    assert "whoever passes it on passes them on" in text
    assert terms in text


def test_a_leaky_run_says_so_in_every_part(fused: list[Graded]) -> None:
    section = clips_section([entry for entry in fused if entry.leaky])
    assert len(section.subsections) == 3
    assert all(part.leaky and all(row.leaky for row in part.tables[0].rows) for part in section.subsections)
    assert "LEAKY" in section.paragraphs[0]


def test_a_report_takes_the_recordings_of_a_folder(make_run: Make, tmp_path: Path) -> None:
    run = make_run(heads={"logreg": 1.0}, folds=2, seeds=1)
    data = recordings(graded_of([run]), tmp_path / "data")
    with without_ink():
        text = build_report([run], tmp_path / "report", audio=data).read_text(encoding="utf-8")
    assert len(Cards(text).audio) == 6
