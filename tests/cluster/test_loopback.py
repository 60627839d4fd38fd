"""Every cluster has a part of the loopback to itself."""

from __future__ import annotations

import socket

import pytest

from devcluster import loopback
from devcluster.errors import SettingError


def test_shares_do_not_overlap() -> None:
    ports = [port for number in range(96, 224) for port in loopback.Share(number).ports]

    assert len(set(ports)) == len(ports)
    assert max(ports) < 32_768, "an outgoing connection could take the port of a server that restarts"


def test_a_share_has_one_holder_at_a_time() -> None:
    first = loopback.claim_any(200)
    second = loopback.claim_any(200)
    try:
        assert second.share.number > first.share.number
        assert loopback.claim(first.share.number) is None
    finally:
        first.release()
        second.release()
    again = loopback.claim(first.share.number)
    assert again is not None, "a released share can be claimed"
    again.release()


def test_a_port_in_use_is_passed_over() -> None:
    share = loopback.Share(201)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((loopback.HOST, share.ports[0]))
        other.listen()

        assert share.free_ports(2, taken=[share.ports[1]]) == [share.ports[2], share.ports[3]]


def test_too_few_free_ports_are_one_sentence() -> None:
    share = loopback.Share(202)

    with pytest.raises(SettingError, match=f"Of the ports {share.ports[0]} to .* only 4 are free and 5 are needed"):
        share.free_ports(5, taken=share.ports[4:])
