"""Writes the golden boxes, from the format as it is written down and not with the code under test.

Run in this folder: pip install cryptography argon2-cffi && python make.py
"""

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

BOX_SALT = bytes(range(0x20, 0x40))
NONCE = bytes(range(0x40, 0x4C))
PASSPHRASE_SALT = bytes(range(0x50, 0x60))


def hkdf(root, salt, info, length):
    return HKDF(SHA256(), length, salt, info).derive(root)


def seal(root, kdf, context, plaintext):
    header = b"LogtoBox\x01"
    header += hkdf(root, None, b"logto sealed box 1: key id", 8)
    header += kdf + BOX_SALT + NONCE + len(plaintext).to_bytes(8, "big")
    parts = b"".join(len(part).to_bytes(8, "big") + part for part in context)
    key = hkdf(root, BOX_SALT, b"logto sealed box 1: box key", 32)
    return header + AESGCM(key).encrypt(NONCE, plaintext, header + parts)


def passphrase(text, memory, passes, lanes):
    root = hash_secret_raw(text, PASSPHRASE_SALT, passes, memory, lanes, 32, Type.ID)
    cost = b"".join(number.to_bytes(4, "big") for number in (memory, passes, lanes))
    return root, b"\x02" + cost + PASSPHRASE_SALT


def write(name, root, kdf, context, plaintext):
    with open(name, "wb") as file:
        file.write(seal(root, kdf, context, plaintext))


BYTES = bytes(range(32)), b"\x01"
ALICE = [b"golden", b"alice", b"refreshToken"]

write("bytes.box", *BYTES, ALICE, b"a refresh token")
write("empty.box", *BYTES, [], b"")
write("passphrase-cheap.box", *passphrase(b"correct horse", 64, 1, 1), ALICE, b"a refresh token")
write("passphrase.box", *passphrase(b"correct horse", 19456, 2, 1), ALICE, "grüße".encode())
