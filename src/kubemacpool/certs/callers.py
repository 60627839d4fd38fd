"""Who may ask, by the client certificate that was presented.

The handshake lets through certificates that have been signed by one of our authorities, or by the administrator's for
the API server. Which of the two it was, it does not say; so what is not signed by ours was signed by the other.
"""

from collections.abc import Callable, Collection
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from kubemacpool.certs.authority import is_issued_by

REMEMBERED: Final = 64
"""Certificates of callers; there are as many as replicas and API servers, and those that they had before."""

_NO_REPLICA: Final = (
    "Kubemacpool-Forwarded is for replicas of KubeMacPool, which prove themselves by a certificate of their own "
    "authority (Secret kubemacpool-ca)"
)


class Callers:
    """Judges the certificates of callers.

    Args:
        authorities: ours as of now, PEM, one each.
        replica_name: a name in every replica's certificate.
        client_names: of the other clients that may ask, as a common name or a DNS name; none for anybody who likes.
    """

    def __init__(
        self, authorities: Callable[[], tuple[bytes, ...]], replica_name: str, client_names: Collection[str] = ()
    ) -> None:
        self._authorities = authorities
        self._replica_name = replica_name
        self._client_names = frozenset(client_names)
        self._judged_by: tuple[bytes, ...] = ()
        self._judged: dict[bytes, str] = {}

    def refusal(self, certificate: bytes | None, *, forwarded: bool) -> str:
        """Why the caller may not ask; empty where he may.

        Args:
            certificate: which the handshake has let through, DER; None where he has shown none.
            forwarded: whether he says that he is a replica.
        """
        if not forwarded and not self._client_names:
            return ""
        if certificate is None:
            shown = "this connection has shown none"
            return f"{_NO_REPLICA}; {shown}" if forwarded else f"{self._wanted}; {shown}"
        who = self._who(certificate)
        if who == self._replica_name:
            return ""
        if forwarded:
            return f"{_NO_REPLICA}; the certificate of this connection is none of these"
        if who in self._client_names:
            return ""
        return f"{self._wanted}; the one of this connection has another name"

    @property
    def _wanted(self) -> str:
        names = ", ".join(sorted(self._client_names))
        return f"only a client with a certificate for {names} may ask (--client-ca-file, --client-name)"

    def _who(self, certificate: bytes) -> str:
        """The name by which the caller may ask; empty where he has none such."""
        authorities = self._authorities()
        if authorities != self._judged_by or len(self._judged) >= REMEMBERED:
            self._judged_by = authorities
            self._judged.clear()
        if certificate not in self._judged:
            self._judged[certificate] = self._judge(certificate)
        return self._judged[certificate]

    def _judge(self, content: bytes) -> str:
        try:
            certificate = x509.load_der_x509_certificate(content)
            common = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
            names = {*common, *_dns_names(certificate)}
        except ValueError:
            return ""
        if is_issued_by(certificate, self._authorities()):
            return self._replica_name if self._replica_name in names else ""
        return next(iter(names & self._client_names), "")


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return covered.get_values_for_type(x509.DNSName)
