"""How a command ends: 0 done, 1 our error, 2 a wrong call, 3 finished but not whole.

Offers
------
reporting, NOT_WHOLE.
"""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ravfeat.errors import MissingExtraError, RavfeatError, UsageError

__all__ = ["NOT_WHOLE", "reporting"]

NOT_WHOLE = 3

_EXTRAS = {
    "av": "extract",
    "soundfile": "extract",
    "soxr": "extract",
    "transformers": "extract",
    "torch": "heads",
    "sklearn": "heads",
    "scipy": "heads",
    "safetensors": "heads",
    "matplotlib": "report",
    "jinja2": "report",
    "pooch": "download",
}


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into one message on stderr and an exit code."""
    try:
        yield
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _end("interrupted; what was finished is kept. Run the same command again to go on", 1)
    except RavfeatError as error:
        _end(str(error), 2 if isinstance(error, UsageError) else 1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        _end(str(MissingExtraError(package, _EXTRAS[package])), 1)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT}:
            raise
        _end(f"{error.filename or 'a file'} cannot be written: {error.strerror}; make room or choose another --out", 1)


def _end(message: str, code: int) -> None:
    click.echo(f"ravfeat: {message}", err=True)
    sys.exit(code)
