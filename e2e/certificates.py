"""Certificate authorities and what they sign, made for one test."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, as files of PEM."""

    certificate: x509.Certificate
    certificate_file: object
    key_file: object


def written(directory, name, certificate, key):
    certificate_file, key_file = directory / f"{name}.crt", directory / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Certificate(certificate, certificate_file, key_file)


class Authority:
    """Signs certificates for servers and clients."""

    def __init__(self, directory, name="test authority"):
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = common_name(name)
        builder = self._builder(self._name, self._key.public_key(), now() - DAY, now() + DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        certificate = builder.sign(self._key, hashes.SHA256())
        self.file = directory / f"{name.replace(' ', '-')}.crt"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject, key, begins, ends):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )

    def _sign(self, file_name, subject, names, usage, ends=None):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(common_name(subject), key.public_key(), now() - 2 * DAY, ends or now() + DAY)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return written(self._directory, file_name, builder.sign(self._key, hashes.SHA256()), key)

    def server(self, file_name="server"):
        """A certificate for this machine's loopback."""
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        return self._sign(file_name, "localhost", names, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, file_name, *, uris=(), dns=(), subject="client", ends=None, usage=ExtendedKeyUsageOID.CLIENT_AUTH):
        """A certificate for a client of these names."""
        names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, dns)]
        return self._sign(file_name, subject, names, usage, ends)

    def context(self, client=None, protocols=None):
        """What a client needs that trusts this authority, and shows that certificate."""
        context = ssl.create_default_context(cafile=self.file)
        if client:
            context.load_cert_chain(client.certificate_file, client.key_file)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context


def expired():
    """An end that has been."""
    return now() - DAY
