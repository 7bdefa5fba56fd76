"""Build a report: read run folders, write HTML, Markdown and figures."""

from collections.abc import Sequence
from pathlib import Path

from ravfeat.files import replace_file
from ravfeat.progress import track_progress
from ravfeat.report.compose import compose
from ravfeat.report.drawings.style import Drawing, render
from ravfeat.report.graded import grade
from ravfeat.report.page.document import Section
from ravfeat.report.page.html import render_html
from ravfeat.report.page.markdown import render_markdown
from ravfeat.runs.read import read_runs

__all__ = ["build_report"]


def build_report(runs: Sequence[Path], out: Path, *, front: Section | None = None, audio: Path | None = None) -> Path:
    """Write ``report.html``, ``report.md`` and ``figures/*.png`` and ``*.svg``.

    Parameters
    ----------
    runs : sequence of Path
        Run folders; see `report.runs` for what they hold.
    out : Path
        Folder to write to; made if missing, files of an earlier report are replaced.
    front : Section, optional
        What stands before everything else.
    audio : Path, optional
        Folder with the recordings of the tested clips. Those of the few clips that are shown one by one are put into
        the page, under their own terms.

    Returns
    -------
    Path
        ``out/report.html``, which needs no other file.

    Raises
    ------
    PredictionsError
        A run folder is incomplete, damaged, or contradicts itself.
    UsageError
        `audio` is no folder, or holds none of these clips.
    """
    read = read_runs(runs)
    document = compose(read, grade(read), front=front, audio=audio)
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Drawing] = {}
    for figure in track_progress(document.figures(), desc="figures", unit="figure"):
        drawing = drawings[figure.name] = render(figure.canvas)
        replace_file(figures / f"{figure.name}.png", drawing.png)
        replace_file(figures / f"{figure.name}.svg", drawing.file().encode())
    replace_file(out / "report.md", render_markdown(document).encode())
    page = out / "report.html"
    replace_file(page, render_html(document, drawings).encode())
    return page
