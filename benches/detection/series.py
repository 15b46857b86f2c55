"""Honest work that is more than one edit of one file: copies, volumes, registers, databases, logs,
texts, repositories, and documents that go through LibreOffice."""

import hashlib
import io
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import halves
from damage import GPG, PASSWORD, RECIPIENT, WORDS, Case, certificate
from edits import slug
from generate import BYTES_MAX, note
from texts import texts

# How many documents of each kind go through LibreOffice, for each half.
OFFICE = {"docx": 18, "xlsx": 16, "pptx": 12, "doc": 14, "xls": 14, "ppt": 10, "odt": 14, "ods": 6,
          "odp": 3, "rtf": 10}


def make(half):
    for step in (renamed, copies, volumes, registers, databases, logs, written, bundles):
        began, n = time.monotonic(), len(half.cases)
        try:
            step(half)
        except Exception as e:  # noqa: BLE001 - the others go on; told and counted
            half.missing[f"{step.__name__}: broken off ({type(e).__name__}: {e})"] += 1
        note(
            f"{half.half} {step.__name__}: {len(half.cases) - n} in "
            f"{time.monotonic() - began:.0f} s"
        )

def renamed(half):
    for tail in (".bak", ".old", ".orig", " (1)"):
        for n, r in enumerate(half.spread(tail)):
            if n == 20:
                break
            name = half.name(r)
            stem, dot, ext = name.rpartition(".")
            new = f"{stem}{tail}{dot}{ext}" if tail.startswith(" ") else name + tail
            half.add(half.path(r), new, half.path(r), name, "honest", "renamed as a copy", r)


def first(half, what, r, name, data, folder=None):
    key = hashlib.sha256(data).hexdigest()[:16]
    path = half.write(
        slug(folder or what), f"{key}-{re.sub(r'[^A-Za-z0-9.]', '_', name)[-60:]}", data
    )
    half.add(path, name, None, None, "honest", what, r)
    return path


def copies(half):
    """Encrypted copies beside the original, at first sight."""
    forms = {
        "encrypted copy .gpg": (".gpg", [*GPG, "-o", "-"]),
        "encrypted copy .asc": (".asc", [*GPG, "-a", "-o", "-"]),
        "encrypted copy .age": (".age", ["age", "-r", RECIPIENT]),
        "encrypted copy .age, armored": (".age", ["age", "-a", "-r", RECIPIENT]),
        "encrypted copy .p7m": (
            ".p7m",
            [
                "openssl",
                "cms",
                "-encrypt",
                "-binary",
                "-aes-256-cbc",
                "-outform",
                "DER",
                "-in",
                "in",
                "cert",
            ],
        ),
        "encrypted copy .zip": (
            ".zip",
            ["sh", "-c", "7z a -tzip -mem=AES256 -p$PASS -bso0 o.zip in && cat o.zip"],
        ),
        "encrypted copy .7z": (
            ".7z",
            ["sh", "-c", "7z a -mhe=on -p$PASS -bso0 o.7z in && cat o.7z"],
        ),
        "compressed copy .zst": (".zst", ["zstd", "-q", "-c", "in"]),
    }
    for what, (tail, command) in forms.items():
        made = 0
        for r in half.spread(what):
            if made == 40:
                break
            if r["bytes"] > BYTES_MAX:
                continue
            data = half.data(r)
            case = Case(what, "file", data, r["extension"], None)
            try:
                out = case.tool(command, data, {"in": data, "cert": certificate()})
            except Exception as e:  # noqa: BLE001 - told and counted
                half.missing[f"{what}: {type(e).__name__} {e}"[:120]] += 1
                break
            first(half, what, r, half.name(r) + tail, out)
            made += 1


