"""The part of `darkhorn reweight` that weights in visible variables: `--to CARD`."""

from collections.abc import Callable
from typing import Any

import click

from darkhorn.cli.messages import note, print_json, with_error


def visible_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of visible-space reweighting; their values arrive under these names in the command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option(
        "--to",
        "target",
        metavar="CARD",
        help="Weight to this card, masses included, in visible variables.",
    ),
    click.option(
        "--in",
        "variables",
        default="e_ee,cos_theta_ee,asymmetry,opening_angle",
        show_default=True,
        metavar="NAME,...",
        help="With --to: variables to be distributed as in CARD; also mass_ee, decay_x, decay_y, decay_z.",
    ),
    click.option(
        "--density-events",
        type=click.FloatRange(1e3, 1e12),
        default=1e7,
        show_default=True,
        metavar="N",
        help="With --to: events that a density is made from; only their histogram is kept.",
    ),
    click.option(
        "--mass-resolution",
        type=click.FloatRange(1e-3, 1.0),
        default=0.1,
        show_default=True,
        help="With --to: relative width within which the mass of the pair is not resolved.",
    ),
    click.option(
        "--min-coverage",
        type=click.FloatRange(0.0, 1.0),
        default=0.98,
        show_default=True,
        help="With --to: refuse if IN has events for less than this share of the rate of CARD.",
    ),
    click.option(
        "--min-ess",
        type=click.FloatRange(0.0),
        default=100.0,
        show_default=True,
        help="With --to: refuse if the effective sample size would be less.",
    ),
    click.option(
        "--density-seed",
        type=click.IntRange(0, 2**32 - 1),
        default=1,
        show_default=True,
        help="With --to: random seed of the densities.",
    ),
)


def reweight_to(
    source: str,
    output: str,
    target: str,
    overrides: list[str],
    overwrite: bool,
    device: str,
    as_json: bool,
    *,
    variables: str,
    density_events: float,
    mass_resolution: float,
    min_coverage: float,
    min_ess: float,
    density_seed: int,
) -> None:
    """Write OUT and say what was found. `overrides` change the target card."""
    from darkhorn.generator.runcard import load_card
    from darkhorn.generator.visible import check_variables

    names = check_variables([name.strip() for name in variables.split(",") if name.strip()])
    card = load_card(target, overrides)
    from darkhorn.cli.session import start

    start(device)
    from darkhorn.generator.visible_reweight import reweight_visible
    from darkhorn.generator.visible_weighting import Limits

    found = reweight_visible(
        source,
        card,
        output,
        names,
        density_events=int(density_events),
        mass_resolution=mass_resolution,
        seed=density_seed,
        limits=Limits(coverage=min_coverage, ess=min_ess),
        overwrite=overwrite,
        note=note,
    )
    if as_json:
        print_json({"file": output, **found.to_json()})
    note(
        f"sum of weights {with_error(found.sum_w, found.sum_w_error)} (events) "
        f"± {found.density_error:.2g} (densities); {card.name} has "
        f"{with_error(found.target * found.share, found.target_error * found.share)}\n"
        f"covered {100 * found.coverage:.4g} % of its rate, {found.weighted} of {found.events} events have a weight, "
        f"ESS {found.ess:.5g}, largest share of an event {found.largest:.2g}\n{output}"
    )
