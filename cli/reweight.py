"""`darkhorn reweight`: events that exist, with the weights of another model."""

from typing import Any

import click

from darkhorn.cli.options import (
    cli_command,
    device_option,
    json_option,
    no_standard_stream,
    overwrite_option,
    set_option,
)
from darkhorn.cli.visible import reweight_to, visible_options


@cli_command(
    "reweight",
    """darkhorn reweight broad.h5 --to microboone -o light.h5
darkhorn reweight broad.h5 --to microboone-dual --set "model.m5=250 MeV" -o dual.h5
darkhorn reweight broad.h5 --to microboone-soil --in e_ee,cos_theta_ee,asymmetry,opening_angle,decay_z -o soil.h5""",
)
@click.argument("source", metavar="IN")
@set_option
@click.option("-o", "--output", required=True, metavar="OUT", help="Output, an HDF5 file.")
@visible_options
@overwrite_option
@device_option
@json_option
def command(
    source: str,
    overrides: tuple[str, ...],
    output: str,
    target: str | None,
    overwrite: bool,
    device: str,
    as_json: bool,
    **visible: Any,
) -> None:
    """Give the events of IN the weights of another model.

    With --to, in visible variables, for a sample whose detector response is already simulated: every event is weighted
    with the density of CARD over that of IN, masses included; --set changes CARD. A sample that does not cover CARD is
    refused.
    """
    no_standard_stream(source, "IN")
    no_standard_stream(output, "-o")
    if target is None:
        raise click.UsageError("Say what to weight to: --to CARD.")
    reweight_to(source, output, target, list(overrides), overwrite, device, as_json, **visible)
