"""`darkhorn unweight`: events of equal weight from weighted ones."""

import click

from darkhorn.cli.messages import note, print_json
from darkhorn.cli.options import cli_command, json_option, no_standard_stream, overwrite_option


@cli_command(
    "unweight",
    """darkhorn unweight events.h5 -o even.h5
darkhorn unweight events.h5 -o even.hepevt -n 1000 --seed 7""",
)
@click.argument("source", metavar="IN")
@click.option("-o", "--output", required=True, metavar="OUT", help="Output; its ending is the format.")
@click.option("-n", "--events", type=click.IntRange(1), metavar="N", help="Keep N of the accepted events.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Random seed.")
@overwrite_option
@json_option
def command(source: str, output: str, events: int | None, seed: int, overwrite: bool, as_json: bool) -> None:
    """Make events of weight 1 from weighted ones.

    Every event of IN is accepted with a probability that goes with its weight. The exposure of OUT is such that its
    number of events is the expected one. To make a chosen number of unweighted events from a card, `darkhorn generate
    --unweighted` is faster.
    """
    no_standard_stream(source, "IN")
    no_standard_stream(output, "-o")
    from darkhorn.generator.files.unweight import unweight

    found = unweight(source, output, seed, events, overwrite=overwrite)
    if as_json:
        print_json({"file": output, **found})
    note(
        f"{found['kept']} events of weight 1, {100 * found['efficiency']:.3g} % accepted (largest weight "
        f"{found['max_weight']:.4g}), exposure {found['pot']:.6g} POT\n{output}"
    )
