import pickle

import pytest

from darkhorn.kernels.errors import (
    DarkhornError,
    InputError,
    Interrupted,
    OutputError,
    ValidationFailed,
    did_you_mean,
)

CODES = {DarkhornError: 1, InputError: 3, OutputError: 4, ValidationFailed: 5, Interrupted: 75}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_every_error_says_four_things_and_has_its_exit_status(kind: type[DarkhornError], code: int) -> None:
    error = kind("card.yaml: model.m4", -1, "a positive mass", "Remove the sign.")
    assert str(error) == "card.yaml: model.m4: found -1; allowed: a positive mass. Remove the sign."
    assert error.exit_code == code
    assert isinstance(error, DarkhornError)


def test_text_is_shown_as_it_is_and_the_rest_by_repr() -> None:
    assert "found no file;" in str(InputError("here", "no file", "a file", "Write one."))
    assert "found [1, 2];" in str(InputError("here", [1, 2], "a number", "Write one."))


@pytest.mark.parametrize("kind", CODES)
def test_errors_survive_the_way_between_processes(kind: type[DarkhornError]) -> None:
    error = kind("here", ["found"], "allowed", "Do.")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.where, copy.found, copy.allowed, copy.do) == ("here", ["found"], "allowed", "Do.")


def test_errors_are_of_the_builtin_kind_a_caller_expects() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(OutputError, OSError)


def test_suggestions() -> None:
    known = ("umu4_sq", "ue4_sq", "epsilon")
    assert did_you_mean("epsilom", known) == "Did you mean `epsilon`? "
    assert did_you_mean("u4_sq", known) == "Did you mean `ue4_sq` or `umu4_sq`? "
    assert did_you_mean("zzz", known) == ""
