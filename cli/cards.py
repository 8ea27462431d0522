"""`darkhorn cards`: the run cards that ship with darkhorn, and the schema of all cards."""

import click

from darkhorn.cli.messages import print_json, print_table, settings_options
from darkhorn.cli.options import json_option

_EXAMPLES = """\b
Examples:
  darkhorn cards                              names of the shipped cards
  darkhorn cards show microboone > mine.yaml  start a card of your own
  darkhorn cards schema > darkhorn.json       for an editor that completes and checks YAML"""


@click.group("cards", invoke_without_command=True, epilog=_EXAMPLES)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the shipped run cards, show one, or print the schema."""
    if ctx.invoked_subcommand is not None:
        return
    from darkhorn.generator.runcard import list_cards, show_card

    found = {name: _first_sentence(show_card(name)) for name in list_cards()}
    if as_json:
        print_json([{"name": name, "description": text} for name, text in found.items()])
    else:
        print_table(["card", "description"], [[name, text] for name, text in found.items()])


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Print the shipped card NAME with its comments."""
    from darkhorn.generator.runcard import show_card

    click.echo(show_card(name), nl=False)


@command.command("schema")
def schema() -> None:
    """Print the JSON schema (draft 2020-12) of run cards."""
    from darkhorn.generator.card_schema import card_schema

    print_json(card_schema())


for _one in (command, show, schema):
    _one.params += settings_options()


def _first_sentence(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#") or not line.strip("# "):
            break
        lines.append(line.strip("# "))
    return " ".join(lines).split(". ")[0].split(": ")[0].rstrip(".")
