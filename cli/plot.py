"""`darkhorn plot`: a picture of a scan, of a flux or of an event file."""

from pathlib import Path

import click

from darkhorn.cli.messages import note
from darkhorn.cli.options import cli_command, no_standard_stream, overwrite_option


@cli_command(
    "plot",
    """darkhorn plot plane.h5 -o plane.png
darkhorn plot plane.h5 --level 1 --level 2.3 -o plane.pdf
darkhorn plot events.h5 -o events.png
darkhorn plot flux.csv --reference bnb-neutrino-miniboone -o flux.png""",
)
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", metavar="IMAGE", help="Output: .png, .pdf or .svg [default: <name of FILE>.png].")
@click.option(
    "--level",
    "levels",
    type=click.FloatRange(0, min_open=True),
    multiple=True,
    metavar="X",
    help="Draw the contour of X expected events in a plane. May be repeated [default: powers of ten].",
)
@click.option(
    "--reference",
    metavar="TABLE",
    help="Draw a flux beside this table, with the ratio: a flux file, a shipped table, or a table of yours.",
)
@click.option("--content", metavar="WORD", help="What a number of TABLE is: per-bin, per-GeV, per-50-MeV.")
@click.option("--unit", metavar="TEXT", help='Unit of TABLE: "cm^-2 POT^-1", "m^-2 / 1e6 POT".')
@overwrite_option
def command(
    file: str,
    output: str | None,
    levels: tuple[float, ...],
    reference: str | None,
    content: str | None,
    unit: str | None,
    overwrite: bool,
) -> None:
    """Draw a scan (the plane of two axes, or a line with its error), a flux of `darkhorn flux -o` by flavour and
    parent, or the distributions of an event file.

    Needs matplotlib: pip install "darkhorn[plot]". No display is used.
    """
    no_standard_stream(file, "FILE")
    no_standard_stream(output or "", "-o")
    from darkhorn.generator.plots import plot_file

    path = Path(output) if output is not None else Path(Path(file).stem + ".png")
    plot_file(Path(file), path, levels, overwrite, reference, (content, unit))
    note(str(path))
