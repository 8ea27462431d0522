"""`darkhorn convert`: event files from one format to another."""

import click

from darkhorn.cli.messages import note, print_json, size
from darkhorn.cli.options import cli_command, json_option, no_standard_stream, overwrite_option


@cli_command(
    "convert",
    """darkhorn convert events.h5 events.hepmc3.gz       NuHepMC, for any reader of HepMC3
darkhorn convert events.h5 events.hepevt          for LArSoft, with weights in events.hepevt.json
darkhorn convert events.h5 events.edep.hepevt     for edep-sim
darkhorn convert events.hepmc3 again.h5           and back, without loss""",
)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@overwrite_option
@json_option
def command(source: str, target: str, overwrite: bool, as_json: bool) -> None:
    """Convert an event file to another format.

    IN is .h5 or .hepmc3[.gz]; the ending of OUT is its format. Event ids, vertices and weights survive.
    """
    no_standard_stream(source, "IN")
    no_standard_stream(target, "OUT")
    from darkhorn.generator.files.convert import convert

    written = convert(source, target, overwrite)
    if as_json:
        print_json({"file": str(written), "size_bytes": written.stat().st_size})
    note(f"{written} ({size(written.stat().st_size)})")
