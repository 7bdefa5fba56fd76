"""What commands that fill a cache say at their end.

Offers
------
show_result.
"""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ravfeat.extract import ExtractResult

__all__ = ["show_result"]


def show_result(result: "ExtractResult", seconds: float) -> bool:
    """Say what an extraction left behind; give whether clips failed."""
    click.echo(
        f"{result.path}: {result.written} shards written ({result.encoded} clips), {result.kept} were there,"
        f" in {seconds:.1f} s"
    )
    if result.fallback:
        click.echo(
            f"no face in {result.fallback} of {result.frames} pictures: the last box or the last landmarks stand in;"
            f" 'ravfeat cache info {result.path}' says where"
        )
    if result.absent:
        click.echo(f"{result.absent} clips of this cache are not among the data given now; they stay in it")
    if result.failed:
        click.echo(f"{len(result.failed)} clips could not be stored:", err=True)
        for clip_id, reason in result.failed.items():
            click.echo(f"  {clip_id}: {reason}", err=True)
    return bool(result.failed)
