"""``ravfeat cache publish``."""

from pathlib import Path

import click

from ravfeat.cli.terminal import echo

__all__ = ["command"]


@click.command("publish", short_help="Publish a cache: on a hub, in an object store, in a folder.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--to", "address", required=True, metavar="ADDRESS",
              help="hf://datasets/USER/NAME[@BRANCH], s3://BUCKET/FOLDER or the like, or a folder.")  # fmt: skip
@click.option("--license", "licence", metavar="ID",
              help="Licence of the features, of a corpus whose terms ravfeat does not know.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would be sent, with the card.")
def command(folder: Path, address: str, licence: str | None, dry_run: bool) -> None:  # noqa: FBT001 (click)
    """Publish the cache DIR, after it was verified in full.

    The shards are sent first, then tables and card, and SHA256SUMS last: what has none is not a cache yet. What is
    there already is not sent again, so run the same command to go on after an interruption. Recordings are never
    sent; corpora whose terms forbid it are refused.

    \b
    ravfeat cache publish cache/ravdess/audio-wavlm-large-91c2d0aa17fe --to hf://datasets/me/ravdess-wavlm --dry-run
    ravfeat cache publish cache/ravdess/audio-wavlm-large-91c2d0aa17fe --to hf://datasets/me/ravdess-wavlm
    ravfeat cache publish cache --to s3://shelf/ravdess-wavlm
    """  # noqa: D301
    from ravfeat.cache import open_cache
    from ravfeat.cards.cache_card import cache_card
    from ravfeat.cards.validate import validate_card
    from ravfeat.corpora.terms import licence_for
    from ravfeat.errors import UsageError
    from ravfeat.remote.publish import prepare_publication, publish
    from ravfeat.remote.store import open_store

    if address.startswith("hf://") and not address.startswith("hf://datasets/"):
        raise UsageError(f"--to {address}: a cache is a dataset of the hub; give hf://datasets/USER/NAME")
    cache = open_cache(folder)
    terms = licence_for(
        str(cache.about["corpus"]), synthetic=bool(cache.about["synthetic"]), licence=licence, what="features"
    )
    store = open_store(address)
    publication = prepare_publication(cache, verify=not dry_run)
    if dry_run:
        card = cache_card(cache, terms, store.address, identity="not measured in a dry run")
        files = [*publication.shards, *publication.tables, "README.md", "SHA256SUMS"]
        echo(
            f"{store.address}: {len(publication.shards)} shards and the tables would be sent, once they are verified:"
            f" {publication.n_bytes / 1e6:.1f} MB, licence {terms.licence}; {', '.join(files[-8:])}\n\n{card}"
        )
        return
    card = cache_card(cache, terms, store.address)  # without credentials
    if store.address.startswith("hf://"):
        validate_card(card, "dataset")
    sent = publish(publication, store, card)
    at = f" at commit {store.version()}" if store.version() else ""
    echo(f"{store.address}: published{at}, {sent} files sent, licence {terms.licence}. Fetch it anywhere:")
    echo(f"  ravfeat cache pull {store.address}")
