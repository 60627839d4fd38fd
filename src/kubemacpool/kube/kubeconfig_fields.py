"""Reading the fields of a kubeconfig so that every mistake names the file, the field, the value and the remedy."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

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


class ClusterConfigError(Exception):
    """The configuration says something that cannot be followed. One sentence for a person."""


class Section:
    """A mapping inside a kubeconfig, and where it stands."""

    def __init__(self, file: Path, place: str, content: Mapping[object, object]) -> None:
        self.place = place
        self.file = file
        self._content = content

    def mistake(self, name: str, text: str) -> ClusterConfigError:
        """The error that says what is wrong with a field."""
        return ClusterConfigError(f"{self.file}: {self._where(name)} {text}")

    def has(self, name: str) -> bool:
        """Whether the field is there and not empty."""
        return self._content.get(name) not in (None, "", [], {})

    def text(self, name: str) -> str:
        """A field that holds a text; empty where it is missing."""
        value = self._content.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.mistake(name, f"is of type {type(value).__name__}, not a text; put it in quotes")
        return value

    def required(self, name: str) -> str:
        """A field that must hold a text."""
        value = self.text(name)
        if not value:
            raise self.mistake(name, "is missing; set it")
        return value

    def texts(self, name: str) -> list[str]:
        """A field that holds a list of texts."""
        value = self._content.get(name) or []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.mistake(name, "is not a list of texts; write it anew")
        return [str(each) for each in value]

    def flag(self, name: str) -> bool:
        """A field that holds true or false; false where it is missing."""
        value = self._content.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise self.mistake(name, f"is {value!r}; write true or false")

    def path(self, name: str) -> Path:
        """A field that holds the path of a file, relative to the kubeconfig."""
        return self.file.parent / self.required(name)

    def pem(self, name: str) -> bytes | None:
        """A field that holds the path of a PEM file, or with `-data` behind its name the file itself in base64.

        As in kubectl, the data win over the path. None where neither is there.
        """
        encoded = self.text(f"{name}-data")
        if encoded:
            try:
                content = base64.b64decode("".join(encoded.split()), validate=True)
            except (binascii.Error, ValueError) as error:
                raise self.mistake(
                    f"{name}-data", f"is not base64 ({len(encoded)} characters); write it anew"
                ) from error
        elif self.text(name):
            path = self.path(name)
            try:
                content = path.read_bytes()
            except OSError as error:
                raise self.mistake(
                    name, f"is {str(path)!r}, which cannot be read ({error.strerror}); name a readable PEM file"
                ) from error
        else:
            return None
        return content

    def files(self, *names: str) -> list[Path]:
        """The files that `pem` reads for these fields; none for what stands in the kubeconfig itself."""
        return [self.path(name) for name in names if self.text(name) and not self.text(f"{name}-data")]

    def certificates(self, name: str) -> bytes | None:
        """As `pem`, for certificates, which have to be readable."""
        content = self.pem(name)
        if content is not None and (fault := fault_of_certificates(content)):
            raise self.mistake(self.pem_field(name), f"{fault}; write it anew")
        return content

    def pem_field(self, name: str) -> str:
        """Which of the two fields that `pem` reads is the one in force."""
        return f"{name}-data" if self.text(f"{name}-data") else name

    def sections(self, name: str) -> list["Section"]:
        """A field that holds a list of mappings."""
        value = self._content.get(name) or []
        if not isinstance(value, list):
            raise self.mistake(name, f"is of type {type(value).__name__}, not a list; write it anew")
        found = []
        for index, entry in enumerate(value):
            if not isinstance(entry, dict):
                raise self.mistake(
                    f"{name}[{index}]", f"is of type {type(entry).__name__}, not a mapping; write it anew"
                )
            found.append(Section(self.file, self._where(f"{name}[{index}]"), entry))
        return found

    def section(self, name: str) -> "Section":
        """A field that holds a mapping; an empty one where it is missing."""
        value = self._content.get(name) or {}
        if not isinstance(value, dict):
            raise self.mistake(name, f"is of type {type(value).__name__}, not a mapping; write it anew")
        return Section(self.file, self._where(name), value)

    def empty(self, place: str) -> "Section":
        """A mapping of the same file with nothing in it."""
        return Section(self.file, place, {})

    def _where(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name


def named(root: Section, listing: str, name: str, kind: str, *, wanted_by: str) -> Section:
    """The entry of that name in one of the lists of a kubeconfig."""
    entries = root.sections(listing)
    for entry in entries:
        if entry.text("name") == name:
            return entry.section(kind)
    known = ", ".join(entry.text("name") for entry in entries) or "none"
    raise root.mistake(listing, f"has no {kind} {name!r}, which {wanted_by} names; choose one of: {known}")
