import pytest

from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs

DOCUMENT = {
    "id": "c1",
    "inputs": [
        {"name": "a", "value": "text"},
        {"name": "empty", "value": ""},
        {"name": "number", "value": 5},
        {"name": "bare"},
    ],
}


def test_values_are_read_by_name():
    inputs = Inputs.parse(DOCUMENT)
    assert inputs.get("number") == 5
    assert inputs.text("a") == "text"
    assert inputs.optional_text("a") == "text"
    assert dict(inputs.items())["bare"] is None


@pytest.mark.parametrize("name", ["empty", "bare", "none"])
def test_a_text_that_is_not_there_is_none_or_an_error(name):
    inputs = Inputs.parse(DOCUMENT)
    assert inputs.optional_text(name) is None
    with pytest.raises(UnusableConfig, match=f"^config c1: input {name} is missing$"):
        inputs.text(name)


def test_a_value_of_another_type_is_no_text():
    with pytest.raises(UnusableConfig, match=r"^config c1: input number is no text$"):
        Inputs.parse(DOCUMENT).optional_text("number")


@pytest.mark.parametrize("inputs", ["text", {"a": 1}, ["a"], [{"value": 1}], [{"name": 1}]])
def test_inputs_that_are_no_list_of_named_objects_are_refused(inputs):
    with pytest.raises(UnusableConfig, match="config c1: its inputs are no list"):
        Inputs.parse({"id": "c1", "inputs": inputs})


def test_no_inputs_are_none():
    assert list(Inputs.parse({"inputs": None}).items()) == []
    assert Inputs.parse({}).which == "without id"


def test_the_repr_shows_no_value():
    assert "text" not in repr(Inputs.parse(DOCUMENT))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(5, 5.0), (0.5, 0.5), ("5", 5.0), ("1e3", 1000.0), (None, None), ("", None)],
)
def test_seconds_are_a_number_or_a_text_of_one(value, seconds):
    assert Inputs("c1", {"n": value}).seconds("n") == seconds
    assert Inputs("c1", {}).seconds("n") is None


@pytest.mark.parametrize(
    "value", ["soon", "0", 0, -1, True, False, "nan", "inf", float("inf"), {}, [1], 10**400]
)
def test_seconds_that_are_none_are_named_but_not_quoted(value):
    with pytest.raises(UnusableConfig) as caught:
        Inputs("c1", {"n": value}).seconds("n")
    assert str(caught.value) == "config c1: input n is no number of seconds above 0"
