"""A load's plan: the fleet and the sinks, with the figures that they stand on. Pure."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.capacity.curves import Costs
from pipeline.capacity.figures import Figures
from pipeline.capacity.fleet import MIB, Fleet, State, fleet_that_keeps, nearest_fleet, remembered
from pipeline.capacity.load import Load
from pipeline.capacity.sinks import Sinks, sinks_of


class Plan(NamedTuple):
    """All that was found of a load."""

    load: Load
    figures: Figures
    costs: Costs
    state: State
    fleet: Fleet
    sinks: Sinks

    @property
    def memory(self) -> float:
        """GiB of the busiest worker while one is away."""
        return self.fleet.memory(self.load, self.costs, self.state) / MIB / 1024


def plan_of(load: Load, figures: Figures) -> Plan:
    """The plan that keeps all that is asked for; where none does, what comes nearest.

    Raises:
        NotMeasured: a figure is missing.
    """
    costs, state = Costs.of(figures), remembered(load, figures)
    fleet = fleet_that_keeps(load, figures, costs, state) or nearest_fleet(load, figures, costs, state)
    return Plan(load, figures, costs, state, fleet, sinks_of(load, figures, fleet))


def possible(load: Load, figures: Figures) -> bool:
    """Whether a plan keeps all that is asked for: the same as that it has no limits, sooner.

    Raises:
        NotMeasured: a figure is missing.
    """
    fleet = fleet_that_keeps(load, figures, Costs.of(figures), remembered(load, figures))
    return fleet is not None and sinks_of(load, figures, fleet).kept(load)
