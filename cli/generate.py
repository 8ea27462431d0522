"""`darkhorn generate`: events to a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from darkhorn.cli.messages import note, print_json, say, settings
from darkhorn.cli.options import (
    QuantityType,
    ShardType,
    card_argument,
    cli_command,
    device_option,
    json_option,
    no_standard_stream,
    number_of_events,
    overwrite_option,
    seed_option,
    set_option,
)
from darkhorn.kernels.errors import InputError, Interrupted

if TYPE_CHECKING:
    from darkhorn.generator.header import Header
    from darkhorn.generator.runcard import RunCard
    from darkhorn.generator.simulation import Request, Simulation

TERMINATED = 143  # 128 + SIGTERM: what a shell reports for a run that leaves nothing to resume


@cli_command(
    "generate",
    """darkhorn generate microboone -n 100000 -o events.h5
darkhorn generate microboone --set "model.m4=120 MeV" -o events.hepmc3.gz
darkhorn generate microboone --pot 6.6e20 --unweighted -o data_like.hepevt
darkhorn generate mine.yaml -n 1e9 --shard 0/100 -o part0.h5      one of 100 machines, then `darkhorn merge`
darkhorn generate mine.yaml -o events.h5 --resume                  go on after a kill or SIGTERM""",
)
@card_argument
@click.option("-n", "--events", "events", type=str, metavar="N", help="Events of the whole run [default: the card's].")
@click.option(
    "--pot",
    type=QuantityType("exposure", "POT"),
    metavar="X",
    help="Exposure in protons on target, in place of the card's. N is then the expected number of events in it, "
    "rounded, at least 1.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Output; its ending is the format: .h5, .hepmc3, .hepmc3.gz, .hepevt (LArSoft), .edep.hepevt (edep-sim) "
    "[default: <name of the card>.h5].",
)
@seed_option
@set_option
@click.option("--unweighted", is_flag=True, help="N events of equal weight, by accept-reject.")
@click.option("--shard", type=ShardType(), default="0/1", metavar="i/n", help="Make only part i of n, counted from 0.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use the pilot record in FILE; made if it is not there. For shards on machines of different kinds.",
)
@click.option(
    "--resume", is_flag=True, help="Continue an unfinished run (.h5 only); the result is the same to the bit."
)
@overwrite_option
@device_option
@json_option
def command(
    card: str,
    events: str | None,
    pot: float | None,
    output: str | None,
    seed: int | None,
    overrides: tuple[str, ...],
    unweighted: bool,
    shard: tuple[int, int],
    plan_file: Path | None,
    resume: bool,
    overwrite: bool,
    device: str,
    as_json: bool,
) -> None:
    """Make the events of CARD.

    The weights add up to the expected number of events in the exposure. The file appears under its name only when it
    is whole. SIGTERM leaves an .h5 run resumable with exit status 75.
    """
    number = number_of_events(events)
    if number is not None and pot is not None:
        raise click.UsageError("-n and --pot exclude each other: --pot gives the number of events.")
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    path = _output_path(card, output, resume, overwrite)

    from darkhorn.generator.runcard import load_card

    changes = list(overrides)
    if pot is not None:
        from darkhorn.kernels.units import format_quantity

        changes.append(f"exposure={format_quantity(pot, 'exposure')}")
    checked = load_card(card, changes)
    from darkhorn.cli.session import start

    start(device)
    from darkhorn.generator.simulation import Request, Simulation

    simulation = Simulation(checked)
    seed = checked.generate.seed if seed is None else seed
    if plan_file is not None:
        _use_plan_file(simulation, plan_file, seed)
    if pot is not None:
        number = max(1, round(simulation.plan(seed).rate))
    number = checked.generate.events if number is None else number
    request = Request(number, seed, unweighted, *shard)
    _announce(simulation, checked, request)
    if path.name.endswith((".h5", ".hdf5")):
        header, seconds = _to_hdf5(simulation, path, request, resume, overwrite)
    else:
        header, seconds = _to_text(simulation, path, request, overwrite)
    facts = _facts(header, checked, path, seconds)
    note(_summary(facts))
    if as_json:
        print_json(facts)


def _output_path(card: str, output: str | None, resume: bool, overwrite: bool) -> Path:
    """The output, checked before anything slow happens."""
    from darkhorn.generator.files.formats import HDF5, format_of
    from darkhorn.generator.files.output import check_output

    no_standard_stream(output or "", "-o")
    path = Path(output if output is not None else ("events" if card == "-" else Path(card).stem) + ".h5")
    kind = format_of(path)
    if path.name.endswith(".part"):
        raise InputError(
            "-o", str(path), "a name that does not end with .part", "That name is kept for unfinished runs."
        )
    if resume and kind != HDF5:
        do = f"Resume to {path.name.split('.')[0]}.h5, then `darkhorn convert` it."
        raise InputError("--resume", f"an output of the format {kind}", "an .h5 file", do)
    if not resume:
        check_output(path, overwrite)
    return path


def _use_plan_file(simulation: "Simulation", path: Path, seed: int) -> None:
    from darkhorn.generator.plan import read_plan, share_plan

    plan = read_plan(path) if path.exists() else share_plan(path, simulation.plan(seed))
    simulation.use_plan(plan, str(path), seed)


def _to_hdf5(
    simulation: "Simulation", path: Path, request: "Request", resume: bool, overwrite: bool
) -> "tuple[Header, float]":
    import time

    from darkhorn.cli.progress import watching
    from darkhorn.generator.files.output import part_name
    from darkhorn.generator.generate import generate

    started = time.monotonic()
    try:
        with watching() as watch:
            header = generate(simulation, path, request, resume=resume, overwrite=overwrite, watch=watch)
    except KeyboardInterrupt:
        if part_name(path).exists():
            say(f"darkhorn: {part_name(path)} can be continued with --resume and the same options.")
        raise
    return header, time.monotonic() - started


def _to_text(simulation: "Simulation", path: Path, request: "Request", overwrite: bool) -> "tuple[Header, float]":
    """Columns first, into a file beside the output, then the text: memory stays bounded."""
    from darkhorn.generator.files.convert import convert
    from darkhorn.generator.files.output import part_name

    columns = path.with_name(f".{path.name}.columns.h5")
    try:
        header, seconds = _to_hdf5(simulation, columns, request, resume=False, overwrite=True)
        convert(columns, path, overwrite)
    except Interrupted:
        say(f"darkhorn: error: {path}: stopped by SIGTERM; only .h5 runs can be resumed. Nothing was written.")
        click.get_current_context().exit(TERMINATED)
    finally:
        for leftover in (
            columns,
            part_name(columns),
            part_name(columns).with_name(part_name(columns).name + ".progress"),
        ):
            leftover.unlink(missing_ok=True)
    return header, seconds


def _announce(simulation: "Simulation", card: "RunCard", request: "Request") -> None:
    if settings().quiet:
        return
    from darkhorn import __version__
    from darkhorn.cli.session import device_name

    shard = f", shard {request.shard}/{request.n_shards}" if request.n_shards > 1 else ""
    kind = "unweighted" if request.unweighted else "weighted"
    channels = len(simulation.build.channels)
    say(
        f"darkhorn {__version__} on {device_name()}, card {card.name} "
        f"[{card.hash()[:12]}], seed {request.seed}\n"
        f"{request.events} {kind} events{shard} for {card.exposure:g} POT, {channels} channel"
        + ("s" if channels > 1 else "")
    )


def _facts(header: "Header", card: "RunCard", path: Path, seconds: float) -> dict[str, Any]:
    """What --json prints at the end."""
    from darkhorn.generator.run import sum_error

    total = sum(c["sum_w"] for c in header.channels)
    squares = sum(c["sum_w2"] for c in header.channels)
    over, bound = (
        sum(c[key] * c["sum_w"] for c in header.channels) for key in ("overweight_fraction", "overweight_bound")
    )
    return {
        "file": str(path),
        "events": header.n_events,
        "events_of_run": header.n_total,
        "shard": header.shard,
        "n_shards": header.n_shards,
        "unweighted": header.unweighted,
        "pot": header.pot,
        "sum_w": total,
        "sum_w_error": sum_error(header.channels, header.unweighted),
        "ess": total**2 / squares if squares > 0 else 0.0,
        "max_weight": max(c["max_weight"] for c in header.channels),
        "overweight_fraction": over / total if total > 0 else 0.0,
        "overweight_bound": bound / total if total > 0 else 0.0,
        "attempted": sum(c["attempted"] for c in header.channels),
        "seconds": seconds,
        "events_per_second": header.n_events / seconds,
        "size_bytes": path.stat().st_size,
        "seed": header.seed,
        "device": header.device,
        "version": header.generator_version,
        "card": card.name,
        "card_hash": card.hash(),
        "plan_hash": header.plan_hash(),
    }


def _summary(facts: dict[str, Any]) -> str:
    from darkhorn.cli.messages import size, with_error

    fraction = facts["ess"] / facts["events"] if facts["events"] else 0.0
    lines = [
        f"{facts['events']} events in {facts['seconds']:.1f} s ({facts['events_per_second']:.3g}/s), "
        f"sum of weights {with_error(facts['sum_w'], facts['sum_w_error'])}, ESS/N {fraction:.3f}, "
        f"largest weight {facts['max_weight']:.4g}"
    ]
    if facts["unweighted"]:
        lines.append(
            f"accepted {facts['events'] / facts['attempted']:.3g} of the attempts, "
            f"overweight fraction {facts['overweight_fraction']:.2g}; events above the maximum carry less than "
            f"{facts['overweight_bound']:.2g} of the weight (95 %)"
        )
    return "\n".join([*lines, f"{facts['file']} ({size(facts['size_bytes'])})"])
