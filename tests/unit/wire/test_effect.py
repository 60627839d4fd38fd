"""ClusterRoleBinding kubemacpool-serving, and whether an object is leaving."""

import json

import msgspec
import pytest

from kubemacpool.wire.effect import decode_leaving, effect_patch, read_effect
from kubemacpool.wire.listing import UnexpectedAnswerError
from kubemacpool.wire.objects import ObjectIdentity

OURS = {"kind": "ServiceAccount", "name": "kubemacpool-sa", "namespace": "ours"}
OTHER = {"kind": "ServiceAccount", "name": "kubemacpool-sa", "namespace": "theirs"}
GROUP = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "all"}


@pytest.mark.parametrize(
    ("binding", "in_effect"),
    [
        ({}, False),
        ({"subjects": None}, False),
        ({"subjects": [OTHER, GROUP]}, False),
        ({"subjects": [GROUP, OURS]}, True),
    ],
)
def test_the_webhooks_are_in_effect_while_our_service_account_is_bound(
    binding: dict[str, object], in_effect: object
) -> None:
    assert read_effect(json.dumps(binding).encode(), "ours") is in_effect


@pytest.mark.parametrize("body", [b"[]", b"no", b'{"subjects":[{"name":"\xff"}]}', b"[" * 100_000])
def test_what_is_no_role_binding_is_refused(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="not a ClusterRoleBinding"):
        read_effect(body, "ours")


@pytest.mark.parametrize("in_effect", [True, False])
def test_what_is_written_is_what_is_read(in_effect: object) -> None:
    assert read_effect(effect_patch("ours", in_effect=bool(in_effect)), "ours") is in_effect


@pytest.mark.parametrize(("more", "leaving"), [({}, False), ({"deletionTimestamp": "2026-11-28T00:00:00Z"}, True)])
def test_an_object_with_a_deletion_timestamp_is_leaving(more: dict[str, str], leaving: object) -> None:
    raw = json.dumps({"metadata": {"name": "a", "uid": "u", "resourceVersion": "7", **more}}).encode()
    assert decode_leaving(raw) == (ObjectIdentity("", "a", "u"), 7, leaving, None)


def test_an_object_without_metadata_is_none() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_leaving(b"{}")
