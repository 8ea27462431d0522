"""`darkhorn info`: what is in an event file."""

from typing import Any

import click

from darkhorn.cli.messages import print_json, print_table, size
from darkhorn.cli.options import cli_command, json_option, no_standard_stream


@cli_command(
    "info",
    """darkhorn info events.h5
darkhorn info events.h5.part                  a run that is not finished
darkhorn info events.h5 --json | jq .card_resolved""",
)
@click.argument("file", metavar="FILE")
@click.option("--columns", is_flag=True, help="List every column with its unit and meaning.")
@json_option
def command(file: str, columns: bool, as_json: bool) -> None:
    """Show what is in an event file.

    Of an .h5 or .hepmc3[.gz] file: the run, its exposure, its channels. --json prints the whole header.
    """
    no_standard_stream(file, "FILE")
    from darkhorn.generator.files.info import info

    found = info(file)
    if as_json:
        print_json(found)
    elif columns:
        _columns(found)
    else:
        _summary(found)


def _columns(found: dict[str, Any]) -> None:
    rows = [
        [topology, name, column["units"], column["description"]]
        for topology, record in found["topologies"].items()
        for name, column in record["columns"].items()
    ]
    print_table(["topology", "column", "unit", "meaning"], rows)


def _summary(found: dict[str, Any]) -> None:
    kind = "unweighted" if found["unweighted"] else "weighted"
    lines = {
        "file": f"{found['path']} ({found['format']}, {size(found['size_bytes'])})",
        "events": f"{found['n_events']} {kind}" + ("" if found["complete"] else ", NOT COMPLETE"),
        "exposure": f"{found['pot']:.6g} POT",
    }
    if found["complete"]:
        lines["sum of weights"] = f"{found['sum_w']:.6g} expected events in it"
        if found["card_resolved"].get("force_decay") is False:
            lines["sum of weights"] += ", decaying anywhere: `decay_inside` says which in the volume asked for"
        lines["ESS"] = f"{found['ess']:.6g}"
    model, shard = found["card_resolved"].get("model", {}), f"shard {found['shard']} of {found['n_shards']}, "
    lines["model"] = ", ".join([str(model.get("name")), *_set_keys(model)])
    if "visible_reweighting" in found:
        record = found["visible_reweighting"]
        wanted = record["target_card_resolved"]["model"]
        lines["reweighted to"] = ", ".join([record["target_name"], *_set_keys(wanted)])
        lines["in"] = f"{', '.join(record['variables'])}; {100 * record['coverage']:.4g} % of its rate covered"
    lines["detector"] = str(found["detector"].get("name", ""))
    lines["run"] = (shard if found["n_shards"] > 1 else "") + f"seed {found['seed']}, {found['n_total']} events in all"
    lines["made"] = (
        f"{found['created_utc']} by darkhorn {found['generator_version']} on {found['device']}, {found['hostname']}"
    )
    if "reweighting" in found:
        done = found["reweighting"]
        changes = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in done["changes"].items())
        lines["reweighted"] = f"from {done['source']}: {changes}; ESS {done['ess_before']:.5g} -> {done['ess']:.5g}"
    if "rays" in found:
        lines["rays"], rays = _rays(found["rays"]), found["rays"]
        for i, file in enumerate(rays["files"]):
            lines[f"ray file {i + 1}" if len(rays["files"]) > 1 else "ray file"] = (
                f"{file['name']} ({file['format']}), {file['n_rays']} rays, sha256 {file['sha256']}"
            )
    for title, text in lines.items():
        click.echo(f"{title:<16}{text}")
    click.echo()
    rows = [
        [name, str(r["n_events"]), str(len(r["columns"])), r["description"]] for name, r in found["topologies"].items()
    ]
    print_table(["topology", "events", "columns", "description"], rows)
    click.echo()
    rows = [[c["name"], str(c["kept"]), f"{c['sum_w']:.5g}", f"{c['max_weight']:.4g}"] for c in found["channels"]]
    print_table(["channel", "events", "sum of weights", "largest weight"], rows)


def _set_keys(model: dict[str, Any], before: str = "") -> list[str]:
    """`key value` of what is set in a model, also in its sections."""
    found = []
    for key, value in model.items():
        if isinstance(value, dict):
            found += _set_keys(value, f"{before}{key}.")
        elif value and before + key != "name":
            found.append(f"{before}{key} {value}")
    return found


def _rays(record: dict[str, Any]) -> str:
    names = {"14": "nu_mu", "-14": "anti-nu_mu", "12": "nu_e", "-12": "anti-nu_e"}
    pot = f"{record['pot']:.6g} POT" if record["pot"] > 0 else "weights per POT"
    errors = ", ".join(f"{names.get(pdg, pdg)} {100 * e:.2g} %" for pdg, e in record["flux_error"].items())
    made = "" if record["files"] else f" of {record['source']}"
    return f"{record['n_rays']}{made}, {pot}; error of the flux by their number: {errors}"
