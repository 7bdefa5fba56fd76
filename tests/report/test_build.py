import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.image import imread

from ravfeat.errors import PredictionsError
from ravfeat.predictions import Predictions
from ravfeat.report import build_report
from tests.conftest import without_ink
from tests.report.simulated import write_made, write_run

VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}


class Page(HTMLParser):
    """Collects ids and references, and checks that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.drawings: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        self.attributes |= found.keys()
        self.ids += [str(found["id"])] if "id" in found else []
        self.references += [str(v) for k, v in attrs if k in ("src", "href", "xlink:href", "srcset", "action")]
        if tag == "svg":
            self.drawings.append(found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module", params=["built", "fused_report"])
def folder(request: pytest.FixtureRequest) -> Path:
    """A report of two runs, and one of two runs with fusions."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text()


def test_the_page_asks_nothing_of_the_network(html: str) -> None:
    page = Page(html)
    assert page.references
    assert all(reference.startswith("#") for reference in page.references)
    assert not re.search(r"@import|url\((?!#)|<script|<iframe|<link", html)


def test_the_page_is_well_formed_and_its_ids_are_unique(html: str) -> None:
    page = Page(html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    missing = {reference[1:] for reference in page.references} - set(page.ids)
    assert not missing


def test_every_drawing_has_a_name_and_a_description(html: str) -> None:
    page = Page(html)
    assert len(page.drawings) == html.count("<figure ")
    for drawing in page.drawings:
        title, description = str(drawing["aria-labelledby"]).split()
        assert drawing["role"] == "img"
        assert re.search(rf'<desc id="{description}">[^<]{{40,}}</desc>', html)
        assert title in page.ids


@pytest.mark.parametrize(
    ("report", "drawings"),
    [
        # headline, pairs of either split, leak gap, folds; layers of two; of four systems reliability, recall and
        # confusion
        ("built", 5 + 2 + 4 * 3),
        # headline, gains of either split, leak gap, folds; of two fusions gains by fold, recall with three matrices,
        # two surfaces; layers of two; of ten systems reliability, recall and confusion
        ("fused_report", 5 + 2 * (1 + 4 + 2) + 2 + 10 * 3),
    ],
)
def test_every_part_of_the_argument_is_drawn(request: pytest.FixtureRequest, report: str, drawings: int) -> None:
    assert len(list((request.getfixturevalue(report) / "figures").glob("*.svg"))) == drawings


def test_a_table_follows_every_drawing(html: str) -> None:
    assert len(
        re.findall(r"</figure>\s*(?:<details><summary>[^<]*</summary>)?<div class=\"scroll\">\s*<table", html)
    ) == (html.count("<figure "))


def test_the_argument_has_its_order(fused_report: Path) -> None:
    titles = re.findall(r"^## (.*)$", (fused_report / "report.md").read_text(), re.MULTILINE)
    assert titles == [
        "Results",
        "What fusing gains",
        "The leak gap",
        "Fold by fold",
        "Emotion by emotion",
        "Recorded predictions",
        "Layer weights",
        "Calibration",
        "The mixing weight",
        "The data",
        "What this does not show",
        "System by system",
        "How it was made",
    ]


def test_drawings_follow_light_and_dark(html: str) -> None:
    assert "prefers-color-scheme: dark" in html
    drawings = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert "var(--ink)" in drawings
    assert not re.search(r"#(1b1f24|0072b2|cc79a7|009e73|d55e00|d4d9df)", drawings)
    assert not re.search(r"fill: ?#fff", drawings)


def test_every_drawing_is_also_a_picture_and_a_file(folder: Path, html: str) -> None:
    names = {path.stem for path in (folder / "figures").glob("*.svg")}
    assert names == {path.stem for path in (folder / "figures").glob("*.png")}
    assert len(names) == html.count("<figure ")
    for path in (folder / "figures").glob("*.png"):
        assert np.ptp(imread(path)[..., :3]) > 0.5, f"{path.name} is blank"
    assert 'xmlns="http://www.w3.org/2000/svg"' in (folder / "figures" / "headline.svg").read_text()


def test_markdown_points_at_every_figure(folder: Path) -> None:
    links = re.findall(r"^!\[[^\]]{40,}\]\((.*?)\)$", (folder / "report.md").read_text(), re.MULTILINE)
    assert len(links) == len(list((folder / "figures").glob("*.png")))
    assert all((folder / link).is_file() for link in links)


def test_the_same_runs_give_the_same_bytes(two_runs: list[Path], built: Path, tmp_path: Path) -> None:
    again = build_report(two_runs, tmp_path / "again").parent
    files = sorted(path.relative_to(built) for path in built.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [name for name in files if (built / name).read_bytes() != (again / name).read_bytes()] == []


@pytest.mark.slow  # the largest report a second time; that runs without fusions give the same bytes is tested above
def test_the_same_fusions_give_the_same_text(fused_runs: list[Path], fused_report: Path, tmp_path: Path) -> None:
    with without_ink():  # the page has the drawings in it
        again = build_report(fused_runs, tmp_path / "again").parent
    assert (again / "report.md").read_bytes() == (fused_report / "report.md").read_bytes()


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_leaky_stands_wherever_a_leaky_number_stands(folder: Path, name: str) -> None:
    text = re.sub(r"<[^>]+>", "", (folder / name).read_text())
    assert "clip6" in text
    recipes = text.index("How it was made", text.rindex("Percent of the true"))
    for match in re.finditer("clip6", text[:recipes]):
        around = text[max(0, match.start() - 40) : match.end() + 40]
        assert "LEAKY" in around or re.search(r"(quick|both)-clip6", around), around


def test_every_row_and_part_of_a_leaky_fusion_says_so(fused_report: Path) -> None:
    page = (fused_report / "report.html").read_text()
    parts = re.split(r"(?=<section )", page[page.index("<main>") : page.index('<section id="recipes"')])
    leaky = [part for part in parts if "clip6" in part.split("</h")[0] or "leaky-part" in part.split(">")[0]]
    assert len(leaky) >= 5 + 6  # five systems; gains, pairs, weights by fold, emotions with matrices, mixing
    for part in leaky:
        text = re.sub(r"<[^>]+>", "", part)
        assert "LEAKY" in text[:200]


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_synthetic_stands_in_every_row_of_numbers(folder: Path, name: str) -> None:
    text = (folder / name).read_text()
    rows = re.findall(r"<tr.*?</tr>", text, re.DOTALL) if name.endswith("html") else text.splitlines()
    systems = [row for row in rows if "logmel-0f3c9a" in row and ("<th" in row or row.startswith("|"))]
    assert len(systems) > 20
    assert all("synthetic" in row for row in systems)


def test_names_cannot_inject_markup(make_run: Callable[..., Path], tmp_path: Path) -> None:
    evil = "<img src=//evil>&\"'$x_1$"
    run = make_run("run", heads={evil: 1.0}, folds=2, seeds=1)
    text = build_report([run], tmp_path / "out").read_text()
    page = Page(text)
    assert page.open == []
    assert "//evil" not in page.references
    assert "<img" not in text
    assert "$x_1$" in text


def test_a_lonely_run_has_no_leak_gap(make_run: Callable[..., Path], tmp_path: Path) -> None:
    page = build_report([make_run("alone", heads={"logreg": 1.0})], tmp_path / "out")
    text = page.read_text()
    assert "leak gap" not in text.lower()
    assert "LEAKY" not in text
    assert "layer weights" not in text.lower()


def test_a_report_of_a_clip_split_alone_is_leaky_from_the_first_line(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run("clips", heads={"logreg": 1.0}, protocol="clip6", leaky=True)
    text = (build_report([run], tmp_path / "out").parent / "report.md").read_text()
    assert "LEAKY" in text[:300]
    assert "With actors kept apart" not in text


def test_runs_that_cannot_be_paired_say_so(make_run: Callable[..., Path], tmp_path: Path) -> None:
    honest = make_run("honest", heads={"logreg": 1.0}, takes=16)
    leaky = make_run("leaky", heads={"logreg": 1.0}, takes=24, protocol="clip6", leaky=True)
    text = (build_report([honest, leaky], tmp_path / "out").parent / "report.md").read_text()
    assert "group4 and clip6 LEAKY: the systems cannot be compared: " in text
    assert "performances only on the first side" in text


def test_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="name at least one run folder"):
        build_report([], tmp_path)


def test_on_a_desktop_the_headline_figure_stands_beside_the_summary(html: str) -> None:
    top = html[html.index('<div class="top">') : html.index('<section id="differences">')]
    assert top.index("<h1>") < top.index('<p class="summary">') < top.index('<figure id="figure-headline">')
    assert ".top, .pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr));" in html
    assert "logmel-0f3c9a" in re.findall(r"<h1>(.*?)</h1>", top)[0]
    assert re.search(r'<p class="summary">\d+ systems graded on sim, a synthetic corpus', top)


HOSTILE = (
    '</title><script>alert(1)</script>--><img src=x onerror=y> [x](https://evil.example) "\' onload="a" `c` $x^2$ |_y*'
)


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run whose names hold HTML, links and marks."""
    base = tmp_path_factory.mktemp("hostile")
    run = write_run(base / "run", actors=4, folds=2, protocol="group2", seeds=1)
    found = Predictions.read(run / "predictions.parquet")
    names = dict(zip(found.classes, [HOSTILE, "_[y]: https://evil.example", *found.classes[2:]], strict=True))
    table = found.table
    for column, rename in {
        "label": names.__getitem__, "actor": lambda name: name + HOSTILE,
        "features": lambda name: name + HOSTILE, "head": lambda name: name + HOSTILE,
    }.items():  # fmt: skip
        at = table.column_names.index(column)
        table = table.set_column(at, column, pa.array(map(rename, table[column].to_pylist())))
    (run / "layer_weights.json").unlink()
    (run / "recipe.json").write_text(json.dumps({"corpus": HOSTILE, "command": HOSTILE, "note": "\u202e\x9b```"}))
    write_made(run, Predictions(table, tuple(names.values()), HOSTILE, leaky=False, select="val", synthetic=True))
    return build_report([run], base / "report").parent


def test_names_make_no_elements_of_a_page_and_point_nowhere(hostile_report: Path) -> None:
    page = Page((hostile_report / "report.html").read_text(encoding="utf-8"))
    assert not {"script", "img", "iframe", "object"} & page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    assert all(reference.startswith("#") for reference in page.references)


def test_names_make_no_elements_of_a_drawing(hostile_report: Path) -> None:
    drawings = list((hostile_report / "figures").glob("*.svg"))
    assert drawings
    for path in drawings:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert not {"script", "a", "image", "foreignObject"} & tags


def test_names_make_no_links_and_no_html_of_markdown(hostile_report: Path) -> None:
    text, *recipes = (hostile_report / "report.md").read_text(encoding="utf-8").split("```json\n")
    assert "evil.example" in text
    assert not re.search(r"(?<!\\)<", text)
    assert not re.search(r"(?<!\\):/?/", text)
    assert set(re.findall(r"(?<!\\)\]\((?!figures/)", text)) == set()
    assert recipes
    for recipe in recipes:
        assert recipe.count("\n```\n") == 1  # the end of the block, and no other
        assert not {"\u202e", "\x9b"} & set(recipe)
