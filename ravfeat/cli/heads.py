"""``ravfeat heads``: publish and pull heads."""

from pathlib import Path

import click

from ravfeat.cli.terminal import echo

__all__ = ["command"]


@click.group("heads")
def command() -> None:
    """Publish heads on the Hugging Face hub or elsewhere, and fetch published ones.

    'ravfeat export-heads' makes the folder that is published.

    \b
    ravfeat heads publish heads/voice --to hf://USER/NAME
    ravfeat heads pull hf://USER/NAME
    """  # noqa: D301


@command.command("publish", short_help="Publish a head, with a card.")
@click.argument("head", type=click.Path(path_type=Path))
@click.option("--to", required=True, metavar="ADDRESS", help="hf://USER/NAME, s3://BUCKET/FOLDER, or a folder.")
@click.option("--license", "licence", metavar="ID", help="For a corpus whose terms ravfeat does not know: under what"
              " they allow the head to be published, as the hub calls it, such as cc-by-4.0.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Check everything, show the card, and send nothing.")
def publish(head: Path, to: str, licence: str | None, *, dry_run: bool) -> None:
    """Publish HEAD, a folder that 'ravfeat export-heads' made: its files, and a card with scores, terms and limits.

    Everything is checked before anything is sent. Heads of a corpus whose terms forbid it are refused, and those of one
    that ravfeat does not know need --license. For the hub log in once with 'hf auth login', or set HF_TOKEN.

    \b
    ravfeat heads publish heads/voice --to hf://USER/NAME --dry-run
    ravfeat heads publish heads/voice --to hf://USER/NAME
    ravfeat heads publish heads/mine --to s3://BUCKET/heads/mine --license cc-by-4.0
    """  # noqa: D301
    from ravfeat.published.publish import publish_head
    from ravfeat.resources import format_size

    done = publish_head(head, to, licence=licence, dry_run=dry_run)
    total = f"{len(done.sizes)} files, {format_size(sum(done.sizes.values()))}, under {done.licence}"
    if dry_run:
        echo(done.card)
        echo(f"would publish at {done.address}: {total}")
        for name, size in done.sizes.items():
            echo(f"  {size:12,} {name}")
        return
    at = f" at commit {done.commit}" if done.commit else ""
    echo(f"{done.address}: {total}; {len(done.sent)} files sent{at}")


@command.command("pull", short_help="Fetch a published head.")
@click.argument("source", metavar="ADDRESS")
@click.option("--revision", metavar="REVISION", help="On the hub: branch, tag or commit. [default: main]")
@click.option("--out", type=click.Path(path_type=Path), default=Path("heads"), show_default=True,
              help="Folder of heads; the head gets a folder of its name in it.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace another head of the name.")
def pull(source: str, revision: str | None, out: Path, *, force: bool) -> None:
    """Fetch the head at ADDRESS; every file is held against its digest, and the folder appears whole or not at all.

    ravfeat.load_head takes the address itself, too, and keeps the head in the user's cache folder.

    \b
    ravfeat heads pull hf://USER/NAME
    ravfeat heads pull hf://USER/NAME --revision 0123456789abcdef0123456789abcdef01234567
    ravfeat heads pull https://example.org/heads/voice --out heads
    """  # noqa: D301
    from ravfeat.published.pull import pull_head
    from ravfeat.resources import format_size

    done = pull_head(source, revision=revision, out=out, force=force)
    fetched = f"{done.n_files} files, {format_size(done.n_bytes)}" if done.n_files else "here already"
    echo(f"{done.path}: {fetched}; {done.origin['address']} at {done.origin['commit']}")
