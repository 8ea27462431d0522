"""`darkhorn cite`: what to cite."""

import click

from darkhorn.cli.messages import print_json
from darkhorn.cli.options import cli_command, json_option


@cli_command(
    "cite",
    """darkhorn cite events.h5 > references.bib
darkhorn cite microboone""",
)
@click.argument("source", metavar="FILE|CARD")
@json_option
def command(source: str, as_json: bool) -> None:
    """Print BibTeX entries of what a file or a card rests on."""
    from pathlib import Path

    from darkhorn.generator.citations import bibtex, citations_for
    from darkhorn.generator.files.formats import ENDINGS
    from darkhorn.generator.files.read import header_of

    if source.endswith(tuple(ENDINGS)) and Path(source).exists():
        header = header_of(source)
        found = citations_for([c["key"] for c in header.citations]) if header.citations else citations_for(header)
    else:
        from darkhorn.generator.runcard import load_card

        card = load_card(source)
        from darkhorn.cli.session import start

        start("cpu")
        from darkhorn.generator.simulation import Simulation

        found = citations_for(Simulation(card).build.citations)
    if as_json:
        print_json([citation.to_json() for citation in found])
    else:
        click.echo(bibtex(found), nl=False)
