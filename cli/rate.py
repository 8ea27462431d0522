"""`darkhorn rate`: expected events."""

import click

from darkhorn.cli.messages import print_json, print_table, settings, with_error
from darkhorn.cli.options import card_argument, cli_command, device_option, json_option, set_option


@cli_command(
    "rate",
    """darkhorn rate microboone
darkhorn rate microboone --set "model.m4=120 MeV" --set model.epsilon=1e-3
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
@set_option
@device_option
@json_option
def command(card: str, precision: float, overrides: tuple[str, ...], device: str, as_json: bool) -> None:
    """Expected events in the exposure of CARD, per channel.

    Nothing is written. The error is that of the integration. ESS is the effective number of points behind the sum.
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
    rows = [
        [
            c["region"],
            c["target"],
            c["regime"],
            c["helicity"],
            str(c["projectile_pdg"]),
            with_error(c["events"], c["error"]),
            f"{100 * c['events'] / found['events']:.3g} %",
        ]
        for c in found["channels"]
    ]
    total = ["total", "", "", "", "", with_error(found["events"], found["error"]), "100 %"]
    print_table(["region", "target", "regime", "helicity", "beam", "events", "share"], [*rows, total], True)
    if not settings().quiet:
        click.echo(f"exposure {checked.exposure:g} POT, effective sample size {found['ess']:.3g}")
