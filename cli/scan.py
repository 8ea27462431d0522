"""`darkhorn scan`: expected events over a grid of model points."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from darkhorn.cli.messages import print_json, say, settings
from darkhorn.cli.options import (
    card_argument,
    cli_command,
    device_option,
    json_option,
    no_standard_stream,
    overwrite_option,
    seed_option,
    set_option,
)
from darkhorn.kernels.errors import InputError

if TYPE_CHECKING:
    from darkhorn.generator.scan_result import Scan


@cli_command(
    "scan",
    """darkhorn scan microboone --grid "model.m4=20 MeV:400 MeV:50" -o line.h5
darkhorn scan microboone-soil --grid "model.m5=150 MeV:350 MeV:100" --grid model.umu5_sq=1e-12:1e-7:100:log -o plane.h5
darkhorn scan microboone --grid model.hnl=dirac,majorana --grid "model.m4=100 MeV,200 MeV" -o table.h5
darkhorn plot plane.h5 -o plane.png""",
)
@card_argument
@click.option(
    "--grid",
    "grid",
    multiple=True,
    required=True,
    metavar="KEY=LOW:HIGH:N[:log]",
    help="An axis: N values of a key of the card, or KEY=a,b,c. May be repeated; the last axis runs fastest.",
)
@click.option("-o", "--output", required=True, metavar="FILE", help="Output, an .h5 file.")
@click.option(
    "--precision",
    type=click.FloatRange(1e-4, 0.5),
    default=1e-2,
    show_default=True,
    help="Relative error of the expected events at each point.",
)
@seed_option
@set_option
@click.option("--resume", is_flag=True, help="Go on with a scan that was stopped; the same options.")
@overwrite_option
@device_option
@json_option
def command(
    card: str,
    grid: tuple[str, ...],
    output: str,
    precision: float,
    seed: int | None,
    overrides: tuple[str, ...],
    resume: bool,
    overwrite: bool,
    device: str,
    as_json: bool,
) -> None:
    """Expected events in the exposure of CARD at each point of a grid, to an HDF5 file.

    Keys of the model share one compilation per kind of decay; others (exposure, detector, physics switches) are made
    ready one by one. A point that the card does not allow is NaN, with status 2 and a message.
    """
    from darkhorn.generator.runcard import load_card
    from darkhorn.generator.scan_grid import Grid

    no_standard_stream(output, "-o")
    path = Path(output)
    if path.suffix not in (".h5", ".hdf5"):
        raise InputError("-o", output, "a name that ends in .h5", "Scans are HDF5 files.")
    checked, points = load_card(card, list(overrides)), Grid.of(grid)
    from darkhorn.generator.files.output import check_output

    if not resume:
        check_output(path, overwrite, resume_hint=True)
    from darkhorn.cli.progress import watching_points
    from darkhorn.cli.session import device_name, start

    start(device)
    from darkhorn.generator.files.output import part_name
    from darkhorn.generator.files.scan_file import scan_to_file
    from darkhorn.generator.simulation import Simulation

    simulation = Simulation(checked)
    if not settings().quiet:
        say(f"{points.size} points of {checked.name} on {device_name()}, {checked.exposure:g} POT")
    chosen = checked.generate.seed if seed is None else seed
    try:
        with watching_points(points.size) as watch:
            found = scan_to_file(
                simulation, path, points, precision, chosen, resume=resume, overwrite=overwrite, watch=watch
            )
    except KeyboardInterrupt:
        if part_name(path).exists():
            say(f"darkhorn: {part_name(path)} can be continued with --resume and the same options.")
        raise
    if as_json:
        print_json({"file": str(path), **found.summary()})
    elif not settings().quiet:
        click.echo(_summary(found, path))


def _summary(scan: "Scan", path: Path) -> str:
    facts = scan.summary()
    lines = [f"{facts['computed']} points in {facts['seconds']:.1f} s"]
    if facts["computed"]:
        lines[0] += f", expected events from {facts['events_min']:.4g} to {facts['events_max']:.4g}"
    if facts["largest_relative_error"] is not None:
        lines.append(
            f"largest relative error {facts['largest_relative_error']:.2g}, smallest ESS {facts['smallest_ess']:.3g}"
        )
    if facts["imprecise"]:
        lines.append(f"{facts['imprecise']} points did not reach the precision (status 1)")
    if facts["refused"]:
        lines.append(f"{facts['refused']} points are not allowed by the card (NaN, status 2), such as")
        lines += [f"  {message}" for message in facts["messages"][:1]]
    return "\n".join([*lines, str(path)])
