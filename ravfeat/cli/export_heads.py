"""``ravfeat export-heads``."""

from pathlib import Path

import click

from ravfeat.cli.model_options import model_option, parse_models
from ravfeat.cli.terminal import echo

__all__ = ["command"]


@click.command("export-heads")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path), required=True, help="Folder of the published head: heads/NAME.")
@click.option(
    "--refit", is_flag=True, help="Add heads trained on all actors (speakers); nobody is left to score them on."
)
@click.option("--cache", "caches", type=click.Path(path_type=Path), multiple=True,
              help="A cache of the run that was moved; repeat for more.")  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:N or auto.")
@click.option(
    "--unchecked", is_flag=True, help="Do not compare the heads with the run's predictions: no cache is read."
)
@model_option("Record where a model is to be had whose cache does not say it.")
@click.option("--detector-model", "detector_models", type=click.Path(path_type=Path), multiple=True,
              help="Model file of MediaPipe, or folder of them, where --model is of faces.")  # fmt: skip
@click.option("--allow-leak", is_flag=True, help="Publish the heads of a LEAKY run.")
@click.option("--force", is_flag=True, help="Replace a published head that is already there.")
def command(
    run: Path,
    to: Path,
    caches: tuple[Path, ...],
    device: str,
    *,
    refit: bool,
    unchecked: bool,
    models: tuple[str, ...],
    detector_models: tuple[Path, ...],
    allow_leak: bool,
    force: bool,
) -> None:
    """Publish the heads of a run: one folder with heads, temperatures, fusion, recipe and a card.

    Before the folder appears, its heads predict every test clip again, and must give the predictions of the run.
    Load it with ravfeat.load_head.

    \b
    ravfeat export-heads runs/a --to heads/voice-and-face
    ravfeat export-heads runs/a --to heads/voice-and-face --refit
    ravfeat export-heads runs/a --to heads/voice --model wavlm-large=microsoft/wavlm-large@c1423ed94bb01d80a3f5ce5b…
    ravfeat export-heads runs/a --to heads/voice --cache /disk/cache/ravdess/audio-wavlm-large-0123456789ab
    """  # noqa: D301
    from ravfeat.encoders.device import resolve_device
    from ravfeat.published.export import export_heads

    done = export_heads(
        run,
        to,
        caches=caches,
        device=resolve_device(device),
        refitted=refit,
        unchecked=unchecked,
        allow_leak=allow_leak,
        force=force,
        models=parse_models(models),
        detector_models=detector_models,
    )
    echo(f"held against the predictions of {run}: {done.check}")
    for system in done.left_out:
        echo(f"left out: {system}, whose features were standardised by all clips of their corpus at once")
    echo(f"{to}: {done.n_heads} heads, temperatures, weights, head.toml and card.md")
