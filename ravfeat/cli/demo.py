"""``ravfeat demo``."""

from importlib.util import find_spec
from pathlib import Path

import click

from ravfeat.cli.table_options import parse_columns
from ravfeat.cli.terminal import echo
from ravfeat.errors import MissingExtraError

__all__ = ["command"]


@click.command("demo")
@click.argument("head")
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen at; 0.0.0.0 lets other machines ask too.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen at. [default: a free one from 7860 on]")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option("--model", "models", metavar="NAME=FOLDER|ID@REV", multiple=True,
              help="Where the encoder NAME is: a folder, an ONNX net, or an id on the hub; repeat for more."
              " [default: what the head says]")  # fmt: skip
@click.option("--detector-model", "detector_models", type=click.Path(path_type=Path), multiple=True,
              help="MediaPipe face model (.tflite, .task), or a folder of them. [default: fetched]")  # fmt: skip
@click.option("--offline", is_flag=True, help="Open no connection; all models must be on this machine.")
@click.option("--export", "export", type=click.Path(path_type=Path),
              help="Write a folder for a Hugging Face Space instead, and serve nothing.")  # fmt: skip
@click.option("--licence", help="With --export, for a corpus that ravfeat does not know: what its terms allow the head"
              " to be published under, such as cc-by-4.0.")  # fmt: skip
@click.option("--force", is_flag=True, help="With --export: replace a Space that is already there.")
def command(
    head: str,
    host: str,
    port: int | None,
    device: str,
    models: tuple[str, ...],
    detector_models: tuple[Path, ...],
    export: Path | None,
    licence: str | None,
    *,
    offline: bool,
    force: bool,
) -> None:
    """Open a page on which one records or uploads speech and sees what voice and face say.

    Everything stays on this machine: the page asks no other host, recordings are gone within the hour. Ctrl-C ends it.

    \b
    ravfeat demo heads/voice-and-face
    ravfeat demo heads/voice --port 8000 --offline
    ravfeat demo heads/voice --model wavlm-large=~/models/wavlm-large
    ravfeat demo hf://USER/NAME
    ravfeat demo heads/voice-and-face --export space/
    """  # noqa: D301
    if export is None and (licence or force):
        raise click.UsageError("--licence and --force go with --export")
    if find_spec("gradio") is None:  # before what it brings too is missed
        raise MissingExtraError("gradio", "demo")
    from ravfeat.published.pull import find_head

    folder = find_head(head, offline=offline)
    if export is not None:
        from ravfeat.demo.space import export_space

        files = export_space(folder, export, models=parse_columns(models, "--model"), licence=licence, force=force)
        echo(
            f"{export}: {', '.join(files)}; 'cd {export} && python app.py' starts it, and so does a Hugging Face Space"
        )
        return
    _serve(folder, host, port, device, models, detector_models, offline=offline)


def _serve(
    head: Path,
    host: str,
    port: int | None,
    device: str,
    models: tuple[str, ...],
    detector_models: tuple[Path, ...],
    *,
    offline: bool,
) -> None:
    from ravfeat.demo.serve import serving

    try:
        with serving(
            head,
            host=host,
            port=port,
            device=device,
            models=parse_columns(models, "--model"),
            detector_models=detector_models,
            offline=offline,
        ) as server:
            echo(f"{server.url}  (Ctrl-C ends it)")
            server.wait()
    except KeyboardInterrupt:  # how a server ends
        echo("ended")
