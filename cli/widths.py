"""`darkhorn widths`: decays of the unstable states."""

from darkhorn.cli.messages import length, print_json, print_table, width
from darkhorn.cli.options import card_argument, cli_command, json_option, set_option


@cli_command(
    "widths",
    """darkhorn widths microboone
darkhorn widths microboone --set model.hnl=majorana --json""",
)
@card_argument
@set_option
@json_option
def command(card: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Width, branching ratio and c tau of every open decay in the model of CARD."""
    from darkhorn.generator.runcard import load_card

    checked = load_card(card, list(overrides))
    from darkhorn.cli.session import start

    start("cpu")
    from darkhorn.generator.simulation import Simulation

    found = Simulation(checked).widths()
    if as_json:
        print_json(found)
        return
    totals = {row["particle"]: row for row in found if "ctau_cm" in row}
    rows = []
    for particle, total in totals.items():
        for row in found:
            if row["particle"] == particle and "channel" in row:
                rows.append([particle, row["channel"], width(row["width_GeV"]), f"{row['branching_ratio']:.4g}", ""])
        rows.append([particle, "all", width(total["total_width_GeV"]), "1", length(total["ctau_cm"])])
    print_table(["particle", "decay", "width", "branching ratio", "c tau"], rows)
