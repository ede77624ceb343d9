"""Whatever the accounts are: the selection is what a plain sort finds, however it is cut into slices."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.accounts import Accounts, Cycle, judge
from pipeline.core.forecast import Forecast
from pipeline.core.record import Plan
from pipeline.core.window import DAY_US
from pipeline.telemetry.numbers import LABEL_CHARS_MAX, label
from pipeline.telemetry.selection import Band, Choice, select
from tests.property.budget import examples

NOW = 100 * DAY_US
MONTH = 90 * DAY_US  # the first of April 1970
BOUNDS = {Band.BELOW_HALF: 0, Band.HALF: 0.5, Band.EIGHT_TENTHS: 0.8, Band.NINE_TENTHS: 0.9, Band.EXHAUSTED: 1}

days = st.integers(90, 110)
small = st.integers(0, 30)


@st.composite
def cycle(draw: st.DrawFn) -> tuple[int, Cycle]:
    start, length, used = draw(days) * DAY_US, draw(st.integers(1, 20)) * DAY_US, draw(small)
    foreseen = None
    if draw(st.booleans()):
        then, more = draw(st.integers(0, used)), draw(small)
        foreseen = Forecast(
            "a", start, start + length // 2, then, then, then + more, then + 2 * more, draw(st.booleans())
        )
    return start, Cycle(start + length, used, used, frozenset(), False, {}, foreseen)


@st.composite
def world(draw: st.DrawFn) -> dict[int, Accounts]:
    made = {partition: Accounts() for partition in range(draw(st.integers(1, 3)))}
    for number in range(draw(st.integers(0, 12))):
        accounts, name = made[draw(st.sampled_from(sorted(made)))], f"a{number}"
        cycles = dict(draw(st.lists(cycle(), max_size=2)))
        if cycles:
            accounts.cycles[name] = cycles
        allowances = draw(st.lists(st.tuples(days, st.integers(1, 25)), max_size=2))
        plans = [Plan(name, n, 1, "UTC", (0.8,), None, at * DAY_US, i) for i, (at, n) in enumerate(sorted(allowances))]
        if plans:
            accounts.plans[name] = tuple(plans)
    return made


@examples()
@given(world(), st.integers(0, 6), st.sampled_from(["0.1", "0.5", "0.8", "1", "1.5"]))
def test_the_selection_is_what_a_plain_sort_finds(made: dict[int, Accounts], rows_max: int, floor: str) -> None:
    look = select(made, NOW, Choice(Fraction(floor), rows_max))
    qualified = []
    bands = dict.fromkeys(Band, 0)
    for accounts in made.values():
        for name in accounts.cycles.keys() | accounts.plans.keys():
            now = {start: c for start, c in accounts.cycles.get(name, {}).items() if start <= NOW < c.end}
            is_counted = len(now) > 1 and MONTH in now and name in accounts.plans
            own = [now[MONTH]] if is_counted else [now[start] for start in sorted(now)]
            plan = judge(accounts.plans.get(name, ()), own[-1].end if own else NOW + 1)
            if plan is None:
                bands[Band.NO_PLAN] += bool(own)
                continue
            used = own[-1].used if own else 0
            bands[max((b for b in BOUNDS if used >= BOUNDS[b] * plan.allowance), key=BOUNDS.__getitem__)] += 1
            if own and (used >= Fraction(floor) * plan.allowance or runs_out(own[-1], plan.allowance)):
                qualified.append((-used / plan.allowance, name))
    found = [row for share in look.shares.values() for row in share.rows]
    assert sorted((-row.ratio, row.account_id) for row in found) == sorted(qualified)[:rows_max]
    assert sum(share.dropped for share in look.shares.values()) == max(0, len(qualified) - rows_max)
    assert {band: sum(share.bands[band] for share in look.shares.values()) for band in Band} == bands
    for row in found:
        assert row.exhausted_at is None or row.used < row.allowance
        assert row.exhausted_at is None or row.exhausted_at < row.cycle_end


def runs_out(one: Cycle, allowance: int) -> bool:
    """As the view has it: a confident line that meets the allowance before the cycle's end, and it is not used up."""
    f = one.foreseen
    if f is None or not f.confident or one.used >= allowance or f.used >= allowance:
        return False
    left, to_come = allowance - f.used, f.expected - f.used
    return to_come > left


@examples()
@given(st.lists(st.text(min_size=1, max_size=200), unique=True, max_size=20))
def test_labels_differ_where_ids_do_and_are_bounded(ids: list[str]) -> None:
    labels = [label(id_) for id_ in ids]
    assert len(set(labels)) == len(ids)
    assert all(0 < len(one) <= LABEL_CHARS_MAX for one in labels)
    assert {label(one) for one in labels}.isdisjoint(set(labels) - set(ids)), "no id takes a label that was made"
