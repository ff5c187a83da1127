"""Keys and self-signed certificates as identity providers have them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass
class Signer:
    """A key with its certificate, valid from ``days[0]`` to ``days[1]`` days from now."""

    name: str
    days: tuple[int, int] = (-1, 365)
    key_pem: str = field(init=False)
    certificate_pem: str = field(init=False)

    def __post_init__(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=self.days[0]))
            .not_valid_after(now + datetime.timedelta(days=self.days[1]))
            .sign(key, hashes.SHA256())
        )
        form = serialization.PrivateFormat.PKCS8
        plain = serialization.NoEncryption()
        self.key_pem = key.private_bytes(serialization.Encoding.PEM, form, plain).decode()
        self.certificate_pem = made.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def public_pem(self) -> str:
        """The public key alone, as an attacker would use it for an HMAC."""
        found = x509.load_pem_x509_certificate(self.certificate_pem.encode()).public_key()
        return found.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
