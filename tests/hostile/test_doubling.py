"""Eight times the input is not much more than eight times the work. ``make doubling`` measures the same in seconds."""

import pytest

from tests.hostile.doubling import ALL, COMMANDS, MOST, calls, exponent, read


@pytest.mark.parametrize("name", ALL)
def test_work_grows_with_the_size(name: str) -> None:
    recipe, first = ALL[name]
    command = COMMANDS[name]
    least = max(first // 40, 2)  # calls are counted, so that little is enough
    small, large = recipe(least), recipe(least * 8)
    read(recipe(least + 1), command)  # what is imported once; another size, so that neither of the two is remembered
    costs = [float(calls(lambda data=data: read(data, command))) for data in (small, large)]  # type: ignore[misc]
    assert exponent(costs, [len(small), len(large)]) <= MOST, costs
