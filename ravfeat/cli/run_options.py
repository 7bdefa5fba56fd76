"""The option of commands that make runs: to keep no ledger."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["no_ledger_option"]

F = TypeVar("F", bound=Callable[..., Any])


def no_ledger_option(command: F) -> F:
    """Add --no-ledger to a command."""
    return click.option(
        "--no-ledger", is_flag=True,
        help="Enter nothing into the ledger of tries beside the caches; the run, its report and card say so.",
    )(command)  # fmt: skip
