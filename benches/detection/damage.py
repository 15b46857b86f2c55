"""The kinds of damage: what encryptors, encoders, wrappers and wipers make of a file.

A kind is a function of the file's bytes and a `Case`; it gives the damaged bytes, or None where it
does not apply to this file. Its name is its identity: the half it belongs to follows from the name.
"""

import base64
import binascii
import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import shutil
import sqlite3
import struct
import subprocess
import tarfile
import tempfile
import wave
import zipfile
import zlib
from pathlib import Path

import numpy
from Crypto.Cipher import AES, ARC4, CAST, DES3, Blowfish, ChaCha20, Salsa20
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from nacl import secret

KIB = 1024
MIB = 1024 * 1024
PASSWORD = "Kestrel-4711-harbour"
FAMILIES = ("strong", "intermittent", "encoded", "wrapped", "weak", "wiper")
KINDS = {}
# Programs that the bench would use, and that Debian does not have.
NOT_TO_BE_HAD = {"aescrypt", "rar", "bcrypt"}


class MissingTool(Exception):
    """A program that is not there."""


class Case:
    """One file under one kind: its random numbers, its like, and where programs may work."""

    def __init__(self, kind, name, data, extension, pool):
        seed = hashlib.sha256(f"{kind}:{hashlib.sha256(data).hexdigest()}".encode()).digest()
        self.random = random.Random(seed)
        self.name, self.extension, self.pool = name, extension, pool
        self.data = data

    def bytes(self, n):
        return self.random.randbytes(n)

    def ctr(self, data):
        """AES-256-CTR, the same length."""
        return AES.new(self.bytes(32), AES.MODE_CTR, nonce=self.bytes(8)).encrypt(data)

    def tool(self, command, data, inputs=None, output=None):
        """What a program makes of the data: of standard input, or of the file `in` in a folder."""
        if shutil.which(command[0]) is None:
            raise MissingTool(command[0])
        with tempfile.TemporaryDirectory() as place:
            env = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": place, "PASS": PASSWORD,
                   "GNUPGHOME": place, "LC_ALL": "C.UTF-8"}
            for name, content in (inputs or {}).items():
                (Path(place) / name).write_bytes(content)
            out = subprocess.run(command, input=data if data is not None else b"", cwd=place,
                                 env=env, capture_output=True, timeout=60)
            if out.returncode != 0:
                raise RuntimeError(f"{command[0]}: {out.stderr.decode(errors='replace')[-200:]}")
            if output is None:
                return out.stdout
            return (Path(place) / output).read_bytes()


def kind(family, name=None):
    def take(f):
        called = f"{family}/{name or f.__name__.replace('_', '-')}"
        assert called not in KINDS, called
        KINDS[called] = f
        return f
    return take


def make(family, name, f):
    kind(family, name)(f)


# ---------------------------------------------------------------------------------------- strong


def padded(data, block):
    n = block - len(data) % block
    return data + bytes([n]) * n


def cbc(module, key, block):
    def f(data, case):
        iv = case.bytes(block)
        k = case.bytes(key)
        if module is DES3:
            k = DES3.adjust_key_parity(k)
        return iv + module.new(k, module.MODE_CBC, iv).encrypt(padded(data, block))
    return f


make("strong", "aes-ctr", lambda d, c: c.ctr(d))
make("strong", "aes-ctr-iv-first", lambda d, c: c.bytes(16) + c.ctr(d))
make("strong", "aes-cbc", cbc(AES, 32, 16))
make("strong", "blowfish-cbc", cbc(Blowfish, 32, 8))
make("strong", "triple-des-cbc", cbc(DES3, 24, 8))
make("strong", "cast-cbc", cbc(CAST, 16, 8))
make("strong", "chacha20", lambda d, c: ChaCha20.new(key=c.bytes(32), nonce=c.bytes(12)).encrypt(d))
make("strong", "salsa20", lambda d, c: Salsa20.new(key=c.bytes(32), nonce=c.bytes(8)).encrypt(d))
make("strong", "rc4", lambda d, c: ARC4.new(c.bytes(16)).encrypt(d))
make("strong", "nacl-box", lambda d, c: bytes(
    secret.SecretBox(c.bytes(32)).encrypt(d, c.bytes(24))))


