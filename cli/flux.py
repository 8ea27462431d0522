"""`darkhorn flux`: the flux of a source at a detector, simulated or read, per flavour and parent."""

from pathlib import Path
from typing import Any

import click

from darkhorn.cli.messages import note, print_json, print_table, with_error
from darkhorn.cli.options import cli_command, device_option, json_option, number_of_events, overwrite_option, set_option


@cli_command(
    "flux",
    """darkhorn flux --beam bnb --mode neutrino --detector miniboone
darkhorn flux --beam bnb --mode antineutrino --detector sbnd -n 1e6 -o flux.root
darkhorn flux --beam numi-me --mode neutrino --detector minerva -n 1e6
darkhorn flux --beam numi-me --mode neutrino --detector icarus --stopped-kaons 0.05
darkhorn flux --beam bnb --mode neutrino --detector sbnd --rays rays.h5
darkhorn flux --beam bnb --mode neutrino --detector sbnd --rays rays.h5 --mesons pi0,eta
darkhorn flux card.yaml -o flux.h5
darkhorn flux --beam bnb --mode neutrino --detector microboone --json > flux.json""",
)
@click.argument("card", metavar="[CARD]", required=False)
@click.option("--beam", metavar="NAME", help="Without CARD: the beam to simulate: bnb, numi-le or numi-me.")
@click.option(
    "--mode",
    type=click.Choice(["neutrino", "antineutrino", "off"]),
    help="Without CARD: polarity of the horn; off: no current.",
)
@click.option("--detector", metavar="NAME", help="Without CARD: a detector in that beam, such as miniboone.")
@set_option
@click.option(
    "-n", "particles", metavar="N", help="Particles started in the target [default: 200000, or those of CARD]."
)
@click.option("-o", "output", metavar="FILE", help="Write the flux: .csv, .txt, .dat, .h5 or .root.")
@click.option("--rays", "rays", metavar="FILE", help="Write the rays too: FILE.h5, a source for run cards.")
@click.option("--reweight", metavar="TABLE", help="Multiply by the ratios of a table, per flavour or parent.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Random seed [default: 1, or that of CARD].")
@click.option("--no-secondaries", is_flag=True, help="Leave out mesons of secondary nucleons and pions.")
@click.option("--ideal-horns", is_flag=True, help="Horns without metal: the field 1/r between thin conductors.")
@click.option(
    "--stopped-kaons",
    type=click.FloatRange(min=0),
    metavar="X",
    help="K+ at rest in the absorber per proton on target (numi; 0.085 by default, known to a factor 2).",
)
@click.option("--mesons", metavar="NAMES", help="Rays of neutral mesons too: pi0, eta or pi0,eta. With --rays.")
@click.option(
    "--pi0-per-pot",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="pi0 that beam protons make per proton on target [default: that of the parametrisation].",
)
@click.option(
    "--eta-per-pi0",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="eta per pi0 of beam protons [default: 0.033 (bnb), 0.078 (numi); known to a factor 2].",
)
@overwrite_option
@device_option
@json_option
def command(
    card: str | None,
    beam: str | None,
    mode: str | None,
    detector: str | None,
    overrides: tuple[str, ...],
    particles: str | None,
    output: str | None,
    rays: str | None,
    reweight: str | None,
    seed: int | None,
    no_secondaries: bool,
    ideal_horns: bool,
    stopped_kaons: float | None,
    mesons: str | None,
    pi0_per_pot: float | None,
    eta_per_pi0: float | None,
    overwrite: bool,
    device: str,
    as_json: bool,
) -> None:
    """Show the neutrino flux of a source at a detector: of CARD, or of a beam that is simulated from the proton on.

    Per flavour and parent. Of a simulated beam: in bins of 50 MeV, averaged over the face of the detector, or
    over its volume where the beam (numi) does not meet its face. Of a CARD with rays: averaged over `decay_in`. Of a
    CARD with a table: that table.
    """
    given = {"--beam": beam, "--mode": mode, "--detector": detector}
    if card is None:
        missing = [name for name, value in given.items() if value is None]
        if missing:
            raise click.UsageError(f"Give CARD, or {', '.join(given)}: {', '.join(missing)} missing.")
        if overrides:
            raise click.UsageError("--set changes a card: give CARD.")
    elif extra := [name for name, value in given.items() if value is not None]:
        raise click.UsageError(f"{extra[0]} is for a beam without CARD; use --set to change the card.")
    elif no_secondaries:
        raise click.UsageError("--no-secondaries is for a beam without CARD; use --set source.secondaries=false.")
    elif ideal_horns or stopped_kaons is not None:
        raise click.UsageError("--ideal-horns and --stopped-kaons are for a beam without CARD.")
    elif (mesons, pi0_per_pot, eta_per_pi0) != (None, None, None):
        raise click.UsageError("--mesons is for a beam without CARD; use --set source.mesons=[pi0,eta].")
    if mesons is None and (pi0_per_pot is not None or eta_per_pi0 is not None):
        raise click.UsageError("--pi0-per-pot and --eta-per-pi0 need --mesons.")
    number = number_of_events(particles)
    path, ray_path = _outputs(output, rays, overwrite)
    from darkhorn.cli.session import start

    start(device)
    if card is None:
        from darkhorn.generator.flux import flux_of_beam

        assert beam is not None
        assert mode is not None
        assert detector is not None
        found = flux_of_beam(
            beam, mode, detector, number or 200_000, 1 if seed is None else seed, not no_secondaries, ray_path,
            reweight, overwrite, ideal_horns, stopped_kaons, _neutral(mesons, pi0_per_pot, eta_per_pi0),
        )  # fmt: skip
    else:
        from darkhorn.generator.flux import flux_of_card
        from darkhorn.generator.runcard import load_card

        found = flux_of_card(_changed(load_card(card, overrides), number, seed, reweight), ray_path, overwrite)
    if ray_path is not None:
        note(f"wrote {ray_path}")
    if path is not None:
        from darkhorn.generator.files.flux_file import write_flux

        write_flux(found, path, overwrite)
        note(f"wrote {path}")
    if as_json:
        print_json(found)
    elif path is None:
        print_table(["neutrino", "parent", "flux (1/cm2/POT)", "mean energy (GeV)"], _table(found))
        note(_remark(found))


