"""Make a TLS certificate for the server, or a key for a site: ``python -m deployment.keys``; docs/deployment.md."""

import datetime
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization.ssh import SSHPublicKeyTypes
from cryptography.x509.oid import NameOID

from deployment.options import KeyOptions
from experiments.run.mistakes import exit_status
from fedpsyau_jax.options import parsed

__all__ = ["enrolled_keys", "make_server_certificate", "make_site_key", "private_key", "public_bytes"]

AUTHORITY, CERTIFICATE, SERVER_KEY = "ca.pem", "server.pem", "server.key"
PRIVATE, PUBLIC = "site.key", "site.pub"
YEARS = 2


def make_server_certificate(folder: Path, host: str) -> None:
    """An authority of its own and, signed by it, the certificate of a server; sites get ``ca.pem``.

    Args:
        folder: for ``ca.pem``, ``server.pem`` and ``server.key``; the authority's own key is not stored.
        host: name or address under which sites reach the server.

    Raises:
        ValueError: the folder has a certificate already.
    """
    _refuse_existing(folder / CERTIFICATE)
    authority_key, key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    authority_name, name = _named("fedpsyau_jax federation"), _named(host[:64])
    authority = (
        _certificate(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .add_extension(_usage(signs=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _certificate(name, authority_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / AUTHORITY).write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (folder / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_secret(folder / SERVER_KEY, key)


def make_site_key(folder: Path) -> None:
    """The key pair of a site; the server gets ``site.pub``.

    Raises:
        ValueError: the folder has one already.
    """
    _refuse_existing(folder / PRIVATE)
    key = ec.generate_private_key(ec.SECP384R1())
    folder.mkdir(parents=True, exist_ok=True)
    _write_secret(folder / PRIVATE, key)
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    (folder / PUBLIC).write_bytes(key.public_key().public_bytes(*form) + b"\n")


def private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The private key of a site.

    Raises:
        ValueError: it is none.
        OSError: it cannot be read.
    """
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), None)
    except ValueError:
        raise ValueError(f"{path} is not the key of a site; make one: python -m deployment.keys --whose site") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is a key of another kind; make one: python -m deployment.keys --whose site")
    return key


def enrolled_keys(folder: Path) -> Mapping[str, bytes]:
    """The public keys of all enrolled sites, by the names of their files, in the order of these.

    Raises:
        ValueError: a file holds no key, or one that another site has; or there is no file.
    """
    keys: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.pub")):
        try:
            key = serialization.load_ssh_public_key(path.read_bytes())
        except ValueError:
            raise ValueError(
                f"{path} is not the public key of a site: enrol the site.pub that its owner made"
            ) from None
        content = public_bytes(key)
        if content in keys.values():
            raise ValueError(f"{path} is the key of another enrolled site, too: each site makes its own")
        keys[path.stem] = content
    if not keys:
        raise ValueError(f"{folder} has no key of a site: copy the site.pub of each site there, as NAME.pub")
    return keys


def public_bytes(key: SSHPublicKeyTypes) -> bytes:
    """A public key as a text that is equal for equal keys."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise ValueError(f"{path} exists already: choose another folder, or delete it to make a new one")


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _certificate(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not signs, False, False, False, not signs, signs, signs, False, False)


def _write_secret(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    if path.name == SERVER_KEY:
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(*form))


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(KeyOptions, arguments, prog="python -m deployment.keys")
    folder = Path(options.folder)
    if options.whose == "server":
        make_server_certificate(folder, options.host)
        print(f"{folder / AUTHORITY}: give it to every site. {folder / SERVER_KEY}: keep it secret.")
    else:
        make_site_key(folder)
        print(f"{folder / PUBLIC}: give it to the server's owner. {folder / PRIVATE}: keep it secret.")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1:])))
