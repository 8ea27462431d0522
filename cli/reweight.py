"""`darkhorn reweight`: events that exist, with the weights of another model."""

from typing import Any

import click

from darkhorn.cli.messages import note, print_json, with_error
from darkhorn.cli.options import (
    QuantityType,
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
    """darkhorn reweight events.h5 --set model.epsilon=1e-3 -o other.h5
darkhorn reweight events.h5 --set model.umu4_sq=1e-10 --set physics.z_exchange=false -o other.h5 --json
darkhorn reweight broad.h5 --to microboone -o light.h5
darkhorn reweight broad.h5 --to microboone-dual --set "model.m5=250 MeV" -o dual.h5
darkhorn reweight broad.h5 --to microboone-soil --in e_ee,cos_theta_ee,asymmetry,opening_angle,decay_z -o soil.h5""",
)
@click.argument("source", metavar="IN")
@set_option
@click.option("-o", "--output", required=True, metavar="OUT", help="Output; its ending is the format.")
@click.option(
    "--flight-resolution",
    type=QuantityType("length"),
    default="1 mm",
    show_default=True,
    metavar="LENGTH",
    help="How finely the place of a decay counts: what sees less of it gets exact weights, and short lives none of "
    "their noise.",
)
@visible_options
@overwrite_option
@device_option
@json_option
def command(
    source: str,
    overrides: tuple[str, ...],
    output: str,
    flight_resolution: float,
    target: str | None,
    overwrite: bool,
    device: str,
    as_json: bool,
    **visible: Any,
) -> None:
    """Give the events of IN the weights of another model.

    With --set alone, exactly: couplings, mixings, widths and lifetimes, switches of the physics, and masses of
    particles that are on their mass shell in no event. Every event gets new density / old density at its stored
    momenta and positions. A model whose events IN cannot stand for is refused.

    With --to, in visible variables, for a sample whose detector response is already simulated: every event is weighted
    with the density of CARD over that of IN, masses included; --set changes CARD. A sample that does not cover CARD is
    refused.
    """
    no_standard_stream(source, "IN")
    no_standard_stream(output, "-o")
    if target is not None:
        reweight_to(source, output, target, list(overrides), overwrite, device, as_json, **visible)
        return
    if not overrides:
        raise click.UsageError("Say what changes, with --set KEY=VALUE, or what to weight to, with --to CARD.")
    found = _exact(source, output, list(overrides), flight_resolution, overwrite, device)
    if as_json:
        print_json({"file": output, **found})
    note(_summary(found) + f"\n{output}")


def _exact(
    source: str, output: str, overrides: list[str], flight_resolution: float, overwrite: bool, device: str
) -> dict[str, Any]:
    from darkhorn.cli.session import start

    start(device)
    from darkhorn.generator.files.reweight import reweight

    return reweight(source, output, overrides, overwrite, flight_resolution)


def _summary(found: dict[str, Any]) -> str:
    changes = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in found["changes"].items())
    return (
        f"{changes}\nsum of weights {found['sum_w_before']:.6g} -> {with_error(found['sum_w'], found['sum_w_error'])}, "
        f"ESS {found['ess_before']:.5g} -> {found['ess']:.5g} of {found['events']} events, weights times "
        f"{found['ratio_min']:.4g} to {found['ratio_max']:.4g}, largest share of an event {found['largest_share']:.2g}"
    )
