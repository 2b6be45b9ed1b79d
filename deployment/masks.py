"""The cryptography of secure aggregation, all of it from libraries.

Key agreement (P-384 and HKDF), authenticated encryption (Fernet) and Shamir's shares are those of Flower's SecAgg+. Its
generator of masks is not used, because it folds a seed to 32 bits, which can be tried one by one: masks are AES-256 in
counter mode, as Bonawitz et al. propose.
"""

import base64
import secrets
from typing import NamedTuple

import numpy as np
from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from flwr.common.secure_aggregation.crypto.shamir import combine_shares, create_shares
from flwr.common.secure_aggregation.crypto.symmetric_encryption import decrypt, encrypt, generate_shared_key
from flwr.supercore.primitives.asymmetric import (
    bytes_to_private_key,
    bytes_to_public_key,
    generate_key_pairs,
    private_key_to_bytes,
    public_key_to_bytes,
    sign_message,
    verify_signature,
)

from deployment.payload import Refused

__all__ = ["Pair", "agreed", "combined", "fresh_pair", "fresh_seed", "mask", "opened", "pair_of", "pairwise", "sealed"]
__all__ += ["shares", "sign_message", "signed_by"]

SEED_BYTES = 32


class Pair(NamedTuple):
    """A private key, and its public one, as bytes."""

    private: bytes
    public: bytes


def fresh_pair() -> Pair:
    """A pair that nobody has seen."""
    private, public = generate_key_pairs()
    return Pair(private_key_to_bytes(private), public_key_to_bytes(public))


def pair_of(private: bytes) -> Pair:
    """The pair of a private key."""
    return Pair(private, public_key_to_bytes(bytes_to_private_key(private).public_key()))


def fresh_seed() -> bytes:
    """A seed of a mask that nobody has seen."""
    return secrets.token_bytes(SEED_BYTES)


def agreed(own: Pair, other: bytes) -> bytes:
    """The secret that two pairs have in common: the same from either side.

    Raises:
        Refused: the other is no public key.
    """
    return generate_shared_key(bytes_to_private_key(own.private), _public(other))


def mask(seed: bytes, length: int) -> np.ndarray:
    """So many numbers, uniform in all 64 bits; a seed is used for one mask only."""
    stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()
    return np.frombuffer(stream.update(bytes(8 * length)), "<u8").astype(np.uint64)


def pairwise(own: Pair, other: bytes, length: int, *, adds: bool) -> np.ndarray:
    """The mask that one of two sites adds and the other subtracts."""
    numbers = mask(base64.urlsafe_b64decode(agreed(own, other)), length)
    return numbers if adds else -numbers


def sealed(key: bytes, text: bytes) -> bytes:
    """Encrypted, so that only who has the key can read or change it."""
    return encrypt(key, text)


def opened(key: bytes, text: bytes) -> bytes:
    """What was sealed with the key.

    Raises:
        Refused: it was not, or was changed.
    """
    try:
        return decrypt(key, text)
    except InvalidToken:
        raise Refused("a sealed share was not made for this site, or was changed on its way") from None


def shares(secret: bytes, threshold: int, number: int) -> list[bytes]:
    """Shares, of which ``threshold`` give the secret and fewer say nothing."""
    return create_shares(secret, threshold, number)


def combined(found: list[bytes]) -> bytes:
    """The secret of shares.

    Raises:
        Refused: they do not fit together.
    """
    try:
        return combine_shares(found)
    except (ValueError, IndexError, TypeError):
        raise Refused("shares do not fit together: a site sent wrong ones") from None


def signed_by(public: bytes, content: bytes, signature: bytes) -> bool:
    """Whether the content was signed with the private key of this public one."""
    return verify_signature(_public(public), content, signature)


def _public(content: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = bytes_to_public_key(content)
    except ValueError:
        raise Refused("a public key cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise Refused("a public key is of another kind")
    return key
