"""The page in real Chromium: uploads, a fake microphone and camera, a phone and a desk, light and dark."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ravfeat import load_head
from ravfeat.demo.page.answers import answers_of
from ravfeat.schema import RAVDESS_LABELS
from tests.toyprediction import VOICE, facts_of_toy, prediction_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright, of the extra dev, is not installed")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH (Debian, Ubuntu: apt install chromium)"),
    # gradio and what it brings warn of each other's next versions.
    pytest.mark.filterwarnings("default"),
    pytest.mark.usefixtures("tidy_gradio"),
]

VOICES = {"voice (attentive)", "voice (logreg)"}
ALL = {"together", "face"} | VOICES
ANSWER_MS = 30_000
# A busy machine encodes a camera's pictures late, and gradio takes what there is when recording is stopped.
COUNT_RECORDED = """
window.recorded = 0;
const start = MediaRecorder.prototype.start;
MediaRecorder.prototype.start = function (...options) {
  this.addEventListener("dataavailable", event => { window.recorded += event.data.size; });
  return start.apply(this, options);
};
"""
SIZES = {"desk, light": (1280, 844, "light"), "phone, dark": (390, 844, "dark")}
CELL = re.compile(r'data-answer="([^"]*)" data-label="([^"]*)" data-p="([^"]*)"')


@pytest.fixture(scope="module")
def server(demo: Any) -> Iterator[str]:
    """Address of the page of the toy head."""
    from ravfeat.demo.serve import serving

    with serving(demo.head, models=demo.models, device="cpu", offline=True) as running:
        yield running.url


@pytest.fixture(scope="module")
def chromium(demo: Any) -> Iterator[Any]:
    """A browser whose microphone hears the voice, and whose camera sees a moving pattern."""
    arguments = [
        "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={demo.voice}",
    ]  # fmt: skip
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def predicted(demo: Any) -> Callable[[Path], dict[tuple[str, str], float]]:
    """What `ravfeat predict` says of a file, by answer and label."""

    def predict(path: Path) -> dict[tuple[str, str], float]:
        with load_head(demo.head, sources=["refit"]).predictor(models=demo.models, device="cpu") as predictor:
            prediction = predictor(path)
        return {
            (answer.name, label): float(prob)
            for answer in answers_of(prediction.summary)
            if answer.probs is not None
            for label, prob in zip(prediction.classes, answer.probs, strict=True)
        }

    return predict


@contextmanager
def opened(chromium: Any, server: str, size: str = "desk, light") -> Iterator[Any]:
    """Open the page; afterwards no request may have left, and nothing may have gone wrong."""
    width, height, scheme = SIZES[size]
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, permissions=["microphone", "camera"]
    )
    page = context.new_page()
    page.add_init_script(COUNT_RECORDED)
    requests: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    try:
        page.goto(server)
        page.get_by_role("tab", name="Voice and face").wait_for()
        yield page
        assert page.evaluate("document.documentElement.scrollWidth") <= width  # no sideways scrolling
        assert [url for url in requests if not url.startswith((server, "data:", "blob:"))] == []
        assert faults == []
    finally:
        context.close()


def upload(page: Any, path: Path) -> str:
    """Upload a file in the open tab and wait for the answer."""
    page.locator('button[aria-label="Upload file"]:visible').click()
    page.locator("input[type=file]").last.set_input_files(path)
    return answer(page)


def answer(page: Any) -> str:
    shown = page.locator(".rv-answer:visible .rv-page")
    shown.wait_for(timeout=ANSWER_MS)
    return str(shown.evaluate("part => part.outerHTML"))


def bars(html: str) -> dict[tuple[str, str], float]:
    return {(name, label): float(prob) for name, label, prob in CELL.findall(html)}


@pytest.mark.parametrize("size", SIZES)
def test_an_uploaded_video_gets_the_bars_of_predict(size, chromium, server, demo, predicted) -> None:
    with opened(chromium, server, size) as page:
        html = upload(page, demo.video)
        sentence = page.locator(".rv-answer:visible .rv-sentence").bounding_box()
        assert sentence["y"] + sentence["height"] < 844  # above the fold
        paper = page.evaluate("getComputedStyle(document.querySelector('.rv-page')).colorScheme")
    expected = predicted(demo.video)
    assert bars(html) == pytest.approx(expected, abs=1e-6)
    assert {name for name, _ in expected} == ALL
    assert html.count('src="data:image/jpeg;base64,') == 6
    assert paper == size.split(", ")[1]


def test_an_uploaded_voice_gets_the_bars_of_predict_and_a_silent_one_a_reason(
    chromium, server, demo, predicted
) -> None:
    with opened(chromium, server) as page:
        page.get_by_role("tab", name="Voice", exact=True).click()
        assert page.locator(".rv-answer[aria-live]:visible").count() == 1  # where the answer will be
        html = upload(page, demo.voice)
        assert page.locator(".rv-answer[aria-live]:visible .rv-page").count() == 1
        page.get_by_role("button", name="Clear").locator("visible=true").click()
        page.locator(".rv-hint:visible").wait_for()
        silent = upload(page, demo.silent)
    voice = {key: prob for key, prob in predicted(demo.voice).items() if key[0] in VOICES}
    assert bars(html) == pytest.approx(voice, abs=1e-6)
    assert "No answer: the recording is silent" in silent
    assert "data-p" not in silent
    assert str(demo.silent) not in silent


def test_the_answer_to_the_microphone_begins_when_recording_stops(chromium, server) -> None:
    with opened(chromium, server) as page:
        page.get_by_role("tab", name="Voice", exact=True).click()
        page.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(2000)
        page.get_by_role("button", name="Stop", exact=True).locator("visible=true").click()
        html = answer(page)
    assert {name for name, _ in bars(html)} == VOICES
    assert "rv-wave" in html


def test_the_camera_is_seen_and_heard(chromium, server) -> None:
    with opened(chromium, server, "phone, dark") as page:
        page.get_by_title("grant webcam access").click()
        page.locator(".capture-button").click()
        page.wait_for_function("window.recorded > 60_000")
        page.locator(".capture-button").click()
        html = answer(page)
    # Fake cameras give few pictures on a busy machine.
    assert {name for name, _ in bars(html)} == ALL
    assert html.count('src="data:image/jpeg;base64,') >= 2
    assert "rv-found" in html


def test_texts_of_a_hostile_head_are_text(chromium) -> None:
    from ravfeat.demo.answer import Answerer
    from ravfeat.demo.app import running

    texts = ("${window.x = 1}", "{{window.x = 2}}", "<img src=x onerror=window.x=3>", "</script><script>window.x = 4")
    prediction = replace(prediction_of({VOICE: (RAVDESS_LABELS[0], 0.7)}), classes=(*texts, *RAVDESS_LABELS[4:]))
    answerer = Answerer(lambda _: prediction, facts_of_toy(name=" ".join(texts)))
    with running(answerer, ["audio"]) as server:
        page = chromium.new_page()
        page.goto(server.url)
        page.get_by_role("button", name="acted happy").click()  # a generated example
        answer(page)
        assert page.locator(".rv-bars").first.locator("tbody th").all_inner_texts()[:4] == list(texts)
        assert page.locator(".rv-head h1").inner_text() == " ".join(texts)
        assert page.evaluate("window.x") is None
        page.close()


@pytest.mark.shared
def test_real_recordings_get_the_bars_of_predict(chromium, server, predicted, shared) -> None:
    video = shared / "data/ravdess_video/Actor_01/01-01-08-02-02-02-01.mp4"
    voice = shared / "data/ravdess/Actor_01/03-01-08-02-02-02-01.flac"
    with opened(chromium, server, "phone, dark") as page:
        seen = upload(page, video)
        page.get_by_role("tab", name="Voice", exact=True).click()
        heard = upload(page, voice)
    assert bars(seen) == pytest.approx(predicted(video), abs=1e-6)
    assert bars(heard) == pytest.approx(
        {key: prob for key, prob in predicted(voice).items() if key[0] in VOICES}, abs=1e-6
    )
    assert "unlike what this head has learned from" in seen
    assert "rv-named" not in seen
