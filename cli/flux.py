"""`darkhorn flux`: simulate a beam, and the flux of its neutrinos at a detector."""

from pathlib import Path
from typing import Any

import click

from darkhorn.cli.messages import note, print_json, print_table, with_error
from darkhorn.cli.options import cli_command, device_option, json_option, number_of_events, overwrite_option


@cli_command(
    "flux",
    """darkhorn flux --beam bnb --mode neutrino --detector miniboone
darkhorn flux --beam bnb --mode antineutrino --detector sbnd -n 1e6 -o flux.csv
darkhorn flux --beam numi-me --mode neutrino --detector minerva -n 1e6
darkhorn flux --beam numi-me --mode neutrino --detector icarus --stopped-kaons 0.05
darkhorn flux --beam bnb --mode neutrino --detector microboone --json > flux.json""",
)
@click.option("--beam", required=True, metavar="NAME", help="The beam: bnb, numi-le or numi-me.")
@click.option(
    "--mode",
    type=click.Choice(["neutrino", "antineutrino", "off"]),
    required=True,
    help="Polarity of the horn; off: no current.",
)
@click.option("--detector", required=True, metavar="NAME", help="A detector in that beam, such as miniboone.")
@click.option(
    "-n", "particles", default="200000", show_default=True, metavar="N", help="Particles started in the target."
)
@click.option("-o", "output", metavar="FILE", help="Write the table as FILE.csv, which a run card can read.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Random seed.")
@click.option("--no-secondaries", is_flag=True, help="Leave out mesons of secondary nucleons and pions.")
@click.option("--ideal-horns", is_flag=True, help="Horns without metal: the field 1/r between thin conductors.")
@click.option(
    "--stopped-kaons",
    type=click.FloatRange(min=0),
    metavar="X",
    help="K+ at rest in the absorber per proton on target (numi; 0.085 by default, known to a factor 2).",
)
@overwrite_option
@device_option
@json_option
def command(
    beam: str,
    mode: str,
    detector: str,
    particles: str,
    output: str | None,
    seed: int,
    no_secondaries: bool,
    ideal_horns: bool,
    stopped_kaons: float | None,
    overwrite: bool,
    device: str,
    as_json: bool,
) -> None:
    """Simulate a beam from the proton on and show the neutrino flux at a detector.

    Per flavour and parent, in bins of 50 MeV up to 10 GeV (numi: 40 GeV), averaged over the face of the detector, or
    over its volume where the beam (numi) does not meet its face.
    """
    from darkhorn.generator.files.output import check_output, new_file
    from darkhorn.kernels.errors import InputError

    number = number_of_events(particles)
    assert number is not None
    path = Path(output) if output is not None else None
    if path is not None:
        if path.suffix != ".csv":
            raise InputError("-o", path.name, "a name that ends in .csv", "Other formats are not written yet.")
        check_output(path, overwrite)
    from darkhorn.cli.session import start

    start(device)
    from darkhorn.generator.beams.simulate import STOPPED_KAONS, beamline, simulate_flux

    if stopped_kaons is None:
        stopped_kaons = STOPPED_KAONS
    elif beamline(beam).absorber is None:
        raise InputError("--stopped-kaons", beam, "numi-le or numi-me", "Leave it out: nothing is known there.")
    found = simulate_flux(
        beam, mode, (detector,), number, seed, not no_secondaries, ideal_horns=ideal_horns, stopped=stopped_kaons
    )[0]
    if path is not None:
        with new_file(path, overwrite) as part:
            part.write_text(found.csv(), encoding="utf-8")
        note(f"wrote {path}")
    if as_json:
        print_json(found.document())
    elif path is None:
        print_table(["neutrino", "parent", "flux (1/cm2/POT)", "mean energy (GeV)"], _table(found.document()))
        shares = ", ".join(f"{name} {share:.1%}" for name, share in found.origins().items())
        note(f"{found.tracks} particles started; errors are statistical; muon neutrinos by origin: {shares}")


def _table(document: dict[str, Any]) -> list[list[str]]:
    edges = document["edges_GeV"]
    names = {14: "nu_mu", -14: "anti-nu_mu", 12: "nu_e", -12: "anti-nu_e"}
    parents = {211: "pi+", -211: "pi-", 321: "K+", -321: "K-", 130: "K0_L", 13: "mu-", -13: "mu+", "total": "all"}
    rows = []
    for row in document["rows"]:
        total = sum(row["content"])
        error = sum(e * e for e in row["error"]) ** 0.5
        energy = sum(c * (a + b) / 2 for c, a, b in zip(row["content"], edges, edges[1:], strict=False))
        mean = f"{energy / total:.3f}" if total > 0 else ""
        rows.append([names[row["pdg"]], parents[row["parent"]], with_error(total, error), mean])
    return rows
