"""What is scraped when each alert is to fire, and when it is not: series in promtool's notation, a sample a minute.

`a+bxn` begins at a and grows by b n times. An alert's time is when it has to fire, or not to.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MUTATING: Final = "mutatepods.kubemacpool.io"
COUNT: Final = "kubemacpool_admission_duration_seconds_count"
BUCKET: Final = "kubemacpool_admission_duration_seconds_bucket"
FORWARDED: Final = 'kubemacpool_forwarded_reviews_total{outcome="failed"}'
EXPIRY: Final = 'kubemacpool_certificate_expiry_timestamp_seconds{certificate="serving"}'
RENEWAL: Final = 'kubemacpool_certificate_renewal_timestamp_seconds{certificate="serving"}'
REJECTIONS: Final = "apiserver_admission_webhook_rejection_count"
REQUESTS: Final = f'apiserver_admission_webhook_request_total{{name="{MUTATING}"}}'
DURATION: Final = "apiserver_admission_webhook_admission_duration_seconds_bucket"

Series = dict[str, str]


class Case(NamedTuple):
    """An alert, when it is asked for.

    Attributes:
        at: how long the series have been scraped then.
        firing: series with which it fires.
        quiet: variants with which it does not: just short of it, or what it must not be taken in by.
        labels: of the alert, beside the severity.
    """

    at: str
    firing: Series
    quiet: tuple[Series, ...]
    labels: Mapping[str, str] = MappingProxyType({})


def _pool(free: str) -> Series:
    return {"kubemacpool_pool_free_addresses": free, "kubemacpool_pool_size_addresses": "1000x700"}


def _failures(unavailable: str, forwarded: str) -> Series:
    return {
        f'{COUNT}{{outcome="allocated"}}': "0+100x60",
        f'{COUNT}{{outcome="unavailable"}}': unavailable,
        FORWARDED: forwarded,
    }


def _calls(failing: str, error: str) -> Series:
    return {
        f'{REJECTIONS}{{name="{MUTATING}",error_type="{error}"}}': failing,
        REQUESTS: "0+100x60",
    }


def _durations(slow: str, name: str, labels: str) -> Series:
    """A hundred a minute, of which so many take longer than a second."""
    return {
        f'{name}{{{labels}le="1"}}': slow,
        f'{name}{{{labels}le="5"}}': "0+100x60",
        f'{name}{{{labels}le="+Inf"}}': "0+100x60",
    }


CASES: Final = {
    "KubemacpoolMACCollisionDetected": Case(
        "2m",
        {'kmp_mac_collisions{mac="02:00:00:00:00:01"}': "_ 2x10"},
        ({"kubevirt_kmp_duplicate_macs": "0x10"}, {'kmp_mac_collisions{mac="02:00:00:00:00:01"}': "1x10"}),
    ),
    "KubemacpoolRangeInvalid": Case(
        "6m",
        {'kubemacpool_range_valid{pod="a"}': "1 0x10", 'kubemacpool_range_valid{pod="b"}': "1x10"},
        ({'kubemacpool_range_valid{pod="a"}': "1 0 0 1x10"},),
    ),
    "KubemacpoolPoolNearlyFull": Case("11m", _pool("49x20"), (_pool("51x20"), _pool("49 49 51x20"))),
    "KubemacpoolPoolFillingUp": Case(
        "8h",
        _pool("740-0.5x500"),
        # It hardly falls; it has only just been taken into use; it falls and is refilled.
        (_pool("740-0.05x500"), _pool("1000-0.4x500"), _pool("300+0x500")),
    ),
    "KubemacpoolPoolExhausted": Case(
        "5m",
        {'kubemacpool_refusals_total{reason="exhausted"}': "0 0 1x10"},
        (
            {'kubemacpool_refusals_total{reason="held"}': "0 0 1x10"},
            {'kubemacpool_refusals_total{reason="exhausted"}': "7x10"},
        ),
    ),
    "KubemacpoolNoLeader": Case(
        "3m",
        {'kubemacpool_leader{pod="a"}': "1 0x10", 'kubemacpool_leader{pod="b"}': "0x10"},
        # One takes over from the other within the minute.
        ({'kubemacpool_leader{pod="a"}': "1 0x10", 'kubemacpool_leader{pod="b"}': "0 0 1x10"},),
    ),
    "KubemacpoolLeaderChanges": Case(
        "60m",
        {'kubemacpool_lease_transitions_total{pod="a"}': "3+0.2x60"},
        # An upgrade; and a replica that begins to count where the others are.
        (
            {'kubemacpool_lease_transitions_total{pod="a"}': "3x20 5x40"},
            {'kubemacpool_lease_transitions_total{pod="a"}': "90x20 _x3 91x40"},
        ),
    ),
    "KubemacpoolWebhookFailing": Case(
        "15m",
        _failures("0+10x60", "0x60"),
        (_failures("0+1x60", "0+1x60"), _failures("0 100x60", "0x60")),
    ),
    "KubemacpoolWebhookSlow": Case("20m", _durations("0+95x60", BUCKET, ""), (_durations("0+100x60", BUCKET, ""),)),
    "KubemacpoolNotTrusted": Case(
        "3m",
        {"kubemacpool_ca_bundle_valid": "1 0x10"},
        ({"kubemacpool_ca_bundle_valid": "1 0 1 0 1x10"},),
    ),
    "KubemacpoolNotInEffect": Case(
        "12m",
        {'kubemacpool_webhooks_in_effect{pod="a"}': "1 0x20", 'kubemacpool_webhooks_in_effect{pod="b"}': "0x20"},
        # One has just started and has not read it yet; all are installed anew.
        (
            {'kubemacpool_webhooks_in_effect{pod="a"}': "1x20", 'kubemacpool_webhooks_in_effect{pod="b"}': "0x20"},
            {'kubemacpool_webhooks_in_effect{pod="a"}': "0x5 1x20"},
        ),
    ),
    "KubemacpoolCertificateNotRenewed": Case(
        "30m",
        {RENEWAL: "600x60", EXPIRY: "4200x60"},
        ({RENEWAL: "1200x60", EXPIRY: "4200x60"}, {RENEWAL: "600x15 3600x60", EXPIRY: "4200x15 7200x60"}),
        {"certificate": "serving"},
    ),
    "KubemacpoolCertificateExpiring": Case(
        "60m",
        {RENEWAL: "600x60", EXPIRY: "4200x60"},
        ({RENEWAL: "600x60", EXPIRY: "9200x60"}, {RENEWAL: "600x15 3600x60", EXPIRY: "4200x15 7200x60"}),
        {"certificate": "serving"},
    ),
    "KubemacpoolWatchStale": Case(
        "10m",
        {'kubemacpool_watch_age_seconds{resource="pods",pod="a"}': "0+60x20"},
        ({'kubemacpool_watch_age_seconds{resource="pods",pod="a"}': "0+60x4 0+60x4 0+60x4"},),
        {"resource": "pods"},
    ),
    "KubemacpoolReplicaRestarting": Case(
        "30m",
        {'kubemacpool_start_time_seconds{pod="a"}': "0x5 300x5 600x5 900x60"},
        ({'kubemacpool_start_time_seconds{pod="a"}': "0x5 300x5 600x60"},),
        {"pod": "a"},
    ),
    "KubemacpoolObjectSetAside": Case(
        "3m",
        {'kubemacpool_objects_set_aside{kind="Pod",pod="a"}': "0 1x10"},
        ({'kubemacpool_objects_set_aside{kind="Pod",pod="a"}': "0 1 0x10"},),
        {"kind": "Pod"},
    ),
    "KubemacpoolTaskRestarts": Case(
        "3m",
        {'kubemacpool_task_restarts_total{task="pods",pod="a"}': "0 1x10"},
        ({'kubemacpool_task_restarts_total{task="pods",pod="a"}': "1x10"},),
        {"task": "pods"},
    ),
    "KubemacpoolWebhookCallsFailing": Case(
        "10m",
        _calls("0+2x60", "calling_webhook_error"),
        (_calls("0+50x60", "no_error"), _calls("0x60", "calling_webhook_error")),
        {"name": MUTATING},
    ),
    "KubemacpoolWebhookCallsSlow": Case(
        "20m",
        _durations("0+95x60", DURATION, f'name="{MUTATING}",'),
        (
            _durations("0+100x60", DURATION, f'name="{MUTATING}",'),
            _durations("0+5x60", DURATION, 'name="somebody.elses",'),
        ),
        {"name": MUTATING},
    ),
}
