"""Addresses: which network an endpoint takes deliveries from, and whose address a request really came from. Pure.

An IPv4 address inside an IPv6 one (::ffff:192.0.2.1) is the IPv4 address, in requests and in lists alike.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Names that stand for networks. Brevo's are those of its help page; it can change: `collect.brevo_networks`.
PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType({"brevo": ("1.179.112.0/20", "172.246.240.0/20")})
HOPS_MAX = 32  # proxies between a sender and here that are followed; real chains have a handful
ADDRESS_CHARACTERS_MAX = 64  # of one address with its port; the longest IPv6 one has 45
_MAPPED_BITS = 96  # of ::ffff:0:0/96


def network(text: str) -> Network:
    """The network of a text such as 203.0.113.0/24 or 2001:db8::/32; an address alone is a network of one.

    Raises:
        ValueError: it is none; says what is wrong and what may be meant.
    """
    try:
        found = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(
            f"{text!r} is no network: write it like 203.0.113.0/24, 2001:db8::/32 or 203.0.113.7"
        ) from None
    if "/" in text and found.network_address != ipaddress.ip_address(text.strip().split("/")[0]):
        raise ValueError(f"{text!r} has bits beyond its prefix: the network is {found}")
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped is not None and found.prefixlen >= _MAPPED_BITS:
        return ipaddress.IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))
    return found


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of texts.

    Raises:
        ValueError: one is none.
    """
    return tuple(network(text) for text in texts)


def listed(text: str) -> tuple[Network, ...]:
    """The networks of a setting: separated by commas; none where it is empty.

    Raises:
        ValueError: one is none.
    """
    return networks(one for one in text.split(",") if one.strip())


def address(text: str) -> Address | None:
    """The address of a text, which may carry a port (192.0.2.1:80, [2001:db8::1]:80) or a scope; None: it is none."""
    text = text.strip()
    if len(text) > ADDRESS_CHARACTERS_MAX:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def within(one: Address, any_of: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    return any(one.version == other.version and one in other for other in any_of)


def sender(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """The address of a request's sender: the rightmost one that no trusted proxy has.

    `forwarded` are the request's X-Forwarded-For headers in their order. Whoever is no trusted proxy may have written
    what it likes into them, so nothing left of it is looked at. None: it cannot be told.
    """
    found = address(peer or "")
    if found is None or not within(found, trusted):
        return found
    hops = ",".join(forwarded).split(",") if forwarded else []
    for hop in reversed(hops[-HOPS_MAX:]):
        found = address(hop)
        if found is None or not within(found, trusted):
            return found
    return None if len(hops) > HOPS_MAX else found
