import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest


def test_a_wrong_call_is_told_before_anything_is_loaded(here, tmp_path) -> None:
    done = here("demo", tmp_path)
    assert done.returncode == 1
    assert "no published head at" in done.stderr
    assert here("demo", tmp_path, "--port", 0).returncode == 2
    done = here("demo", tmp_path, "--licence", "mit")
    assert done.returncode == 2
    assert "--licence and --force go with --export" in done.stderr


def test_without_the_extra_one_line_says_what_to_install(here, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    done = here("demo", tmp_path)
    assert (done.returncode, done.stderr) == (
        1, "ravfeat: this needs the package 'gradio': pip install 'ravfeat[demo]'\n"
    )  # fmt: skip


def test_export_says_what_it_wrote_and_how_to_start_it(here, spoken, tmp_path) -> None:
    net = spoken.net.with_suffix(".toml")
    licensed = tmp_path / "tiny.toml"
    licensed.write_text(
        net.read_text(encoding="utf-8") + f'licence = "MIT"\nmodel = "{spoken.net}"\n', encoding="utf-8"
    )
    done = here("demo", spoken.head, "--export", tmp_path / "space", "--model", f"tiny={licensed}")
    assert done.returncode == 0, done.stderr
    assert "README.md, app.py, head/" in done.stdout
    assert "python app.py" in done.stdout
    done = here("demo", spoken.head, "--export", tmp_path / "space", "--model", f"tiny={licensed}")
    assert (done.returncode, "replace it with --force" in done.stderr) == (2, True)


def test_it_serves_until_it_is_interrupted(spoken) -> None:
    pytest.importorskip("gradio", reason="gradio, of the extra demo, is not installed")
    command = [sys.executable, "-c", "from ravfeat.cli import main; main()", "demo", str(spoken.head)]
    command += ["--model", f"tiny={spoken.net}", "--device", "cpu", "--offline"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        line = server.stdout.readline()
        url = re.match(r"http://127\.0\.0\.1:\d+/", line)
        assert url is not None, line + server.stderr.read()
        with urllib.request.urlopen(url[0]) as answer:
            assert answer.status == 200
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
    assert (server.returncode, out, "Traceback" in err) == (0, "ended\n", False)
