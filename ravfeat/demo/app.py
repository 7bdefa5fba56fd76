"""The page as a local server: record or upload, and the answer begins by itself. The only importer of gradio.

Nothing is asked of another host: no analytics, no fonts, no scripts from elsewhere; a content security policy makes the
browser refuse what would leave. Uploads are gone within an hour.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read when gradio is imported: analytics and version checks ask its makers' servers.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# gradio asks its own server whether it runs, and would ask by way of a proxy.
os.environ["NO_PROXY"] = f"localhost,127.0.0.1,{os.environ.get('NO_PROXY') or os.environ.get('no_proxy', '')}"
os.environ["no_proxy"] = os.environ["NO_PROXY"]

import gradio as gr
from markupsafe import Markup

from ravfeat.corpora.synth import generate
from ravfeat.demo.answer import MAX_S, Answerer, no_answer
from ravfeat.demo.guard import MAX_UPLOAD, Guard
from ravfeat.demo.page import stylesheet
from ravfeat.demo.uploads import EXAMPLES, is_upload, server_folder, swept
from ravfeat.errors import RavfeatError, UsageError
from ravfeat.escape import printable
from ravfeat.schema import SEVERAL_STREAMS

__all__ = ["Running", "build", "running"]

_SWEEP_S, _KEEP_S = 300, 3000
"""How often old uploads are looked for, and how old they may be: nothing is kept for an hour."""

_WAITING = 20
"""Recordings that may wait for their turn; one is answered at a time."""

_QUEUE = "answers"

_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Arial", "sans-serif"]
_CSS = """
.gradio-container { width: 100%; max-width: 74rem !important; margin-inline: auto !important; }
.rv-head.rv-head h1 { font-size: 1.15rem; line-height: 1.3; margin: 0; font-weight: 650; }
.rv-head.rv-head p { margin: 0.1rem 0 0; font-size: 0.9rem; opacity: 0.8; }
.rv-answer { min-height: 3rem; }
.rv-hint { color: light-dark(#56606a, #a9b2bb); color-scheme: light; font-size: 0.95rem; }
.dark .rv-hint { color-scheme: dark; }
.html-container:has(.rv-head, .rv-answer) { padding: 0 !important; }
@media (max-width: 640px) {
  .gradio-container .main.app { padding: 0.6rem 0.8rem !important; }
  .rv-head.rv-head p { font-size: 0.8rem; line-height: 1.3; }
  .block.rv-video { height: 14.5rem !important; }
}
"""

# The answer is read aloud when it comes. A tab's parts are not there before it is looked at.
_LIVE = """() => {
  const live = () => document.querySelectorAll(".rv-answer .rv-answer:not([aria-live])").forEach(
    part => part.setAttribute("aria-live", "polite"));
  live();
  new MutationObserver(live).observe(document.body, { childList: true, subtree: true });
}"""

_HEAD = Markup('<header class="rv-head"><h1>{}</h1><p>{}</p></header>')
_HINT = Markup('<p class="rv-hint">{}</p>')
_EXAMPLES = {"happy": "03-01-03-02-01-01-01", "sad": "03-01-04-02-01-01-01", "angry": "03-01-05-02-01-01-01"}


def build(answerer: Answerer, streams: Sequence[str], *, examples: Mapping[str, Path] | None = None) -> gr.Blocks:
    """Lay out the page.

    Parameters
    ----------
    answerer : Answerer
    streams : sequence of str
        Of the head's systems; they decide on the tabs.
    examples : mapping of str to Path, optional
        Sounds that may be shown, by what they are called.

    Raises
    ------
    UsageError
        Where no system listens to a voice or looks at a face.
    """
    hears, sees = "audio" in streams, bool({"face", *SEVERAL_STREAMS} & set(streams))
    if not hears and not sees:
        raise UsageError(f"the page records voices and faces, and this head reads {', '.join(streams) or 'nothing'}")
    with gr.Blocks(title=f"{answerer.facts.name} — ravfeat", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(str(_HEAD.format(printable(answerer.facts.name), _about(hears, sees))))
        with gr.Tabs():
            if sees:
                with gr.Tab("Voice and face" if hears else "Face"):
                    _tab(_video, answerer, None, {})
            if hears:
                with gr.Tab("Voice"):
                    _tab(_audio, answerer, ["audio"], examples or {})
    blocks.queue(max_size=_WAITING, default_concurrency_limit=1)
    return blocks


def _about(hears: bool, sees: bool) -> str:  # noqa: FBT001 (two facts of one head)
    says = "voice and face say" if hears and sees else "a voice says" if hears else "a face says"
    return f"What {says} in a few seconds of speech, {MAX_S:.0f} at most. Recordings are gone within the hour."


def _video() -> Any:
    # What a face needs, on slow machines too: gradio loses what the recorder has not yet encoded when it is stopped.
    # Without sound, it would run the program ffmpeg on every recording.
    webcam = gr.WebcamOptions(mirror=False, constraints={"video": {"width": 640, "height": 480, "frameRate": 25}})
    return gr.Video(sources=["webcam", "upload"], label="Recording", include_audio=True, webcam_options=webcam,
                    height=300, elem_classes="rv-video", buttons=[])  # fmt: skip


def _audio() -> Any:
    return gr.Audio(sources=["microphone", "upload"], type="filepath", label="Recording", editable=False,
                    buttons=[])  # fmt: skip


def _tab(
    make: Callable[[], Any], answerer: Answerer, streams: Sequence[str] | None, examples: Mapping[str, Path]
) -> None:
    def answer(path: str | None) -> str:
        if path is None:
            return hint
        # A request may name whatever a visitor writes, and decoders open addresses too.
        if not is_upload(path, Path(recording.GRADIO_CACHE)):
            return str(no_answer("this is no recording that was uploaded here"))
        return str(answerer.answer(Path(path), streams))

    hint = str(_HINT.format("Record a few seconds, or upload a file; the answer begins by itself."))
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            recording = make()
            _keep_local(recording)
        with gr.Column(scale=3, min_width=300):
            shown = gr.HTML(hint, elem_classes="rv-answer", js_on_load=None, apply_default_css=False)
    events: dict[str, Any] = {
        "fn": answer, "inputs": recording, "outputs": shown, "api_visibility": "private", "concurrency_limit": 1,
        "concurrency_id": _QUEUE, "show_progress": "minimal", "trigger_mode": "always_last",
    }  # fmt: skip
    gr.on([recording.stop_recording, recording.upload, recording.clear], **events)
    if examples:
        gr.Markdown("Generated voices, of nobody:")
        with gr.Row():
            for name, path in examples.items():
                _example(gr.Button(name, size="sm"), str(path), answer, {**events, "outputs": [recording, shown]})


def _example(button: Any, path: str, answer: Callable[[str], str], events: Mapping[str, Any]) -> None:
    button.click(**{**events, "fn": lambda: (path, answer(path)), "inputs": None})


def _keep_local(component: Any) -> None:
    """Refuse addresses in place of uploads, which gradio would fetch."""
    fetch = component.async_move_resource_to_block_cache

    async def move(place: Any) -> Any:
        if place is not None and "://" in str(place):
            raise gr.Error("upload the recording itself; addresses are not fetched")
        return await fetch(place)

    component.async_move_resource_to_block_cache = move


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes
    ----------
    url : str
    wait : callable
        Waits for an interruption.
    """

    url: str
    wait: Callable[[], None]


@contextmanager
def running(
    answerer: Answerer, streams: Sequence[str], *, host: str = "127.0.0.1", port: int | None = None
) -> Iterator[Running]:
    """Serve the page until the block ends.

    Parameters
    ----------
    answerer, streams
        As for `build`.
    host : str
        ``0.0.0.0`` lets other machines ask too; browsers lend their microphone to ``localhost`` and https only.
    port : int, optional
        The first free one from 7860 on by default.

    Raises
    ------
    UsageError
        See `build`.
    RavfeatError
        Where the port is taken.
    """
    from starlette.middleware import Middleware

    with server_folder() as folder:
        uploads = folder / "uploads"
        before = os.environ.get("GRADIO_TEMP_DIR")
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)
        try:
            # Among the uploads, as only these are served.
            blocks = build(answerer, streams, examples=_examples(uploads / EXAMPLES) if "audio" in streams else {})
            url = _launch(blocks, host, port, Middleware(Guard, uploads=uploads, host=host))
            try:
                with swept(uploads, _SWEEP_S, _KEEP_S):
                    yield Running(url, _forever)
            finally:
                blocks.close(verbose=False)
        finally:
            os.environ.pop("GRADIO_TEMP_DIR")
            if before is not None:
                os.environ["GRADIO_TEMP_DIR"] = before


def _forever() -> None:
    threading.Event().wait()


def _launch(blocks: gr.Blocks, host: str, port: int | None, guard: Any) -> str:
    try:
        _, url, _ = blocks.launch(
            server_name=host, server_port=port, prevent_thread_lock=True, quiet=True, share=False, inbrowser=False,
            show_error=False, footer_links=[], run_history=False, enable_monitoring=False, ssr_mode=False, pwa=False,
            mcp_server=False, max_file_size=MAX_UPLOAD, head=f"<style>{stylesheet()}{_CSS}</style>", js=_LIVE,
            theme=gr.themes.Base(font=_FONTS, font_mono=["ui-monospace", "monospace"]),
            app_kwargs={"middleware": [guard], "docs_url": None, "redoc_url": None, "openapi_url": None},
        )  # fmt: skip
    except OSError as error:
        raise RavfeatError(f"no server at {host}, port {port or 7860}: {error}; choose another --port") from error
    return str(url)


def _examples(folder: Path) -> dict[str, Path]:
    """Generate a voice, which may be shown to everybody."""
    generate(folder, actors=1)
    return {f"acted {label}": folder / "Actor_01" / f"{stem}.wav" for label, stem in _EXAMPLES.items()}
