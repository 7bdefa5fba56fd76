"""What commands print while a function of the API works; only of warnings do all print the same."""

from ravfeat.api.observer import Observer
from ravfeat.cli.terminal import echo

__all__ = ["TerminalObserver"]


class TerminalObserver(Observer):
    """Prints warnings as lines of their own on stderr.

    Parameters
    ----------
    command : str or None
        The command line, for the record of a run.
    """

    def __init__(self, command: str | None) -> None:
        self.command = command

    def warning(self, text: str) -> None:
        """Print a warning."""
        echo(text, err=True)
