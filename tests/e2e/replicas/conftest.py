"""An installation of its own for the tests of who leads, on an API server that records every write of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from tests.e2e.replicas.audit import AuditLog
from tests.support.installed import Installed, installation

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY: Final = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: ["system:serviceaccount:kubemacpool-system:kubemacpool-sa"]
    verbs: ["create", "update", "patch", "delete", "deletecollection"]
  - level: None
"""


@pytest.fixture(scope="session")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """Where the API server of these tests writes."""
    return AuditLog(tmp_path_factory.mktemp("audit") / "audit.log")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, audit_log: AuditLog) -> Iterator[Installed]:
    """An installation that is ready when a test begins, and has to be so when it ends."""
    policy = audit_log.path.with_name("policy.yaml")
    policy.write_text(POLICY, encoding="utf-8")
    audited = (f"--audit-policy-file={policy}", f"--audit-log-path={audit_log.path}")
    with installation(tmp_path_factory.mktemp("replicas-cluster"), apiserver_args=audited) as installed:
        yield installed
