"""`darkhorn validate`: check an event file."""

import click

from darkhorn.cli.messages import print_json
from darkhorn.cli.options import cli_command, json_option, no_standard_stream


@cli_command(
    "validate",
    """darkhorn validate events.h5
darkhorn validate events.hepmc3.gz --json""",
)
@click.argument("file", metavar="FILE")
@json_option
def command(file: str, as_json: bool) -> None:
    """Check an event file.

    Checked are its schema, its sums, the kinematics of every event and, for HepMC3, NuHepMC 1.0.0. Exit status 5 if a
    check fails.
    """
    no_standard_stream(file, "FILE")
    from darkhorn.generator.files.validate import validate
    from darkhorn.kernels.errors import ValidationFailed

    report = validate(file)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(str(report))
    if not report.ok:
        found = f"{len(report.failed())} of {len(report.checks)} checks failed"
        raise ValidationFailed(file, found, "a file that passes every check", "Make the file again.")
