"""How a command ends: 0 done, 1 our error, 2 a wrong call, 3 finished but not whole, 4 held as far as could be tried.

The last is of audits; see `ravfeat.runs.outcome`.
"""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ravfeat.cli.terminal import echo, show_wrong_call
from ravfeat.errors import MissingExtraError, RavfeatError, UsageError
from ravfeat.resources import is_out_of_memory, short_of_memory

__all__ = ["NOT_WHOLE", "reporting"]

_log = logging.getLogger(__name__)

NOT_WHOLE = 3

_EXTRAS = {
    "av": "extract",
    "gradio": "demo",
    "soundfile": "extract",
    "soxr": "extract",
    "transformers": "extract",
    "huggingface_hub": "extract",
    "PIL": "face",
    "mediapipe": "face",
    "onnxruntime": "face",
    "torch": "heads",
    "scipy": "fuse",
    "safetensors": "heads",
    "threadpoolctl": "heads",
    "matplotlib": "report",
    "jinja2": "report",
    "markupsafe": "report",
}


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into one message on stderr and an exit code."""
    try:
        yield
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        show_wrong_call(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        # click raises Abort from the interrupt; a command notes there how far it came.
        notes = getattr(error.__cause__ or error, "__notes__", ["finished files are kept, no half of one is left"])
        _end(f"interrupted; {'; '.join(notes)}. Run the same command again", 1)
    except RavfeatError as error:
        _end(str(error), 2 if isinstance(error, UsageError) else 1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:  # a module of our own: a bug, with its traceback
            raise
        _end(str(MissingExtraError(package, _EXTRAS[package])), 1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        _end(short_of_memory(error, "end other programs, or use a larger machine"), 1)
    except OSError as error:
        if error.errno is None:  # raised by a program, not by the system: a bug as well
            raise
        _end(f"{error.filename or 'a file'}: {error.strerror}; {_remedy(error.errno)}", 1)


def _remedy(number: int) -> str:
    if number in {errno.ENOSPC, errno.EDQUOT}:
        return "make room and run the same command again"
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "check who may read and write there, or choose another place"
    return "check the path"


def _end(message: str, code: int) -> None:
    echo(f"ravfeat: {message}", err=True)
    _log.info("%s", message)  # for the file of --log
    _log.debug("where it came from:", exc_info=True)
    sys.exit(code)
