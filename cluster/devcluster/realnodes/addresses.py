"""The network of a cluster with real nodes, worked out from the number of its share.

Share N has 10.N.0.0/16, in three parts: pods in the lower half, Services in the next quarter, and machines, of which
the API server's host is the first and the switch the second.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST_NUMBER = 1
SWITCH_NUMBER = 2
FIRST_NODE_NUMBER = 10
MAX_REAL_NODES = 64
PODS_PER_NODE_BITS = 24


class NodeNetwork(msgspec.Struct, frozen=True):
    """The addresses of one cluster's nodes, pods and Services."""

    share: int

    @property
    def whole(self) -> str:
        """Everything, as it is routed."""
        return f"10.{self.share}.0.0/16"

    @property
    def pods(self) -> str:
        """The range of which each node gets a part for its pods."""
        return f"10.{self.share}.0.0/17"

    @property
    def services(self) -> str:
        """The range of the cluster IPs."""
        return f"10.{self.share}.128.0/18"

    @property
    def api_service(self) -> str:
        """The cluster IP of the Service `kubernetes`."""
        return f"10.{self.share}.128.1"

    @property
    def dns_service(self) -> str:
        """The cluster IP that pods ask for names; nobody serves it, and so they are told at once."""
        return f"10.{self.share}.128.10"

    @property
    def host(self) -> str:
        """The address of the machine itself, on which the API server listens."""
        return self._machine(HOST_NUMBER)

    @property
    def switch(self) -> str:
        """The address of the switch, which routes the machine's connections to Services."""
        return self._machine(SWITCH_NUMBER)

    def node(self, number: int) -> str:
        """The address of a node, by its number from 1."""
        return self._machine(FIRST_NODE_NUMBER + number)

    @property
    def host_link(self) -> str:
        """The machine's end of its link to the switch."""
        return f"kmp{self.share}"

    def overlapped(self, routes: Iterable[str]) -> str | None:
        """Return the first of these destinations that leads to some of our addresses elsewhere."""
        ours = ipaddress.ip_network(self.whole)
        for route in routes:
            network = ipaddress.ip_network(route, strict=False)
            if network.version == ours.version and network.prefixlen and network.overlaps(ours):
                return route
        return None

    def _machine(self, number: int) -> str:
        return f"10.{self.share}.192.{number}"
