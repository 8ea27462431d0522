"""`darkhorn plot`: a picture of a scan or of an event file."""

from pathlib import Path

import click

from darkhorn.cli.messages import note
from darkhorn.cli.options import cli_command, no_standard_stream, overwrite_option


@cli_command(
    "plot",
    """darkhorn plot plane.h5 -o plane.png
darkhorn plot plane.h5 --level 1 --level 2.3 -o plane.pdf
darkhorn plot events.h5 -o events.png""",
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
@overwrite_option
def command(file: str, output: str | None, levels: tuple[float, ...], overwrite: bool) -> None:
    """Draw a scan (the plane of two axes, or a line with its error), or the distributions of an event file.

    Needs matplotlib: pip install "darkhorn[plot]". No display is used.
    """
    no_standard_stream(file, "FILE")
    no_standard_stream(output or "", "-o")
    from darkhorn.generator.plots import plot_file

    path = Path(output) if output is not None else Path(Path(file).stem + ".png")
    plot_file(Path(file), path, levels, overwrite)
    note(str(path))