def _outputs(output: str | None, rays: str | None, overwrite: bool) -> tuple[Path | None, Path | None]:
    from darkhorn.generator.files.flux_file import check_flux_output
    from darkhorn.generator.files.output import check_output
    from darkhorn.kernels.errors import InputError

    path, ray_path = (Path(name) if name is not None else None for name in (output, rays))
    if path is not None:
        check_flux_output(path, overwrite)
    if ray_path is not None:
        if ray_path.suffix != ".h5":
            raise InputError("--rays", ray_path.name, "a name that ends in .h5", "Ray files are HDF5.")
        check_output(ray_path, overwrite)
        if ray_path == path:
            raise InputError("--rays", ray_path.name, "another file than -o", "Name two files.")
    return path, ray_path


def _neutral(names: str | None, pi0_per_pot: float | None, eta_per_pi0: float | None) -> Any:
    """What --mesons asks for."""
    from darkhorn.generator.beams.neutral_mesons import NeutralMesons
    from darkhorn.generator.card_sources import MESONS
    from darkhorn.kernels.errors import InputError, did_you_mean

    wanted = [name.strip() for name in names.split(",")] if names is not None else []
    for name in wanted:
        if name not in MESONS:
            do = did_you_mean(name[:60], list(MESONS)) + "Charged mesons and K0_L are in a ray file anyway."
            raise InputError("--mesons", name, ", ".join(MESONS), do)
    return NeutralMesons(tuple(MESONS[name] for name in dict.fromkeys(wanted)), pi0_per_pot, eta_per_pi0)


def _changed(card: Any, number: int | None, seed: int | None, reweight: str | None) -> Any:
    """The card with what the options say of its source."""
    from darkhorn.generator.runcard import load_card

    overrides: dict[str, Any] = {}
    if number is not None:
        overrides["source.particles"] = number
    if seed is not None:
        overrides["source.seed"] = seed
    if reweight is not None:
        overrides["source.reweight"] = str(Path(reweight).absolute())
    return load_card(card, overrides) if overrides else card


def _remark(document: dict[str, Any]) -> str:
    text = f"reweighted with {document['reweight']}; " if document.get("reweight") else ""
    if document["particles"]:
        text += f"{document['particles']} particles or rays; errors are statistical"
        if shares := document.get("origins"):
            text += "; muon neutrinos by origin: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
        return text
    return f"{text}{document['source']}"


def _table(document: dict[str, Any]) -> list[list[str]]:
    edges = document["edges_GeV"]
    names = {14: "nu_mu", -14: "anti-nu_mu", 12: "nu_e", -12: "anti-nu_e", 16: "nu_tau", -16: "anti-nu_tau"}
    parents = {
        211: "pi+", -211: "pi-", 321: "K+", -321: "K-", 130: "K0_L", 13: "mu-", -13: "mu+", 0: "not known",
        "total": "all",
    }  # fmt: skip
    rows = []
    for row in document["rows"]:
        total = sum(row["content"])
        error = sum(e * e for e in row["error"]) ** 0.5
        energy = sum(c * (a + b) / 2 for c, a, b in zip(row["content"], edges, edges[1:], strict=False))
        mean = f"{energy / total:.3f}" if total > 0 else ""
        parent = parents.get(row["parent"], str(row["parent"]))
        rows.append([names[row["pdg"]], parent, with_error(total, error), mean])
    return rows
