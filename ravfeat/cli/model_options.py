"""The option of commands that load the models of a head: which model stands for which encoder."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

__all__ = ["model_option", "parse_models"]

F = TypeVar("F", bound=Callable[..., Any])


def model_option(text: str) -> Callable[[F], F]:
    """Add --model to a command; `text` says what it is for. The command gets ``models``, for `parse_models`."""
    return click.option(
        "--model", "models", multiple=True, metavar="NAME=MODEL",
        help=f"{text} NAME is the encoder's, MODEL a folder, an ONNX file, or OWNER/NAME@REVISION on the hub;"
        " repeat for more.",
    )  # fmt: skip


def parse_models(options: Sequence[str]) -> dict[str, str]:
    """Read NAME=MODEL options.

    Raises
    ------
    click.UsageError
        For what is not of that form, and for a name twice.

    Examples
    --------
    >>> parse_models(["wavlm-large=models/wavlm"])
    {'wavlm-large': 'models/wavlm'}
    """
    models: dict[str, str] = {}
    for option in options:
        name, _, model = (text.strip() for text in option.partition("="))
        if not name or not model:
            raise click.UsageError(f"--model '{option}': expected NAME=MODEL, such as wavlm-large=models/wavlm-large")
        if name in models:
            raise click.UsageError(f"--model gives two models for '{name}', '{models[name]}' and '{model}'")
        models[name] = model
    return models
