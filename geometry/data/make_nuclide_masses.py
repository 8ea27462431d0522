"""Write nuclide_masses.csv from the nuclear table of the `particle` package (AME2020 atomic masses).

Loading that table through `particle` takes 0.2 s, which every `darkhorn --help` would pay; this file loads in a few ms.
Run once per new edition of the table: `python geometry/data/make_nuclide_masses.py`.
"""

import csv
import importlib.resources
from pathlib import Path

ELECTRON_MASS = 0.51099895069  # MeV, CODATA 2022
HYDROGEN_BINDING = 13.6e-6  # MeV


def main() -> None:
    """Read the newest nuclei*.csv of the installed `particle` and write the ground states beside this script."""
    tables = (
        entry for entry in importlib.resources.files("particle.data").iterdir() if entry.name.startswith("nuclei")
    )
    table = max(tables, key=lambda entry: entry.name)
    lines = table.read_text().splitlines()
    rows = []
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        code, mass, name = int(row["ID"]), float(row["Mass"]), row["Name"]
        if code < 0 or name == "n":
            continue
        charge, nucleons = code // 10_000 % 1000, code // 10 % 1000
        # The table gives the bare proton, and the atom for every other nuclide. The file holds atoms throughout.
        if name == "p":
            mass += ELECTRON_MASS - HYDROGEN_BINDING
        symbol = {"p": "H", "D2": "H", "T3": "H"}.get(name, name.rstrip("0123456789"))
        rows.append((charge, nucleons, symbol, f"{mass:.7f}"))
    edition = lines[0].lstrip("# ")
    source = f"# Atomic masses, MeV: AME2020 (Chinese Phys. C 45 (2021) 030003), from particle/{table.name}: {edition}"
    text = "\n".join([source, "Z,A,symbol,atomic_mass_MeV", *(",".join(map(str, row)) for row in sorted(rows))])
    Path(__file__).with_name("nuclide_masses.csv").write_text(text + "\n")


if __name__ == "__main__":
    main()
