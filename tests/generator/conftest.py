"""What several tests of the generator share: the shipped card and a sample of it."""

import cards
import pytest

from darkhorn.generator.events import Events
from darkhorn.generator.simulation import Simulation

N = 20_011  # no multiple of anything


@pytest.fixture(scope="session")
def microboone() -> Simulation:
    return cards.simulation()


@pytest.fixture(scope="session")
def coherent() -> Simulation:
    """The channels on whole nuclei: one program to compile for each size of batch, where the card has two."""
    return cards.simulation(cards.COHERENT)


@pytest.fixture(scope="session")
def sample(microboone: Simulation) -> Events:
    return microboone.run(N, seed=1)
