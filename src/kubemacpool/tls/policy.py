"""Which versions and cipher suites of TLS are spoken, in the words of Kubernetes' components and of Go."""

import ssl
from collections.abc import Sequence
from typing import Final, NamedTuple

DEFAULT_MIN_VERSION: Final = "VersionTLS13"

MIN_VERSIONS: Final = {
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
"""As Kubernetes' components write them, and as others do."""

_FOR_OUR_CERTIFICATE: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
}
"""Those of TLS 1.2 that a certificate with an ECDSA key can be used with, which ours always has; OpenSSL's names."""

_FOR_OTHER_CERTIFICATES: Final = frozenset(
    {
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA",
    }
)
"""Lists that are meant for all components of a cluster have them; they make no difference here."""

_OF_TLS_1_3: Final = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
"""Always spoken: as in Go, those of TLS 1.3 are not for anybody to choose."""

SUITES: Final = tuple(sorted(_FOR_OUR_CERTIFICATE.keys() | _FOR_OTHER_CERTIFICATES | _OF_TLS_1_3))


class TlsPolicy(NamedTuple):
    """What is spoken at least.

    Attributes:
        minimum: the oldest version.
        ciphers: suites of TLS 1.2, in OpenSSL's words; empty for those that it deems good.
    """

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()

    def apply(self, context: ssl.SSLContext) -> None:
        """Have a context keep to it."""
        context.minimum_version = self.minimum
        if self.ciphers:
            context.set_ciphers(":".join(self.ciphers))


def policy_of(min_version: str, cipher_suites: Sequence[str]) -> TlsPolicy:
    """What the words of the settings mean; each of them is one of `MIN_VERSIONS` and `SUITES`.

    Where suites are chosen and none of them can be used with TLS 1.2 and our certificate, that version is not spoken.
    """
    ciphers = tuple(dict.fromkeys(_FOR_OUR_CERTIFICATE[name] for name in cipher_suites if name in _FOR_OUR_CERTIFICATE))
    if cipher_suites and not ciphers:
        return TlsPolicy()
    return TlsPolicy(MIN_VERSIONS[min_version], ciphers)