@kind("strong")
def aes_gcm(data, case):
    nonce = case.bytes(12)
    body, tag = AES.new(case.bytes(32), AES.MODE_GCM, nonce=nonce).encrypt_and_digest(data)
    return nonce + body + tag


@kind("strong")
def aes_ecb(data, case):
    return AES.new(case.bytes(32), AES.MODE_ECB).encrypt(padded(data, 16))


@kind("strong")
def aes_xts(data, case):
    key, out = case.bytes(64), []
    for n, at in enumerate(range(0, len(data), 512)):
        sector = data[at:at + 512]
        sector += bytes(max(0, 16 - len(sector)))
        tweak = struct.pack("<QQ", n, 0)
        out.append(Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor().update(sector))
    return b"".join(out)


@kind("strong")
def keystream_table(data, case):
    """One secret table of 1 MiB laid over all files at random places, as Hive did."""
    table = numpy.frombuffer(random.Random(7).randbytes(MIB), dtype=numpy.uint8)
    at, step = case.random.randrange(MIB), case.random.randrange(1, MIB)
    index = numpy.arange(len(data), dtype=numpy.int64)
    stream = table[(index + at) % MIB] ^ table[(index * 3 + step) % (MIB - 1024)]
    return (numpy.frombuffer(data, dtype=numpy.uint8) ^ stream).tobytes()


make("strong", "openssl-enc", lambda d, c: c.tool(
    ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-iter", "1000", "-pass", "env:PASS"], d))
make("strong", "openssl-chacha20-nosalt", lambda d, c: c.tool(
    ["openssl", "enc", "-chacha20", "-nosalt", "-pbkdf2", "-pass",
     "pass:" + c.bytes(8).hex()], d))
GPG = ["gpg", "--batch", "--yes", "--quiet", "--passphrase", PASSWORD, "--pinentry-mode",
       "loopback", "--s2k-count", "65536", "--symmetric"]
make("strong", "gpg-symmetric", lambda d, c: c.tool([*GPG, "-o", "-"], d))
make("strong", "gpg-no-compression", lambda d, c: c.tool([*GPG, "-z", "0", "-o", "-"], d))
RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
make("strong", "age", lambda d, c: c.tool(["age", "-r", RECIPIENT], d))
make("strong", "ccrypt", lambda d, c: c.tool(["ccrypt", "-e", "-K", PASSWORD], d))
make("strong", "mcrypt", lambda d, c: c.tool(["mcrypt", "-q", "-k", PASSWORD], d))
make("strong", "mcrypt-bare", lambda d, c: c.tool(
    ["mcrypt", "-q", "-b", "--noiv", "-a", "twofish", "-m", "cfb", "-k", c.bytes(8).hex()], d))
make("strong", "scrypt", lambda d, c: c.tool(
    ["scrypt", "enc", "--logN", "10", "-r", "1", "-p", "1", "--passphrase", "env:PASS", "-"], d))
make("strong", "aespipe", lambda d, c: c.tool(
    ["aespipe", "-e", "AES256", "-P", "phrase"], d, {"phrase": b"a phrase of more than twenty"}))
make("strong", "rclone-crypt", lambda d, c: c.tool(
    ["sh", "-c", "mkdir box && export RCLONE_CONFIG_X_TYPE=crypt RCLONE_CONFIG_X_REMOTE=$PWD/box "
     "RCLONE_CONFIG_X_PASSWORD=$(rclone obscure $PASS) RCLONE_CONFIG_X_FILENAME_ENCRYPTION=off && "
     "rclone copyto in x:in && cat box/in.bin"], None, {"in": d})
     if shutil.which("rclone") else absent("rclone"))
make("strong", "aescrypt", lambda d, c: c.tool(["aescrypt", "-e", "-p", PASSWORD, "-"], d))


def absent(tool):
    raise MissingTool(tool)


def certificate():
    place = Path(tempfile.gettempdir()) / "detection-certificate.pem"
    if not place.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                        "/CN=bench", "-keyout", "/dev/null", "-out", str(place)], check=True,
                       capture_output=True)
    return place.read_bytes()


