"""`darkhorn rate`: expected events."""

import math
from typing import Any

import click

from darkhorn.cli.messages import print_json, print_table, settings, with_error
from darkhorn.cli.options import card_argument, cli_command, device_option, json_option, set_option

ERRORS = {"integration": "the integration", "rays": "the finite number of rays"}
SMALL = 1e-3  # of the sum: channels below it are added up


@cli_command(
    "rate",
    """darkhorn rate microboone
darkhorn rate microboone --set "model.m4=120 MeV" --set model.epsilon=1e-3
darkhorn rate microboone-soil --all
darkhorn rate mine.yaml --precision 1e-4 --json""",
)
@card_argument
@click.option(
    "--precision",
    type=click.FloatRange(1e-6, 0.5),
    default=1e-3,
    show_default=True,
    help="Relative error of the sum over all channels.",
)
@click.option("--all", "every", is_flag=True, help=f"Also channels below {100 * SMALL:g} % of the sum.")
@set_option
@device_option
@json_option
def command(card: str, precision: float, every: bool, overrides: tuple[str, ...], device: str, as_json: bool) -> None:
    """Expected events in the exposure of CARD, per channel, the largest first.

    Nothing is written. Small channels are added up in one line. The error is that of the integration and, for a source
    of rays, of their finite number. ESS is the effective number of points behind the sum.
    """
    from darkhorn.generator.runcard import load_card

    checked = load_card(card, list(overrides))
    from darkhorn.cli.session import start

    start(device)
    from darkhorn.generator.simulation import Simulation

    found = Simulation(checked).rate(precision)
    if as_json:
        print_json(found)
        return
    rows = rows_of(found, every)
    total = ["total", "", "", "", "", with_error(found["events"], found["error"]), "100 %"]
    print_table(["region", "target", "regime", "helicity", "beam", "events", "share"], [*rows, total], True)
    if not settings().quiet:
        text = f"exposure {checked.exposure:g} POT, effective sample size {found['ess']:.3g}"
        if found["error_rays"] > 0 and found["events"] > 0:
            parts = (f"{100 * found[f'error_{k}'] / found['events']:.2g} % by {name}" for k, name in ERRORS.items())
            text += f"; error {' and '.join(parts)}"
        click.echo(text)


def rows_of(found: dict[str, Any], every: bool) -> list[list[str]]:
    """Rows of the table from what `Simulation.rate` gives: channels by their events, those below SMALL of the sum
    added up in the last row unless `every` one is asked for.
    """
    from darkhorn.generator.experiment import FLAVOUR_NAME

    channels = sorted(found["channels"], key=lambda c: -c["events"])
    shown = [c for c in channels if every or c["events"] >= SMALL * found["events"]]
    small = [c for c in channels[len(shown) :] if c["events"] > 0]
    rows = [
        [
            c["region"],
            c["target"],
            c["regime"],
            c["helicity"],
            FLAVOUR_NAME[c["projectile_pdg"]],
            with_error(c["events"], c["error"]),
            f"{100 * c['events'] / found['events']:.3g} %",
        ]
        for c in shown
    ]
    if small:
        events, error = sum(c["events"] for c in small), math.hypot(*(c["error"] for c in small))
        text = f"{len(small)} more, --all lists them"
        rows.append([text, "", "", "", "", with_error(events, error), f"{100 * events / found['events']:.3g} %"])
    return rows
