"""Whether PEM from a configuration can be used, told before anything is connected. Keys are never in the answer."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


def fault_of_certificates(content: bytes) -> str:
    """What is wrong with one or more certificates; empty where nothing is."""
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        return f"holds no certificate that can be read ({len(content)} bytes)"
    return ""


def fault_of_key(content: bytes, certificate: bytes) -> str:
    """What is wrong with the private key of a certificate that can be read; empty where nothing is."""
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        return "holds a private key that is protected by a password"
    except (ValueError, UnsupportedAlgorithm):
        return f"holds no private key that can be read ({len(content)} bytes)"
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    certified = x509.load_pem_x509_certificates(certificate)[0].public_key()
    if key.public_key().public_bytes(*form) != certified.public_bytes(*form):
        return "is not the key of the client-certificate beside it"
    return ""
