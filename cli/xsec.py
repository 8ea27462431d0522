"""`darkhorn xsec`: total cross sections."""

import click

from darkhorn.cli.messages import print_json, print_table
from darkhorn.cli.options import EnergiesType, card_argument, cli_command, json_option, set_option


@cli_command(
    "xsec",
    """darkhorn xsec microboone --energy "1 GeV"
darkhorn xsec microboone --energy "200 MeV" --energy "1 GeV" --target C12 --target Ar40
darkhorn xsec microboone --energy "0.2 GeV:3 GeV:30:log" --json""",
)
@card_argument
@click.option(
    "--energy",
    "energies",
    type=EnergiesType(),
    multiple=True,
    required=True,
    metavar="ENERGY",
    help='Energy of the neutrino with its unit, "1 GeV", or a range "0.2 GeV:3 GeV:30[:log]". May be repeated.',
)
@click.option("--target", "targets", multiple=True, metavar="NUCLIDE", help="For example Ar40 [default: the card's].")
@set_option
@json_option
def command(
    card: str, energies: tuple[list[float], ...], targets: tuple[str, ...], overrides: tuple[str, ...], as_json: bool
) -> None:
    """Total cross sections in the model of CARD.

    Per scatterer: the whole nucleus if coherent, one proton or neutron otherwise. Zero below threshold.
    """
    from darkhorn.generator.runcard import load_card

    checked = load_card(card, list(overrides))
    from darkhorn.cli.session import start

    start("cpu")
    from darkhorn.generator.simulation import Simulation

    chosen = [energy for group in energies for energy in group]
    rows = Simulation(checked).cross_sections(chosen, list(targets) or None)
    if as_json:
        print_json(rows)
        return
    titles = ["process", "target", "regime", "helicity", "energy (GeV)", "cross section (cm2)"]
    print_table(
        titles,
        [
            [r["process"], r["target"], r["regime"], r["helicity"], f"{r['energy_GeV']:.6g}", f"{r['xsec_cm2']:.5e}"]
            for r in rows
        ],
    )