def volumes(half):
    """Archives in parts, at first sight: 7z, zip and split."""
    forms = {
        "archive in volumes (7z)": "7z a -v40k -mx1 -bso0 parts/backup.7z in",
        "archive in volumes (7z, password)": "7z a -v40k -mx1 -p$PASS -bso0 parts/backup.7z in",
        "archive in volumes (zip)": "zip -q -s 64k -r parts/backup.zip in",
        "archive in volumes (split tar.gz)": "tar -czf x.tar.gz in && "
        "split -b 40k -d x.tar.gz parts/backup.tar.gz.",
    }
    for what, command in forms.items():
        for n in range(4):
            with tempfile.TemporaryDirectory() as place:
                place = Path(place)
                (place / "in").mkdir()
                (place / "parts").mkdir()
                for k, r in enumerate(half.spread(f"{what}{n}")):
                    if k == 6:
                        break
                    (place / "in" / f"{k}-{half.name(r)[-40:]}").write_bytes(half.data(r)[:300000])
                out = subprocess.run(
                    ["sh", "-c", command],
                    cwd=place,
                    capture_output=True,
                    env={"PATH": "/usr/bin:/bin", "PASS": PASSWORD},
                )
                if out.returncode != 0:
                    half.missing[f"{what}: refused by the program"] += 1
                    continue
                for part in sorted((place / "parts").iterdir())[:24]:
                    first(half, what, None, part.name, part.read_bytes())


def registers(half):
    """A register with a password, to which a line is added each day for 20 days."""
    forms = ("zip-aes", "zip-classic", "7z", "xlsx", "docx", "kdbx", "gpg", "age", "odt-like-zip")
    for form in forms:
        what = f"register with a password ({form})"
        for n in range(3):
            chooser = random.Random(f"{half.half}{form}{n}")
            rows = [
                [f"{chooser.randrange(10**6)}", *chooser.choices(WORDS, k=6)]
                for _ in range(chooser.choice([30, 300, 1500]))
            ]
            before, vault = None, None
            for day in range(21):
                rows.append([f"{chooser.randrange(10**6)}", *chooser.choices(WORDS, k=6)])
                try:
                    data, vault = register(form, rows, vault)
                except Exception as e:  # noqa: BLE001 - told and counted
                    half.missing[f"{what}: {type(e).__name__} {e}"[:120]] += 1
                    break
                name = {
                    "xlsx": "register.xlsx",
                    "docx": "register.docx",
                    "kdbx": "passwords.kdbx",
                    "7z": "register.7z",
                    "gpg": "register.csv.gpg",
                    "age": "register.csv.age",
                }.get(form, "register.zip")
                path = half.write(slug(what), f"{n}-{day:02}-{name}", data)
                half.add(
                    path, name, before, name if before else None, "honest", what, None, day=day
                )
                before = path


def register(form, rows, vault):
    text = "\n".join(",".join(r) for r in rows).encode()
    case = Case(form, "register", text, "csv", None)
    if form == "zip-aes":
        return case.tool(
            ["7z", "a", "-tzip", "-mem=AES256", "-p" + PASSWORD, "-bso0", "o.zip", "register.csv"],
            b"",
            {"register.csv": text},
            "o.zip",
        ), None
    if form == "zip-classic":
        return case.tool(
            ["zip", "-q", "-P", PASSWORD, "o.zip", "register.csv"],
            b"",
            {"register.csv": text},
            "o.zip",
        ), None
    if form == "odt-like-zip":
        return case.tool(
            [
                "7z",
                "a",
                "-tzip",
                "-mem=AES128",
                "-p" + PASSWORD,
                "-bso0",
                "o.zip",
                "content.xml",
                "meta.xml",
            ],
            b"",
            {"content.xml": text, "meta.xml": b"<x/>" * 40},
            "o.zip",
        ), None
    if form == "7z":
        return case.tool(
            ["7z", "a", "-p" + PASSWORD, "-bso0", "o.7z", "register.csv"],
            b"",
            {"register.csv": text},
            "o.7z",
        ), None
    if form == "gpg":
        return case.tool([*GPG, "-o", "-"], text), None
    if form == "age":
        return case.tool(["age", "-r", RECIPIENT], text), None
    if form == "kdbx":
        import pykeepass

        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "p.kdbx"
            base = vault
            if base is None:
                base = pykeepass.create_database(str(path), PASSWORD)
                for r in rows[:60]:
                    base.add_entry(base.root_group, r[0] + r[1], r[2], r[3])
            base.add_entry(base.root_group, rows[-1][0] + str(len(rows)), rows[-1][1], rows[-1][2])
            base.save(str(path))
            return path.read_bytes(), base
    import msoffcrypto.format.ooxml as ooxml

    plain, out = io.BytesIO(), io.BytesIO()
    if form == "xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        for r in rows:
            book.active.append(r)
        book.save(plain)
    else:
        import docx

        document = docx.Document()
        for r in rows[:400] + rows[-1:]:
            document.add_paragraph(" ".join(r))
        document.save(plain)
    plain.seek(0)
    ooxml.OOXMLFile(plain).encrypt(PASSWORD, out)
    return out.getvalue(), None