def cms(form):
    return lambda d, c: c.tool(["openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform",
                                form, "-in", "in", "cert"], None, {"in": d, "cert": certificate()})


make("strong", "cms-der", cms("DER"))

# ---------------------------------------------------------------------------------- intermittent


def stretches(data, case, ranges):
    """Encrypts the given stretches where they stand; None where that leaves the file as it is."""
    out = bytearray(data)
    cipher = AES.new(case.bytes(32), AES.MODE_CTR, nonce=case.bytes(8))
    changed = False
    for start, end in ranges:
        start, end = max(0, start), min(end, len(data))
        if start < end:
            out[start:end] = cipher.encrypt(bytes(data[start:end]))
            changed = True
    return bytes(out) if changed else None


def periodic(n, taken, period, start=0):
    return [(at, at + taken) for at in range(start, n, period)]


def part(name, ranges, least=0, tail=0, cut=0):
    def f(data, case):
        if len(data) <= least:
            return None
        out = stretches(data, case, ranges(len(data)))
        if out is None:
            return None
        return (out[:-cut] if cut else out) + (case.bytes(tail) if tail else b"")
    make("intermittent", name, f)


part("head-1k", lambda n: [(0, KIB)], least=2 * KIB)
part("head-4k", lambda n: [(0, 4 * KIB)], least=8 * KIB)
part("head-64k", lambda n: [(0, 64 * KIB)], least=80 * KIB)
part("head-1m", lambda n: [(0, MIB)], least=MIB + 64 * KIB)
part("alternate-16", lambda n: periodic(n, 16, 32))
part("alternate-64", lambda n: periodic(n, 64, 128))
part("64-of-192", lambda n: periodic(n, 64, 192))
part("4k-of-16k", lambda n: periodic(n, 4 * KIB, 16 * KIB), least=20 * KIB)
part("every-16th-4k", lambda n: periodic(n, 4 * KIB, 64 * KIB), least=100 * KIB)
part("alternate-64k", lambda n: periodic(n, 64 * KIB, 128 * KIB), least=192 * KIB)
part("alternate-1m", lambda n: periodic(n, MIB, 2 * MIB), least=MIB + 64 * KIB)
part("three-stretches", lambda n: [(0, n // 10), (n * 45 // 100, n * 55 // 100), (n * 9 // 10, n)],
     least=2 * KIB)
part("two-stretches", lambda n: [(n // 5, n * 2 // 5), (n * 3 // 5, n * 4 // 5)], least=2 * KIB)
part("ten-stretches", lambda n: [(n * k // 10, n * k // 10 + n // 50) for k in range(10)],
     least=8 * KIB)
part("percent-15", lambda n: [(n * k // 4, n * k // 4 + n * 15 // 400) for k in range(4)],
     least=4 * KIB)
part("percent-50", lambda n: [(n * k // 8, n * k // 8 + n // 16) for k in range(8)], least=4 * KIB)
part("percent-5-of-head", lambda n: [(0, max(KIB, n // 20))], least=16 * KIB)
part("skip-step", lambda n: periodic(n, 8 * KIB, 24 * KIB, 8 * KIB), least=32 * KIB)
part("own-header-512", lambda n: [(512, n)], least=2 * KIB)
part("own-header-4k", lambda n: [(4 * KIB, n)], least=8 * KIB)
part("one-byte-shorter", lambda n: periodic(n, 4 * KIB, 8 * KIB), least=2 * KIB, cut=1)
part("one-byte-longer", lambda n: periodic(n, 512, 1024), least=2 * KIB, tail=1)
part("longer-tail", lambda n: periodic(n, 2 * KIB, 4 * KIB), least=2 * KIB, tail=70 * KIB)
part("key-trailer", lambda n: periodic(n, 4 * KIB, 8 * KIB), tail=512)
part("period-2777", lambda n: periodic(n, 1000, 2777, 13), least=4 * KIB)
part("period-101", lambda n: periodic(n, 37, 101, 5), least=KIB)
part("last-half", lambda n: [(n // 2, n)], least=2 * KIB)
part("middle-third", lambda n: [(n // 3, n * 2 // 3)], least=2 * KIB)


@kind("intermittent")
def random_stretches(data, case):
    n = len(data)
    if n < 8 * KIB:
        return None
    starts = sorted(case.random.randrange(n) for _ in range(6))
    return stretches(data, case, [(s, s + n // 30) for s in starts])


@kind("intermittent")
def beyond_64m(data, case):
    """A file of 65 MiB, its beginning whole and everything behind encrypted. See `grown`."""
    grown = grow(data)
    return stretches(grown, case, [(64 * MIB, len(grown))])


def grow(data):
    """The file as the head of a large one: what follows are its own bytes, over and over."""
    size = 65 * MIB
    return (data * (size // len(data) + 1))[:size]


LARGE = {"intermittent/beyond-64m"}

# --------------------------------------------------------------------------------------- encoded


def lines(text, width=76, end=b"\n"):
    return end.join(text[i:i + width] for i in range(0, len(text), width)) + end


make("encoded", "age-armor", lambda d, c: c.tool(["age", "-a", "-r", RECIPIENT], d))
make("encoded", "gpg-armor", lambda d, c: c.tool([*GPG, "-a", "-o", "-"], d))
make("encoded", "cms-pem", cms("PEM"))
make("encoded", "smime", cms("SMIME"))
make("encoded", "openssl-base64", lambda d, c: c.tool(
    ["openssl", "enc", "-aes-256-cbc", "-a", "-pbkdf2", "-iter", "1000", "-pass", "env:PASS"], d))
make("encoded", "base64-lines", lambda d, c: lines(base64.b64encode(c.ctr(d))))
make("encoded", "base64-one-line", lambda d, c: base64.b64encode(c.ctr(d)))
make("encoded", "base64-utf16", lambda d, c: b"\xff\xfe" + base64.b64encode(c.ctr(d)).decode()
     .encode("utf-16-le"))
make("encoded", "base64-not-encrypted", lambda d, c: lines(base64.b64encode(d)))
make("encoded", "hex", lambda d, c: c.ctr(d).hex().encode())
make("encoded", "hex-spaced", lambda d, c: lines(c.ctr(d).hex(" ").encode(), 48))
make("encoded", "base32", lambda d, c: lines(base64.b32encode(c.ctr(d)), 60))
make("encoded", "base85", lambda d, c: lines(base64.b85encode(c.ctr(d)), 80))
make("encoded", "ascii85", lambda d, c: base64.a85encode(c.ctr(d), wrapcol=75, adobe=True))
make("encoded", "json-record", lambda d, c: json.dumps(
    {"version": 1, "key": c.bytes(32).hex(), "data": base64.b64encode(c.ctr(d)).decode()},
    indent=2).encode())
make("encoded", "html-page", lambda d, c: b"<!DOCTYPE html><html><body><p>This file is locked.</p>"
     b'<a href="data:application/octet-stream;base64,' + base64.b64encode(c.ctr(d))
     + b'">file</a></body></html>')
make("encoded", "percent", lambda d, c: "".join(f"%{b:02X}" for b in c.ctr(d)).encode())
make("encoded", "decimal", lambda d, c: lines(" ".join(str(b) for b in c.ctr(d)).encode(), 80))


@kind("encoded")
def uuencode(data, case):
    body = case.ctr(data)
    rows = [binascii.b2a_uu(body[i:i + 45]) for i in range(0, len(body), 45)]
    return b"begin 644 file\n" + b"".join(rows) + b"`\nend\n"


@kind("encoded")
def yenc(data, case):
    shifted = bytes((b + 42) & 255 for b in case.ctr(data))
    out = bytearray()
    for b in shifted:
        out += bytes([61, (b + 64) & 255]) if b in (0, 10, 13, 61) else bytes([b])
    body = b"\r\n".join(bytes(out[i:i + 128]) for i in range(0, len(out), 128))
    return b"=ybegin line=128 size=%d name=file\r\n" % len(data) + body + b"\r\n=yend\r\n"


WORDS = ("time year people way day man thing woman life child world school state family student "
         "group country problem hand part place case week company system program question work "
         "government number night point home water room mother area money story fact month lot "
         "right study book eye job word business issue side kind head house service friend father "
         "power hour game line end member law car city community name president team minute idea "
         "kid body information back parent face others level office door health person art war "
         "history party result change morning reason research girl guy moment air teacher force "
         "education foot boy age policy music market sense nation plan college interest death "
         "course someone experience behaviour project rate road form").split()


@kind("encoded")
def words(data, case):
    """Each seven bits as one of 128 words: text that reads like text."""
    body = case.ctr(data[:128 * KIB])
    table = [WORDS[i % len(WORDS)] + ("" if i < len(WORDS) else "s") for i in range(256)]
    return lines(" ".join(table[b] for b in body).encode(), 72)


# --------------------------------------------------------------------------------------- wrapped


def archiver(*arguments, out):
    return lambda d, c: c.tool([*arguments, out, c.name], None, {c.name: d}, output=out)


make("wrapped", "zip-aes", archiver("7z", "a", "-tzip", "-mem=AES256", "-p" + PASSWORD, "-bso0",
                                    "-mx1", out="out.zip"))
make("wrapped", "zip-classic", archiver("zip", "-q", "-P", PASSWORD, out="out.zip"))
make("wrapped", "7z", archiver("7z", "a", "-p" + PASSWORD, "-bso0", "-mx1", out="out.7z"))
make("wrapped", "7z-names-too", archiver("7z", "a", "-p" + PASSWORD, "-mhe=on", "-bso0", "-mx1",
                                         out="out.7z"))
make("wrapped", "rar", archiver("rar", "a", "-p" + PASSWORD, out="out.rar"))


def vint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def rar_header(what, flags, *rest):
    body = vint(what) + vint(flags) + b"".join(rest)
    body = vint(len(body)) + body
    return struct.pack("<I", zlib.crc32(body)) + body


@kind("wrapped")
def rar_like(data, case):
    """A RAR 5 archive with a password, stored: by the published form, since no program is free."""
    cipher = AES.new(case.bytes(32), AES.MODE_CBC, case.bytes(16))
    body, name = cipher.encrypt(padded(data, 16)), case.name.encode()
    record = vint(1) + vint(0) + vint(0) + b"\x0f" + case.bytes(32)
    extra = vint(len(record)) + record
    return b"".join([
        b"Rar!\x1a\x07\x01\x00", rar_header(1, 0, vint(0)),
        rar_header(2, 3, vint(len(extra)), vint(len(body)), vint(4), vint(len(data)), vint(32),
                   struct.pack("<I", zlib.crc32(data)), vint(0), vint(1), vint(len(name)), name,
                   extra),
        body, rar_header(5, 0, vint(0))])


def zipped(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, content in members:
            z.writestr(zipfile.ZipInfo(name, (2026, 3, 4, 5, 6, 8)), content, method)
    return out.getvalue()


make("wrapped", "ciphertext-in-zip", lambda d, c: zipped([(c.name, c.ctr(d))]))
make("wrapped", "ciphertext-in-deflated-zip",
     lambda d, c: zipped([("data.bin", c.ctr(d))], zipfile.ZIP_DEFLATED))
make("wrapped", "ciphertext-in-gzip", lambda d, c: gzip.compress(c.ctr(d), 1))
make("wrapped", "ciphertext-in-bzip2", lambda d, c: bz2.compress(c.ctr(d), 1))
make("wrapped", "ciphertext-in-xz", lambda d, c: lzma.compress(c.ctr(d), preset=0))
TYPES = (b'<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/'
         b'package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.'
         b'openxmlformats-package.relationships+xml"/><Default Extension="bin" ContentType="'
         b'application/octet-stream"/><Override PartName="/%s" ContentType="application/vnd.'
         b'openxmlformats-officedocument.%s.main+xml"/></Types>')
RELS = (b'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.'
        b'openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        b'Type="http://schemas.'
        b'openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="%s"/>'
        b"</Relationships>")


def office(main, content_type, body, more):
    return zipped([("[Content_Types].xml", TYPES % (main.encode(), content_type)),
                   ("_rels/.rels", RELS % main.encode()), (main, body), *more],
                  zipfile.ZIP_DEFLATED)


DOCUMENT = (b'<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/'
            b'wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>%s</w:t></w:r></w:p></w:body>'
            b"</w:document>")
BOOK = (b'<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/'
        b'2006/main"><sheets/></workbook>')
make("wrapped", "ciphertext-beside-a-docx-text", lambda d, c: office(
    "word/document.xml", b"wordprocessingml.document", DOCUMENT % b"Locked.",
    [("word/embeddings/oleObject1.bin", c.ctr(d))]))
make("wrapped", "ciphertext-as-docx-text", lambda d, c: office(
    "word/document.xml", b"wordprocessingml.document",
    DOCUMENT % base64.b64encode(c.ctr(d)), []))
make("wrapped", "ciphertext-as-docx-main-part", lambda d, c: office(
    "word/document.xml", b"wordprocessingml.document", c.ctr(d), []))
make("wrapped", "ciphertext-in-xlsx", lambda d, c: office(
    "xl/workbook.xml", b"spreadsheetml.sheet", BOOK, [("xl/vbaProject.bin", c.ctr(d))]))


@kind("wrapped")
def members_encrypted(data, case):
    """A container of the same names whose members are all ciphertext."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            names = [i for i in z.infolist() if i.file_size < 4 * MIB][:400]
            return zipped([(i.filename, case.ctr(z.read(i))) for i in names])
    except Exception:  # noqa: BLE001 - no zip, or one that cannot be read
        return None


@kind("wrapped")
def office_password(data, case):
    """An OOXML file with a password, by the format's own encryption, under its old name."""
    if case.extension not in ("docx", "xlsx", "pptx"):
        return None
    import msoffcrypto.format.ooxml as ooxml
    try:
        out = io.BytesIO()
        ooxml.OOXMLFile(io.BytesIO(data)).encrypt(PASSWORD, out)
        return out.getvalue()
    except Exception:  # noqa: BLE001 - malformed on purpose
        return None


def png(body, extra=b""):
    def chunk(name, content):
        return (struct.pack(">I", len(content)) + name + content
                + struct.pack(">I", zlib.crc32(name + content)))
    width = 256
    rows = [body[i:i + width * 3].ljust(width * 3, b"\0") for i in range(0, len(body), width * 3)]
    pixels = zlib.compress(b"".join(b"\0" + r for r in rows), 1)
    head = struct.pack(">IIBBBBB", width, max(1, len(rows)), 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra_chunks(chunk, extra)
            + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def extra_chunks(chunk, extra):
    return chunk(b"prVt", extra) if extra else b""


make("wrapped", "ciphertext-as-png-pixels", lambda d, c: png(c.ctr(d)))
make("wrapped", "ciphertext-in-a-png-chunk", lambda d, c: png(b"\x40" * 3 * 256 * 64, c.ctr(d)))


@kind("wrapped")
def ciphertext_in_pdf(data, case):
    body, out, at = case.ctr(data), bytearray(b"%PDF-1.4\n"), []
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
               b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 5 0 R>>",
               b"<</Type/EmbeddedFile/Length %d>>stream\n" % len(body) + body + b"\nendstream",
               b"<</Length 0>>stream\n\nendstream"]
    for n, o in enumerate(objects, 1):
        at.append(len(out))
        out += b"%d 0 obj\n" % n + o + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % a for a in at)
    return bytes(out + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start)


@kind("wrapped")
def ciphertext_in_wav(data, case):
    out = io.BytesIO()
    with wave.open(out, "wb") as w:
        w.setparams((1, 2, 44100, 0, "NONE", ""))
        w.writeframes(case.ctr(data) + bytes(len(data) % 2))
    return out.getvalue()


@kind("wrapped")
def ciphertext_in_sqlite(data, case):
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "x.sqlite"
        base = sqlite3.connect(path)
        base.execute("create table file (name text, body blob)")
        base.execute("insert into file values (?, ?)", (case.name, case.ctr(data)))
        base.commit()
        base.close()
        return path.read_bytes()


@kind("wrapped")
def ciphertext_in_mp4(data, case):
    def box(name, body):
        return struct.pack(">I", len(body) + 8) + name + body
    return (box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41") + box(b"moov", box(b"mvhd", bytes(100)))
            + box(b"mdat", case.ctr(data)))


@kind("wrapped")
def ciphertext_in_tar(data, case):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(case.name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(case.ctr(data)))
    return out.getvalue()


@kind("wrapped")
def ciphertext_behind_a_jpeg(data, case):
    small = case.tool(["/usr/bin/convert", "-size", "160x120", "plasma:fractal", "jpg:-"], b"")
    return small + case.ctr(data)


# ------------------------------------------------------------------------------------------ weak


def array(data):
    return numpy.frombuffer(data, dtype=numpy.uint8)


def xored(data, key):
    stream = numpy.resize(array(key), len(data))
    return (array(data) ^ stream).tobytes()


def table(f):
    return bytes(f(i) & 255 for i in range(256))


make("weak", "xor-one-byte", lambda d, c: xored(d, bytes([c.random.randrange(1, 256)])))
make("weak", "xor-4", lambda d, c: xored(d, c.bytes(4)))
make("weak", "xor-16", lambda d, c: xored(d, c.bytes(16)))
make("weak", "xor-word", lambda d, c: xored(d, c.random.choice(WORDS).encode() * 2))
make("weak", "xor-256", lambda d, c: xored(d, c.bytes(256)))
make("weak", "xor-4096", lambda d, c: xored(d, c.bytes(4096)))
make("weak", "add-constant", lambda d, c: d.translate(table(
    lambda i, k=c.random.randrange(1, 256): i + k)))
make("weak", "add-key", lambda d, c: (array(d) + numpy.resize(array(c.bytes(12)), len(d)))
     .astype(numpy.uint8).tobytes())
make("weak", "rotate-bits", lambda d, c: d.translate(table(lambda i: i << 3 | i >> 5)))
make("weak", "bit-reversal", lambda d, c: d.translate(table(
    lambda i: int(f"{i:08b}"[::-1], 2))))
make("weak", "nibble-swap", lambda d, c: d.translate(table(lambda i: i << 4 | i >> 4)))
make("weak", "invert", lambda d, c: d.translate(table(lambda i: ~i)))
make("weak", "substitution", lambda d, c: d.translate(bytes(c.random.sample(range(256), 256))))
make("weak", "byte-swap", lambda d, c: array(d[:len(d) // 2 * 2]).reshape(-1, 2)[:, ::-1]
     .tobytes() + d[len(d) // 2 * 2:])
make("weak", "reversed", lambda d, c: d[::-1])
make("weak", "deflate-then-xor", lambda d, c: xored(zlib.compress(d, 6), c.bytes(5)))
make("weak", "xor-first-4k", lambda d, c: xored(d[:4096], c.bytes(8)) + d[4096:])
make("weak", "xor-position", lambda d, c: (array(d) ^ (numpy.arange(len(d)) * 7 + 3)
                                           .astype(numpy.uint8)).tobytes())
TEXT = ("txt", "md", "rst", "csv", "tsv", "html", "htm", "xml", "json", "tex", "po", "py", "c", "h",
        "js", "java", "rs", "eml", "ics", "rtf", "svg")


@kind("weak")
def caesar_text(data, case):
    if case.extension not in TEXT:
        return None
    k = case.random.randrange(1, 26)
    return data.translate(bytes(
        (i - 65 + k) % 26 + 65 if 65 <= i <= 90 else (i - 97 + k) % 26 + 97 if 97 <= i <= 122
        else i for i in range(256)))


@kind("weak")
def letters_permuted(data, case):
    if case.extension not in TEXT:
        return None
    order = case.random.sample(range(26), 26)
    return data.translate(bytes(
        order[i - 65] + 65 if 65 <= i <= 90 else order[i - 97] + 97 if 97 <= i <= 122
        else i for i in range(256)))


@kind("weak")
def blocks_shuffled(data, case):
    blocks = [data[i:i + 512] for i in range(0, len(data), 512)]
    if len(blocks) < 4:
        return None
    case.random.shuffle(blocks)
    return b"".join(blocks)


@kind("weak")
def linear_generator(data, case):
    """The stream of a linear congruential generator, as home-made encryptors use."""
    state, out = case.random.randrange(1 << 31), bytearray()
    for _ in range(min(len(data), 4 * MIB)):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out.append(state >> 16 & 255)
    return xored(data, bytes(out))


# ----------------------------------------------------------------------------------------- wiper


make("wiper", "zeros", lambda d, c: bytes(len(d)))
make("wiper", "ones", lambda d, c: b"\xff" * len(d))
make("wiper", "pattern", lambda d, c: (b"\x55\xaa" * (len(d) // 2 + 1))[:len(d)])
make("wiper", "spaces", lambda d, c: b" " * len(d))
make("wiper", "random-bytes", lambda d, c: c.bytes(len(d)))
make("wiper", "truncated-to-0", lambda d, c: b"")
make("wiper", "truncated-to-1", lambda d, c: d[:1])
make("wiper", "truncated-to-half", lambda d, c: d[:len(d) // 2])
make("wiper", "truncated-to-a-tenth", lambda d, c: d[:len(d) // 10])
make("wiper", "head-cut-off", lambda d, c: d[min(4096, len(d) // 2):])
make("wiper", "junk-letters", lambda d, c: lines(bytes(
    c.random.choices(b"abcdefghijklmnopqrstuvwxyz     ", k=len(d)))))
make("wiper", "random-words", lambda d, c: lines(" ".join(
    c.random.choices(WORDS, k=len(d) // 5 + 1)).encode())[:len(d)])
make("wiper", "a-slogan", lambda d, c: (b"THIS FILE IS GONE. THERE IS NO WAY BACK.\r\n"
                                        * (len(d) // 40 + 1))[:len(d)])
make("wiper", "a-short-word", lambda d, c: b"gone\n")
make("wiper", "one-file-in-all", lambda d, c: c.pool.of_all())
make("wiper", "swapped-same-kind", lambda d, c: c.pool.other(c, same=True))
make("wiper", "swapped-other-kind", lambda d, c: c.pool.other(c, same=False))
make("wiper", "head-512-zeroed", lambda d, c: bytes(min(512, len(d))) + d[512:])
make("wiper", "head-4k-zeroed", lambda d, c: bytes(min(4096, len(d))) + d[4096:])
make("wiper", "head-64k-random", lambda d, c: c.bytes(min(65536, len(d))) + d[65536:])
make("wiper", "last-half-zeroed", lambda d, c: d[:len(d) // 2] + bytes(len(d) - len(d) // 2))


def zeroed(step):
    def f(data, case):
        out = bytearray(data)
        out[::step] = bytes(len(out[::step]))
        return bytes(out)
    return f


make("wiper", "every-2nd-byte-zeroed", zeroed(2))
make("wiper", "every-16th-byte-zeroed", zeroed(16))


@kind("wiper")
def alternate_4k_zeroed(data, case):
    out = bytearray(data)
    for at in range(0, len(data), 8192):
        out[at:at + 4096] = bytes(len(out[at:at + 4096]))
    return bytes(out)


@kind("wiper")
def lines_shuffled(data, case):
    if case.extension not in TEXT:
        return None
    rows = data.splitlines(keepends=True)
    if len(rows) < 8:
        return None
    case.random.shuffle(rows)
    return b"".join(rows)


def family(name):
    return name.split("/")[0]
