"""`python -m serving_stub key new`: makes an API key, shown once, and the line of the tenants file that knows it."""

from __future__ import annotations

import click

from serving_stub.frontdoor.tenant import new_key


@click.group()
def key() -> None:
    """API keys of the tenants file."""


@key.command()
def new() -> None:
    """Make a key. Only its hash goes into the file; the key itself is shown here and nowhere else."""
    made = new_key()
    click.echo(f"key (hand it over now, it is shown once): {made.key}")
    click.echo("for the tenants file, under `keys:` of its tenant:")
    click.echo(f'      - id: {made.key_id}\n        sha256: "{made.sha256}"')