def databases(half):
    """SQLite databases made of tables, and what a day does to them."""
    rows = [r for r in half.rows if r["kind"] == "csv" and r["bytes"] < 400000]
    for r in half.spread("databases", rows):
        with tempfile.TemporaryDirectory() as place:
            place = Path(place)
            (place / "in.csv").write_bytes(half.data(r))
            steps = {
                "sqlite: a table imported": ".mode csv\n.import in.csv t\n",
                "sqlite: rows added": "insert into t select * from t limit 20;",
                "sqlite: rows deleted": "delete from t where rowid % 3 = 0;",
                "sqlite: a table more": "create table n as select rowid as a, * from t limit 50;",
                "sqlite: made compact": "vacuum;",
            }
            before = None
            for what, sql in steps.items():
                out = subprocess.run(
                    ["sqlite3", "x.sqlite"], input=sql.encode(), cwd=place, capture_output=True
                )
                path = place / "x.sqlite"
                if out.returncode != 0 or not path.exists():
                    half.missing[f"{what}: refused by the program"] += 1
                    break
                data = path.read_bytes()
                new = half.write(slug(what), f"{r['sha256'][:16]}.sqlite", data)
                half.add(
                    new,
                    "marks.sqlite",
                    before,
                    "marks.sqlite" if before else None,
                    "honest",
                    what,
                    r,
                )
                before = new


def logs(half):
    """A log that grows, is rotated, and is truncated."""
    for n in range(12):
        chooser = random.Random(f"log{half.half}{n}")
        stamp = 1_780_000_000

        def more(k):
            nonlocal stamp
            out = []
            for _ in range(k):
                stamp += chooser.randrange(1, 90)
                out.append(
                    time.strftime("%b %d %T", time.gmtime(stamp))
                    + " srv1 "
                    + chooser.choice(["sshd", "cron", "nginx", "smbd"])
                    + f"[{chooser.randrange(9999)}]: "
                    + " ".join(chooser.choices(WORDS, k=8))
                    + "\n"
                )
            return "".join(out).encode()

        old = more(chooser.choice([50, 500, 5000]))
        base = half.write("log", f"{n}-0.log", old)
        first_case = {
            "log: lines added": old + more(40),
            "log: rotated": more(3),
            "log: truncated by its rotation": b"",
            "log: a day later": more(400),
        }
        for what, data in first_case.items():
            path = half.write(slug(what), f"{n}.log", data)
            half.add(path, "server.log", base, "server.log", "honest", what, None)


def written(half):
    """Lessons, plans and news about ransomware: at first sight, and with a paragraph more."""
    import docx

    for title, body in texts().items():
        if halves.of_kind(title) != half.half:
            continue
        longer = body + "\n\nTo be gone over again in the next term, with the new staff.\n"
        for ext in ("txt", "md", "html", "docx", "eml"):
            versions = []
            for text in (body, longer):
                if ext == "docx":
                    document, out = docx.Document(), io.BytesIO()
                    for p in text.split("\n\n"):
                        document.add_paragraph(p)
                    document.save(out)
                    versions.append(out.getvalue())
                elif ext == "html":
                    paragraphs = "".join(f"<p>{p}</p>\n" for p in text.split("\n\n"))
                    versions.append(
                        f"<!DOCTYPE html><html><body>{paragraphs}</body></html>".encode()
                    )
                elif ext == "eml":
                    versions.append(
                        f"From: head@school.example\r\nTo: all@school.example\r\nSubject:"
                        f" {title}\r\n\r\n{text}".encode()
                    )
                else:
                    versions.append(text.encode())
            name = f"{title}.{ext}"
            before = first(half, "a text about ransomware, first sight", None, name, versions[0])
            path = half.write("texts-edited", f"{slug(title)}.{ext}", versions[1])
            half.add(path, name, before, name, "honest", "a text about ransomware, edited", None)


