"""Launcher pods and instances: they carry what their virtual machine does, and are given nothing of their own."""

from collections.abc import Sequence
from logging import DEBUG

import structlog

from kubemacpool.admission import messages
from kubemacpool.admission.allocation import AddressAllocation
from kubemacpool.admission.handler import Verdict, denial_of, texts_of
from kubemacpool.admission.messages import Field
from kubemacpool.admission.policies import Policy
from kubemacpool.core.requests import AddressRequest, Allocated

_log = structlog.get_logger(__name__)


async def admit_dependent(
    allocation: AddressAllocation, request: AddressRequest, field: Field, labels: Sequence[str], policy: Policy
) -> Verdict:
    """Let an object carry the addresses of its machine, for which the Lease need not list them.

    Args:
        allocation: decides.
        request: of the machine; with the object that depends on it.
        field: where the object has its addresses.
        labels: what each interface of the request is called there.
        policy: what holds in the namespace.

    Raises:
        Denial: an address is somebody else's.
        RetryLaterError: there is no answer now.
    """
    family, dependent = request.party, request.dependent or request.party
    decision, conflicts = await allocation.allocate(request, policy.resolution)
    if not isinstance(decision, Allocated):
        raise denial_of(decision, dependent, field, labels, policy)
    if _log.is_enabled_for(DEBUG):
        addresses = texts_of(decision.addresses)
        _log.debug("allocated", object=str(dependent), family=str(family), addresses=addresses, dry_run=request.dry_run)
    told = [messages.conflict(labels, policy.shown(each, family.namespace)) for each in conflicts]
    return Verdict("allocated", warnings=[*map(messages.admitted, told), *policy.warnings(mattered=bool(conflicts))])
