"""`python -m darkhorn` is the command `darkhorn`."""

from darkhorn.cli.main import main

main()
