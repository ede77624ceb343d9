"""Addresses and networks of the collector."""

from __future__ import annotations

import ipaddress

import pytest

from connectors.collect import networks
from connectors.collect.networks import address, listed, network, sender, within

PROXIES = listed("10.0.0.0/8,2001:db8:1::/48")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.7", "203.0.113.7/32"),
        (" 203.0.113.7 ", "203.0.113.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_read_and_one_of_mapped_addresses_is_that_of_ipv4(text: str, found: str) -> None:
    assert network(text) == ipaddress.ip_network(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no network: write it like"),
        ("brevo", "is no network: write it like"),
        ("203.0.113.0/33", "is no network: write it like"),
        ("203.0.113.300", "is no network: write it like"),
        ("10.0.0.1/8", "has bits beyond its prefix: the network is 10.0.0.0/8"),
        ("2001:db8::1/32", "has bits beyond its prefix: the network is 2001:db8::/32"),
    ],
)
def test_what_is_no_network_is_told_with_what_is_meant(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        network(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:8443", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("", None),
        ("unknown", None),
        ("192.0.2", None),
        ("1" * 65, None),
        ("/run/tally.sock", None),
    ],
)
def test_an_address_is_read_with_port_and_scope(text: str, found: str | None) -> None:
    assert address(text) == (None if found is None else ipaddress.ip_address(found))


def test_brevos_preset_ends_where_its_networks_do() -> None:
    allowed = networks.networks(networks.PRESETS["brevo"])
    for inside in ("1.179.112.0", "1.179.127.255", "172.246.240.0", "172.246.255.255", "::ffff:1.179.112.9"):
        assert within(address(inside), allowed)
    for outside in ("1.179.111.255", "1.179.128.0", "172.246.239.255", "172.247.0.0", "2001:db8::1", "::1"):
        assert not within(address(outside), allowed)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  # no proxy of ours: what it writes is nobody's word
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["1.179.112.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # the left one is what it claims
        ("10.0.0.1", ["1.179.112.1", "198.51.100.1"], "198.51.100.1"),
        ("2001:db8:1::1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        ("10.0.0.1", ["198.51.100.1, unknown"], None),
        ("10.0.0.1", ["198.51.100.1,"], None),
        ("10.0.0.1", [""], None),
        (None, ["198.51.100.1"], None),
    ],
)
def test_the_sender_is_the_rightmost_address_that_no_trusted_proxy_has(
    peer: str | None, forwarded: list[str], found: str | None
) -> None:
    assert sender(peer, forwarded, PROXIES) == (None if found is None else ipaddress.ip_address(found))


def test_without_trusted_proxies_nothing_that_is_forwarded_counts() -> None:
    assert sender("10.0.0.1", ["198.51.100.1"], ()) == ipaddress.ip_address("10.0.0.1")


def test_more_hops_than_are_followed_tell_nothing() -> None:
    ours = ["10.0.0.2"] * networks.HOPS_MAX
    assert sender("10.0.0.1", ours, PROXIES) == ipaddress.ip_address("10.0.0.2")
    assert sender("10.0.0.1", ["198.51.100.1", *ours[1:]], PROXIES) == ipaddress.ip_address("198.51.100.1")
    assert sender("10.0.0.1", ["198.51.100.1", *ours], PROXIES) is None


def test_a_list_of_networks_may_have_blanks_and_be_empty() -> None:
    assert listed("") == ()
    assert listed("10.0.0.0/8, 192.0.2.0/24,") == networks.networks(["10.0.0.0/8", "192.0.2.0/24"])
