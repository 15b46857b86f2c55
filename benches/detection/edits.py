"""Honest edits of one file by real programs. A case is in the half of the file that it begins with.
"""

import base64
import io
import json
import re
import time

from xml.dom import minidom

from damage import PASSWORD, WORDS, Case, MissingTool
from generate import BYTES_MAX, note

EDITS = []
TEXT = {
    "txt",
    "markdown",
    "csv",
    "tex",
    "source",
    "html",
    "xml",
    "json",
    "po",
    "eml",
    "svg",
    "gis",
    "vocabulary",
    "mindmap",
    "notebook",
}
IMAGES = {"jpg", "png", "gif", "tiff", "bmp", "webp"}
SOUND = {"mp3", "wav", "ogg", "flac", "m4a", "aiff"}
FILM = {"mp4", "avi", "mkv"}
ZIPS = {"docx", "xlsx", "pptx", "odt", "ods", "odp", "odg", "epub", "zip", "jar", "geogebra"}


def edit(name, kinds=None, most=40):
    def take(f):
        EDITS.append((name, kinds, most, f))
        return f

    return take


def simple(name, kinds, f, most=40):
    EDITS.append((name, kinds, most, f))


def sentence(case, n=12):
    return " ".join(case.random.choices(WORDS, k=n))


def decoded(data):
    """Text as an editor opens it, or None."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1") if b"\0" not in data else None


# ------------------------------------------------------------------------------------ text editors


def text_edit(name, f, kinds=frozenset(TEXT), most=60):
    def g(data, case):
        text = decoded(data)
        out = f(text, case) if text else None
        return out.encode("utf-8", "surrogatepass") if isinstance(out, str) else out

    simple(name, kinds, g, most)


def middle(text, case, new):
    rows = text.splitlines(keepends=True)
    at = case.random.randrange(len(rows)) if rows else 0
    return "".join(rows[:at]) + new + "".join(rows[at + 1 + len(rows) // 40 :])


text_edit("text: a line appended", lambda t, c: t + sentence(c) + "\n")
text_edit("text: a line put first", lambda t, c: sentence(c) + "\n" + t)
text_edit("text: a paragraph changed", lambda t, c: middle(t, c, sentence(c, 40) + "\n"))
text_edit("text: a paragraph deleted", lambda t, c: middle(t, c, ""))
text_edit(
    "text: a word replaced all over", lambda t, c: re.sub(r"\b(the|and|de|int|id)\b", "ought", t)
)
text_edit(
    "text: saved as UTF-16",
    lambda t, c: b"\xff\xfe" + t.encode("utf-16-le", "surrogatepass"),
    most=40,
)
text_edit(
    "text: saved with a byte order mark",
    lambda t, c: b"\xef\xbb\xbf" + t.encode("utf-8", "surrogatepass"),
    most=30,
)
text_edit(
    "text: other line ends",
    lambda t, c: t.replace("\r\n", "\n") if "\r\n" in t else t.replace("\n", "\r\n"),
    most=40,
)
text_edit(
    "text: indented anew",
    lambda t, c: re.sub(
        r"(?m)^( +|\t+)", lambda m: m[1].replace("\t", "    ") if "\t" in m[1] else m[1] * 2, t
    ),
    most=40,
)
text_edit(
    "text: one half rewritten",
    lambda t, c: t[: len(t) // 2] + "\n" + "\n".join(sentence(c) for _ in range(len(t) // 160 + 1)),
    most=40,
)
text_edit("text: last third deleted", lambda t, c: t[: len(t) * 2 // 3], most=40)
text_edit(
    "text: lines sorted",
    lambda t, c: "".join(sorted(t.splitlines(keepends=True))),
    frozenset({"csv", "txt", "po"}),
    30,
)
text_edit(
    "csv: a column added",
    lambda t, c: "\n".join(r + "," + c.random.choice(WORDS) for r in t.splitlines()),
    frozenset({"csv"}),
    40,
)
text_edit(
    "json: laid out anew",
    lambda t, c: json.dumps(json.loads(t), indent=4),
    frozenset({"json", "notebook"}),
    40,
)
text_edit(
    "json: made compact",
    lambda t, c: json.dumps(json.loads(t), separators=(",", ":")),
    frozenset({"json", "notebook"}),
    40,
)
text_edit(
    "xml: laid out anew",
    lambda t, c: minidom.parseString(t.encode()).toprettyxml(),
    frozenset({"xml", "svg", "gis", "vocabulary", "mindmap"}),
    40,
)
text_edit(
    "html: a picture put in",
    lambda t, c: t.replace(
        "</body>",
        '<img src="data:image/png;base64,' + base64.b64encode(c.picture()).decode() + '"></body>',
    ),
    frozenset({"html"}),
    30,
)


@edit("notebook: a cell added", {"notebook"})
def cell(data, case):
    book = json.loads(data)
    book["cells"].append({"cell_type": "markdown", "metadata": {}, "source": [sentence(case)]})
    return json.dumps(book, indent=1).encode()


@edit("rtf: words replaced", {"rtf"})
def rtf(data, case):
    return data.replace(b" the ", b" that ").replace(b"e ", b"es ", 3)


# ------------------------------------------------------------------------------------- any program


def program(name, kinds, command, most=20):
    """A program that reads `in.EXT` and writes `out.EXT`, or changes `in.EXT`."""

    def f(data, case):
        given, out = f"in.{case.extension}", f"out.{case.extension}"
        words = [w.replace("IN", given).replace("OUT", out) for w in command]
        return case.tool(words, b"", {given: data}, out if any(out in w for w in words) else given)

    simple(name, kinds, f, most)


CONVERT = "/usr/bin/convert"
for called, how in {
    "rotated": ["-rotate", "90"],
    "turned a little": ["-rotate", "3"],
    "cropped": ["-gravity", "center", "-crop", "70%x70%+0+0", "+repage"],
    "encoded anew": ["-quality", "60"],
    "made smaller": ["-resize", "50%"],
    "made grey": ["-colorspace", "Gray"],
    "negated": ["-negate"],
    "flipped": ["-flop"],
    "written on": ["-fill", "red", "-draw", "rectangle 5,5 40,20"],
    "lighter": ["-brightness-contrast", "15x10"],
}.items():
    program(f"image: {called}", IMAGES, [CONVERT, "IN[0]", *how, "OUT"], 24)
program("image: another format under the old name", IMAGES, [CONVERT, "IN[0]", "jpg:OUT"], 16)
program(
    "exiftool: an author noted",
    {"jpg", "png", "tiff", "pdf", "gif", "psd"},
    ["exiftool", "-q", "-overwrite_original", "-XMP:Creator=A. Teacher", "-m", "IN"],
    30,
)
program(
    "exiftool: everything noted removed",
    {"jpg", "png"},
    ["exiftool", "-q", "-overwrite_original", "-all=", "-m", "IN"],
    30,
)
QPDF = ["qpdf", "--warning-exit-0", "IN", "OUT"]
for called, how in {
    "for the web": ["--linearize"],
    "object streams": ["--object-streams=generate"],
    "plain": ["--stream-data=uncompress"],
    "packed anew": ["--recompress-flate", "--compression-level=9"],
    "rotated": ["--rotate=+90"],
}.items():
    program(f"qpdf: {called}", {"pdf"}, [*QPDF, *how])
program(
    "qpdf: first page only",
    {"pdf"},
    ["qpdf", "--warning-exit-0", "IN", "--pages", ".", "1", "--", "OUT"],
)
program(
    "qpdf: a page twice",
    {"pdf"},
    ["qpdf", "--warning-exit-0", "IN", "--pages", ".", ".", "1", "--", "OUT"],
)
program(
    "qpdf: a password set",
    {"pdf"},
    ["qpdf", "--warning-exit-0", "--encrypt", PASSWORD, PASSWORD, "256", "--", "IN", "OUT"],
)
program(
    "ghostscript: printed to PDF",
    {"pdf"},
    ["gs", "-q", "-dNOPAUSE", "-dBATCH", "-sDEVICE=pdfwrite", "-sOutputFile=OUT", "IN"],
)
FFMPEG = ["ffmpeg", "-v", "error", "-y", "-i", "IN"]
program("ffmpeg: encoded anew", SOUND | FILM, [*FFMPEG, "OUT"], 40)
program("ffmpeg: softer", SOUND, [*FFMPEG, "-filter:a", "volume=0.5", "OUT"], 40)
program("ffmpeg: beginning cut off", SOUND | FILM, [*FFMPEG, "-ss", "0.4", "-c", "copy", "OUT"], 40)
program(
    "ffmpeg: a title set",
    SOUND | FILM,
    [*FFMPEG, "-map_metadata", "0", "-metadata", "title=Lesson 3", "-c", "copy", "OUT"],
    40,
)
program(
    "zip: a file added",
    {"zip", "jar", "geogebra", "epub"},
    ["sh", "-c", "echo one more > more.txt && cp IN OUT && zip -q -g OUT more.txt"],
    40,
)
program(
    "zip: packed anew",
    ZIPS,
    [
        "sh",
        "-c",
        "mkdir d && cd d && unzip -qq ../IN && zip -qr -9 ../o.zip . && mv ../o.zip ../OUT",
    ],
    60,
)
program(
    "7z: packed anew",
    ZIPS,
    [
        "sh",
        "-c",
        "7z x -bso0 -od IN && cd d && 7z a -tzip -bso0 -mx1 ../o.zip . && mv ../o.zip ../OUT",
    ],
    60,
)
program("gzip: packed anew", {"gzip", "gnucash"}, ["sh", "-c", "gzip -dc < IN | gzip -1 > OUT"], 40)
program(
    "tar: a file added",
    {"gzip"},
    [
        "sh",
        "-c",
        "gzip -dc < IN > t.tar && echo more > more.txt "
        "&& tar -rf t.tar more.txt && gzip < t.tar > OUT",
    ],
    30,
)
program(
    "openssl: key renewed",
    {"key"},
    [
        "openssl",
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
        "OUT",
    ],
    25,
)
program(
    "openssl: key renewed with a password",
    {"key"},
    [
        "openssl",
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-aes256",
        "-pass",
        "env:PASS",
        "-out",
        "OUT",
    ],
    25,
)
program(
    "openssl: store renewed",
    {"pkcs12"},
    [
        "sh",
        "-c",
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout k -out c 2>/dev/null "
        "&& openssl pkcs12 -export -inkey k -in c -passout env:PASS -out OUT",
    ],
    20,
)
program("sqlite: made compact", {"sqlite"}, ["sqlite3", "IN", "vacuum"], 10)

# --------------------------------------------------------------------------------- office libraries


@edit("python-docx: a paragraph added", {"docx"})
def docx_added(data, case):
    import docx

    document, out = docx.Document(io.BytesIO(data)), io.BytesIO()
    document.add_paragraph(sentence(case, 30))
    document.save(out)
    return out.getvalue()


@edit("python-docx: a paragraph changed", {"docx"})
def docx_changed(data, case):
    import docx

    document, out = docx.Document(io.BytesIO(data)), io.BytesIO()
    case.random.choice(document.paragraphs).text = sentence(case, 30)
    document.save(out)
    return out.getvalue()


@edit("openpyxl: a row added", {"xlsx"})
def xlsx_added(data, case):
    import openpyxl

    book, out = openpyxl.load_workbook(io.BytesIO(data)), io.BytesIO()
    book.worksheets[0].append(sentence(case).split())
    book.save(out)
    return out.getvalue()


@edit("python-pptx: a slide added", {"pptx"})
def pptx_added(data, case):
    import pptx

    deck, out = pptx.Presentation(io.BytesIO(data)), io.BytesIO()
    slide = deck.slides.add_slide(deck.slide_layouts[0])
    if slide.shapes.title:
        slide.shapes.title.text = sentence(case)
    deck.save(out)
    return out.getvalue()


# ----------------------------------------------------------------------------- replaced, emptied


simple(
    "replaced by another honest file of its kind",
    None,
    lambda d, c: c.half.data(
        c.random.choice([r for r in c.half.rows if r["kind"] == c.row["kind"]])
    ),
    120,
)
simple("emptied", None, lambda d, c: b"", 40)


def make(half):
    for name, kinds, most, f in EDITS:
        began, made = time.monotonic(), 0
        rows = [r for r in half.rows if kinds is None or r["kind"] in kinds]
        for r in half.spread(name, rows):
            if made == most:
                break
            if r["bytes"] > BYTES_MAX:
                continue
            data = half.data(r)
            case = Case(name, "file", data, r["extension"], None)
            case.half, case.row = half, r
            case.picture = lambda: half.data(
                next(x for x in half.spread(name) if x["kind"] == "png")
            )
            try:
                out = f(data, case)
            except MissingTool as e:
                half.missing[f"{name}: the program {e} cannot be had"] += 1
                break
            except Exception as e:  # noqa: BLE001 - what a program refuses is told and counted
                half.missing[f"{name}: refused by the program ({type(e).__name__})"] += 1
                continue
            if out is None or out == data:
                half.missing[f"{name}: does not apply, or leaves the file as it is"] += 1
                continue
            path = half.write(slug(name), f"{r['sha256'][:16]}.{r['extension']}", out)
            half.add(path, half.name(r), half.path(r), half.name(r), "honest", name, r)
            made += 1
        note(f"{half.half} {name}: {made} in {time.monotonic() - began:.0f} s")


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
