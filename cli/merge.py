"""`darkhorn merge`: shards to one file."""

import click

from darkhorn.cli.messages import note, print_json
from darkhorn.cli.options import cli_command, json_option, no_standard_stream, overwrite_option


@cli_command("merge", "darkhorn merge part*.h5 -o events.h5")
@click.argument("shards", nargs=-1, required=True, metavar="SHARD...")
@click.option("-o", "--output", required=True, metavar="OUT", help="Output, .h5.")
@click.option("--allow-missing", is_flag=True, help="Merge what is there; the exposure is then that of these shards.")
@overwrite_option
@json_option
def command(shards: tuple[str, ...], output: str, allow_missing: bool, overwrite: bool, as_json: bool) -> None:
    """Join the shards of one run.

    The files of `generate --shard i/n` become the one that a single run would have made.
    All shards must be of one run: same card, seed, number of events and plan.
    """
    for name in (*shards, output):
        no_standard_stream(name, "merge")
    from darkhorn.generator.files.merge import merge
    from darkhorn.generator.files.read import header_of

    written = merge(shards, output, overwrite, allow_missing)
    header = header_of(written)
    if as_json:
        print_json({"file": str(written), "events": header.n_events, "pot": header.pot})
    note(f"{header.n_events} events, exposure {header.pot:.6g} POT\n{written}")