def bundles(half):
    """A git repository of the half's texts: its bundle and its index after each commit."""
    rows = [r for r in half.rows if r["kind"] in ("txt", "source", "markdown")]
    for n in range(3):
        with tempfile.TemporaryDirectory() as place:
            place = Path(place)

            def git(*words):
                subprocess.run(
                    ["git", "-c", "user.name=T", "-c", "user.email=t@school.example", *words],
                    cwd=place,
                    check=True,
                    capture_output=True,
                    env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(place)},
                )

            git("init", "-q")
            before = {}
            for k, r in enumerate(half.spread(f"git{n}", rows)):
                if k == 8:
                    break
                (place / half.name(r)).write_bytes(half.data(r))
                git("add", "-A")
                git("commit", "-q", "-m", "one more", "--allow-empty")
                git("bundle", "create", "-q", "all.git-bundle", "--all")
                for what, path, name in (
                    ("git: bundle made anew", place / "all.git-bundle", "all.bundle"),
                    ("git: index after a commit", place / ".git/index", "index"),
                ):
                    new = half.write(slug(what), f"{n}-{k}-{name}", path.read_bytes())
                    half.add(
                        new,
                        name,
                        before.get(what),
                        name if what in before else None,
                        "honest",
                        what,
                        None,
                    )
                    before[what] = new
                (place / "all.git-bundle").unlink()


def office(half):
    """LibreOffice: each document is opened, a line is added, it is saved; and once more."""
    if shutil.which("soffice") is None:
        half.missing["libreoffice: the program soffice cannot be had"] += 1
        return
    jobs = []
    for kind, most in OFFICE.items():
        rows = [
            r
            for r in half.rows
            if r["kind"] == kind and r["extension"] == kind and r["bytes"] < 600_000
        ]
        jobs += [(r, kind) for r, _ in zip(half.spread("office", rows), range(most))]
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        todo = []
        for n, (r, ext) in enumerate(jobs):
            (place / f"{n}-in.{ext}").write_bytes(half.data(r))
            todo.append(
                {
                    "in": str(place / f"{n}-in.{ext}"),
                    "first": str(place / f"{n}-1.{ext}"),
                    "second": str(place / f"{n}-2.{ext}"),
                    "extension": ext,
                    "line": " ".join(random.Random(n).choices(WORDS, k=14)),
                }
            )
        at = 0
        while at < len(todo):
            at += serve(place, todo[at:], at, half)
        for n, (r, ext) in enumerate(jobs):
            one, two = place / f"{n}-1.{ext}", place / f"{n}-2.{ext}"
            if not (one.exists() and two.exists()):
                continue
            paths = [
                half.write(f"libreoffice-{k}", f"{r['sha256'][:16]}.{ext}", p.read_bytes())
                for k, p in ((1, one), (2, two))
            ]
            name = half.name(r)
            half.add(
                paths[0],
                name,
                half.path(r),
                name,
                "honest",
                "libreoffice: a paragraph added to what another program wrote",
                r,
            )
            half.add(
                paths[1],
                name,
                paths[0],
                name,
                "honest",
                "libreoffice: a paragraph added to its own",
                r,
            )


def serve(place, todo, at, half):
    """Runs LibreOffice over the jobs until all are done or one hangs; how many are behind us."""
    port = 20000 + (at * 7 + int(hashlib.sha256(str(place).encode()).hexdigest()[:4], 16)) % 20000
    server = subprocess.Popen(
        [
            "soffice",
            "--headless",
            "--norestore",
            "--nologo",
            f"-env:UserInstallation=file://{place}/u",
            f"--accept=socket,host=127.0.0.1,port={port};urp;",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    listing = place / "jobs"
    listing.write_text("".join(json.dumps(j) + "\n" for j in todo))
    client = subprocess.Popen(
        ["/usr/bin/python3", str(Path(__file__).with_name("office.py")), str(port), str(listing)],
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    answers = queue.Queue()
    threading.Thread(
        target=lambda: [answers.put(x.strip()) for x in client.stdout] + [answers.put(None)],
        daemon=True,
    ).start()
    done = 0
    while done < len(todo):
        try:
            answer = answers.get(timeout=90 if done == 0 else 45)
        except queue.Empty:
            half.missing["libreoffice: hangs"] += 1
            done += 1
            break
        done += 1
        if answer != "ok":
            half.missing[f"libreoffice: {answer or 'ended by itself'}"] += 1
        if answer in (None, "DisposedException"):
            break
    client.kill()
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    server.wait()
    return done
