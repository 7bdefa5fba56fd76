import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from huggingface_hub import SpaceCard, metadata_load

import ravfeat
from ravfeat import load_head
from ravfeat.demo.space import FACE_REQUIREMENTS, REQUIREMENTS, export_space
from ravfeat.errors import CorpusError, EncoderError, HeadError, UsageError
from tests.published.hostile import put, sign, toml

PYPROJECT = tomllib.loads((Path(ravfeat.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def passed_on(demo, folder: Path) -> dict[str, str]:
    """The face net, with a licence beside it."""
    net = Path(demo.models["tiny"])
    for path in (net, net.with_suffix(".toml")):
        shutil.copy(path, folder / path.name)
    with (folder / "tiny.toml").open("a", encoding="utf-8") as file:
        file.write('licence = "MIT"\n')
    return {"tiny": str(folder / "tiny.onnx")}


def changed(demo, folder: Path, **values: object) -> Path:
    copy = Path(shutil.copytree(demo.head, folder / "copy"))
    for name, value in values.items():
        put("head.toml", name, value)(copy)
    sign(copy)
    return copy


def test_the_folder_is_a_space_with_a_card_that_the_hub_reads(demo, tmp_path) -> None:
    space = tmp_path / "space"
    names = export_space(demo.head, space, models=passed_on(demo, tmp_path))
    assert names == [
        "LICENSE", "README.md", "app.py", "head/", "models/", "ravfeat/", "requirements.txt",
    ]  # fmt: skip
    facts = metadata_load(space / "README.md")
    assert facts == SpaceCard.load(space / "README.md").data.to_dict()
    assert (facts["sdk"], facts["app_file"], facts["license"]) == ("gradio", "app.py", "apache-2.0")
    assert facts["sdk_version"] == re.search(r"gradio==(\S+)", (space / "requirements.txt").read_text())[1]
    assert len(facts["short_description"]) <= 60
    assert list(load_head(space / "head").models) == ["refit"]
    assert (space / "models" / "tiny.onnx").read_bytes() == Path(demo.models["tiny"]).read_bytes()
    assert not list(space.rglob("__pycache__"))
    assert (space / "ravfeat" / "demo" / "page" / "page.css").is_file()
    ast.parse((space / "app.py").read_text(encoding="utf-8"))


def test_the_exported_folder_predicts_from_its_own_files(demo, tmp_path) -> None:
    space = tmp_path / "space"
    export_space(demo.head, space, models=passed_on(demo, tmp_path))
    code = (
        "import app, ravfeat, sys\n"
        "assert ravfeat.__file__.startswith(str(app.HERE)), ravfeat.__file__\n"
        "models = {name: str(app.HERE / place) for name, place in app.MODELS.items()}\n"
        "with ravfeat.load_head(app.HERE / 'head').predictor(models=models, device='cpu', offline=True) as predictor:\n"
        "    print(predictor(sys.argv[1]).summary.systems[-1].status)\n"
    )
    command = [sys.executable, "-c", code, str(demo.video)]
    done = subprocess.run(
        command, cwd=space, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "ok\n", done.stderr


def test_what_a_space_installs_is_what_the_extras_name() -> None:
    extras = PYPROJECT["optional-dependencies"]

    def names(lines: list[str]) -> set[str]:
        return {re.split(r"[<>=\[]", line)[0] for line in lines} - {"ravfeat"}

    needed = names(PYPROJECT["dependencies"]) | names(extras["extract"] + extras["heads"] + extras["fuse"])
    assert set(REQUIREMENTS) == needed | names(extras["demo"]) | {"pillow"}
    assert set(FACE_REQUIREMENTS) == names(extras["face"]) - {"pillow"}


def test_ravdess_heads_carry_its_licence_and_its_authors(demo, tmp_path) -> None:
    head = changed(demo, tmp_path, corpus="ravdess", synthetic=False)
    export_space(head, tmp_path / "space", models=passed_on(demo, tmp_path))
    assert metadata_load(tmp_path / "space" / "README.md")["license"] == "cc-by-nc-sa-4.0"
    text = (tmp_path / "space" / "README.md").read_text(encoding="utf-8")
    for part in (
        "Livingstone SR, Russo FA (2018)",
        "10.5281/zenodo.1188976",
        "CC BY-NC-SA 4.0",
        "no recording is here",
    ):
        assert part in text
    with pytest.raises(CorpusError, match=r"published under cc-by-nc-sa-4\.0, not mit .*; leave --licence out"):
        export_space(head, tmp_path / "other", licence="mit")


def test_what_its_terms_may_forbid_is_not_exported_before_somebody_read_them(demo, tmp_path) -> None:
    head = changed(demo, tmp_path, corpus="mine", synthetic=False)
    with pytest.raises(CorpusError, match=r"does not know the terms of the corpus 'mine'.*--licence cc-by-4"):
        export_space(head, tmp_path / "space", models=passed_on(demo, tmp_path))
    assert not (tmp_path / "space").exists()
    with pytest.raises(UsageError, match="expected a licence as the hub calls it"):
        export_space(head, tmp_path / "space", licence="do what you want\n")
    export_space(head, tmp_path / "space", models=passed_on(demo, tmp_path), licence="cc-by-4.0")
    assert metadata_load(tmp_path / "space" / "README.md")["license"] == "cc-by-4.0"


def test_a_head_without_refitted_heads_is_refused(demo, tmp_path) -> None:
    copy = Path(shutil.copytree(demo.head, tmp_path / "copy"))
    toml("head.toml", lambda about: about.pop("refit"))(copy)
    sign(copy)
    with pytest.raises(HeadError, match=r"no refitted heads.*export-heads RUN --to HEAD --refit"):
        export_space(copy, tmp_path / "space")


def test_a_net_without_a_licence_or_that_nobody_names_is_not_passed_on(demo, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(EncoderError, match=r"under which licence .*tiny\.onnx may be passed on"):
        export_space(demo.head, tmp_path / "space", models=demo.models)
    with pytest.raises(EncoderError, match=r"cannot fetch the encoder 'tiny'.*--model tiny=NET.onnx"):
        export_space(demo.head, tmp_path / "space")
    assert not (tmp_path / "space").exists()


def test_what_is_there_is_replaced_by_force_only(demo, tmp_path) -> None:
    models = passed_on(demo, tmp_path)
    export_space(demo.head, tmp_path / "space", models=models)
    with pytest.raises(UsageError, match="already holds a Space; choose another --export, or replace it with --force"):
        export_space(demo.head, tmp_path / "space", models=models)
    export_space(demo.head, tmp_path / "space", models=models, force=True)


def test_names_from_outside_are_text_in_the_card(demo, tmp_path) -> None:
    head = changed(demo, tmp_path, name='a"\nlicense: mit\n<script>', data_terms="<b> [x](y)")
    export_space(head, tmp_path / "space", models=passed_on(demo, tmp_path))
    facts = metadata_load(tmp_path / "space" / "README.md")
    assert (facts["title"], facts["license"]) == ('a"\nlicense: mit\n<script>', "apache-2.0")
    body = (tmp_path / "space" / "README.md").read_text(encoding="utf-8").partition("\n---\n")[2]
    assert "\n<script>" not in body
    assert "[x](y)" not in body


def test_another_net_than_the_heads_is_not_copied(demo, tmp_path) -> None:
    models = passed_on(demo, tmp_path)
    with Path(models["tiny"]).open("ab") as file:
        file.write(b"\x00")
    with pytest.raises(EncoderError, match="is another net than 'tiny' of the head: its SHA-256 is"):
        export_space(demo.head, tmp_path / "space", models=models)
