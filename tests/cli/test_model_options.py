"""Which model stands for which encoder, as a command is told."""

import click
import pytest

from ravfeat.cli.model_options import parse_models


def test_a_model_may_be_anything_that_an_encoder_is_loaded_from() -> None:
    given = ["a=models/a", " b = owner/name@c0ffee ", "c=x=y.onnx"]
    assert parse_models(given) == {"a": "models/a", "b": "owner/name@c0ffee", "c": "x=y.onnx"}


@pytest.mark.parametrize("option", ["wavlm", "=folder", "wavlm=", ""])
def test_what_names_no_encoder_or_no_model_is_refused(option) -> None:
    with pytest.raises(click.UsageError, match=f"--model '{option}': expected NAME=MODEL, such as wavlm-large=models"):
        parse_models([option])


def test_an_encoder_has_one_model() -> None:
    with pytest.raises(click.UsageError, match="--model gives two models for 'a', 'b' and 'c'"):
        parse_models(["a=b", "a=c"])
