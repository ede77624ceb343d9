"""A path leads to one place, and a secret in it is shown by nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.collect.routes import Place, Route, find
from tests.property.budget import examples


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/hooks/a", Route(Place.HOOK, "a")),
        ("/v1/hooks/a/s", Route(Place.HOOK_WITH_SECRET, "a", "s")),
        ("/v1/events", Route(Place.EVENTS)),
        ("/openapi.json", Route(Place.OPENAPI)),
        ("/health", Route(Place.HEALTH)),
        ("/ready", Route(Place.READY)),
        ("/", Route(Place.NONE)),
        ("", Route(Place.NONE)),
        ("/v1", Route(Place.NONE)),
        ("/v1/hooks", Route(Place.NONE)),
        ("/v1/hooks/", Route(Place.NONE)),
        ("/v1/hooks//s", Route(Place.NONE)),
        ("/v1/hooks/a/", Route(Place.NONE)),
        ("/v1/hooks/a/s/t", Route(Place.NONE)),
        ("/v2/hooks/a", Route(Place.NONE)),
        ("/v1/hook/a", Route(Place.NONE)),
        ("/v1/events/", Route(Place.NONE)),
        ("/none", Route(Place.NONE)),
    ],
)
def test_a_path_leads_to_its_place(path: str, route: Route) -> None:
    assert find(path) == route


@examples()
@given(st.text())
def test_any_path_leads_somewhere(path: str) -> None:
    assert isinstance(find(path), Route)


def test_a_route_does_not_print_its_secret() -> None:
    assert "hush" not in repr(find("/v1/hooks/a/hush")) + str(find("/v1/hooks/a/hush"))
