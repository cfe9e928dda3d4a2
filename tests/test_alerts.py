"""The small Prometheus of the tests reads as Prometheus does."""

import pytest

from tests.alerts import _Expression, parsed

BEFORE = parsed('a_total{x="1"} 2\na_total{x="2"} 5\ng 1\n')
NOW = parsed('a_total{x="1"} 3\na_total{x="2"} 1\na_total{x="3"} 9\ng 4\n')


@pytest.mark.parametrize(
    "expression, values",
    [
        pytest.param("g > 3", [4.0], id="it holds"),
        pytest.param("g > 4", [], id="it does not hold"),
        pytest.param('a_total{x="1"} == 3', [3.0], id="one label"),
        pytest.param('increase(a_total{x="1"}[5m]) > 0', [1.0], id="an increase"),
        pytest.param('increase(a_total{x="2"}[5m]) > 0', [1.0], id="a restart between the two"),
        pytest.param('increase(a_total{x="3"}[5m]) > 0', [], id="a counter that was not there"),
        pytest.param("sum(increase(a_total[5m])) > 1", [2.0], id="a sum"),
        pytest.param("g - g == 0", [0.0], id="a difference"),
        pytest.param("g > 3 and g > 9", [], id="both must hold"),
        pytest.param("nowhere == 0", [], id="no such metric"),
        pytest.param('up{job="cancel-desk"} == 1', [1.0], id="the bot answered"),
    ],
)
def test_an_expression_selects_what_holds(expression: str, values: list[float]) -> None:
    """Each form of expression that the rules may use."""
    assert list(_Expression(expression, BEFORE, NOW).value().values()) == values


@pytest.mark.parametrize("expression", ["rate(g[5m]) > 0", 'g{x=~"1"} > 0', "g > ", "g % 2"])
def test_what_it_does_not_know_fails(expression: str) -> None:
    """A rule in a form that nobody evaluated must not pass for one that never fires."""
    with pytest.raises((AssertionError, IndexError)):
        _Expression(expression, BEFORE, NOW).value()
