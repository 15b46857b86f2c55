"""Fetches the packages of packages.tsv by their ordinary clients, holds each against its hash,
takes files of the wanted kinds out of them and out of the corpus, and lists them.

Nothing that is missing is passed over: it is told by name, and counted.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import halves

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "detection"
PACKAGES = WORK / "packages"
FILES = WORK / "files"

# Extension to kind. One kind has at most PER_KIND files.
KINDS = {
    "docx": "docx", "docm": "docx", "xlsx": "xlsx", "xlsm": "xlsx", "pptx": "pptx",
    "doc": "doc", "xls": "xls", "ppt": "ppt", "odt": "odt", "ods": "ods", "odp": "odp",
    "odg": "odg", "vsd": "visio", "vsdx": "visio", "pub": "publisher", "one": "onenote",
    "pages": "iwork", "key": "iwork", "numbers": "iwork", "pdf": "pdf", "rtf": "rtf",
    "epub": "epub", "djvu": "djvu", "txt": "txt", "md": "markdown", "rst": "markdown",
    "html": "html", "htm": "html", "xml": "xml", "docbook": "xml", "csv": "csv", "tsv": "csv",
    "json": "json", "ipynb": "notebook", "tex": "tex", "po": "po", "eml": "eml", "msg": "msg",
    "ics": "ics", "png": "png", "jpg": "jpg", "jpeg": "jpg", "gif": "gif", "tif": "tiff",
    "tiff": "tiff", "bmp": "bmp", "webp": "webp", "svg": "svg", "ico": "ico", "psd": "psd",
    "heic": "heic", "xcf": "xcf", "mp3": "mp3", "wav": "wav", "ogg": "ogg", "oga": "ogg",
    "flac": "flac", "m4a": "m4a", "aiff": "aiff", "aif": "aiff", "wma": "wma", "mid": "midi",
    "midi": "midi", "mp4": "mp4", "mov": "mp4", "m4v": "mp4", "avi": "avi", "mkv": "mkv",
    "webm": "mkv", "wmv": "wma", "zip": "zip", "gz": "gzip", "tgz": "gzip", "bz2": "bzip2",
    "xz": "xz", "tar": "tar", "7z": "7z", "rar": "rar", "jar": "jar", "whl": "zip",
    "crate": "gzip", "sqlite": "sqlite", "sqlite3": "sqlite", "db": "sqlite", "gpkg": "sqlite",
    "mdb": "access", "kdbx": "kdbx", "kdb": "kdbx", "pem": "key", "crt": "key", "p12": "pkcs12",
    "pfx": "pkcs12", "der": "der", "ttf": "font", "otf": "font", "woff": "woff",
    "woff2": "woff", "py": "source", "c": "source", "h": "source", "cpp": "source",
    "js": "source", "rs": "source", "java": "source", "ts": "source", "r": "source",
    "css": "source", "qml": "source", "sav": "statistics", "dta": "statistics",
    "sas7bdat": "statistics", "parquet": "parquet", "h5": "hdf5", "hdf5": "hdf5",
    "nc": "netcdf", "shp": "gis", "gpx": "gis", "kml": "gis", "dxf": "dxf", "sb": "scratch",
    "sb2": "scratch", "ggb": "geogebra", "mm": "mindmap", "kvtml": "vocabulary", "mxl": "score",
    "musicxml": "score", "ly": "score", "abc": "score", "krn": "score", "swf": "flash",
    "wasm": "wasm", "exe": "program", "dll": "program", "so": "program", "class": "program",
    "gnucash": "gnucash", "pst": "mailbox", "mbox": "mailbox", "wps": "oldoffice",
    "wpd": "oldoffice", "hwp": "oldoffice", "sxw": "oldoffice", "emf": "metafile",
    "wmf": "metafile",
}
PER_KIND = 80
BYTES_MIN = 200
BYTES_MAX = 6 * 1024 * 1024


def digest(data):
    return hashlib.sha256(data).hexdigest()


def run(command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=True, capture_output=True,
                          **more)


def apt_sources(work):
    """A list of source packages beside the machine's own, from the same places."""
    parts = work / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    (work / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    for file in [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]:
        if not file.exists():
            continue
        text = file.read_text()
        if "debian-archive" not in text and "debian" not in file.name:
            continue
        text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", text)
        text = re.sub(r"(?m)^deb ", "deb-src ", text)
        (parts / file.name).write_text(text)
    conf = work / "apt.conf"
    conf.write_text(f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{parts}";\n'
                    f'Dir::State::lists "{work / "lists"}";\nAPT::Sandbox::User "root";\n')
    env = dict(os.environ, APT_CONFIG=str(conf))
    run(["apt-get", "update"], env=env)
    return env


def fetch_one(registry, name, version, place, source_env):
    """What was fetched, as a path in `place`."""
    place.mkdir(parents=True, exist_ok=True)
    if registry == "debian-source":
        run(["apt-get", "source", "--download-only", "--tar-only", f"{name}={version}"], cwd=place,
            env=source_env())
        # Of a package with several tars the one without a component is meant.
        keep = sorted(f for f in place.iterdir() if is_whole(registry, f.name))
        for file in place.iterdir():
            if file not in keep:
                file.unlink()
        return keep[0]
    if registry == "debian":
        run(["apt-get", "download", f"{name}={version}"], cwd=place)
    elif registry == "pypi":
        run([sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q",
             f"{name}=={version}"], cwd=place)
    elif registry == "npm":
        run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=place)
    elif registry == "crates":
        (place / "src").mkdir(exist_ok=True)
        (place / "src" / "lib.rs").write_text("")
        (place / "Cargo.toml").write_text(
            '[package]\nname = "wanted"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n'
            f'[dependencies]\n{name} = "={version}"\n')
        run(["cargo", "fetch", "--manifest-path", str(place / "Cargo.toml")])
        home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
        found = next(home.glob(f"registry/cache/*/{name}-{version}.crate"))
        (place / found.name).write_bytes(found.read_bytes())
        return place / found.name
    return next(f for f in place.iterdir() if f.is_file())


def is_whole(registry, name):
    """Whether this file of a package's folder is what its hash is of."""
    if registry == "debian-source":
        return re.search(r"\.orig\.tar\.\w+$", name) is not None
    return name not in ("Cargo.toml", "Cargo.lock")


def members(path, data):
    """(name, bytes) of all files in a package."""
    if path.suffix == ".deb":
        tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(path)], check=True,
                             capture_output=True).stdout
        yield from tar_members(tar)
    elif path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            for info in z.infolist():
                if wanted(info.filename, info.file_size):
                    yield info.filename, z.read(info)
    else:
        yield from tar_members(data)


def tar_members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for info in tar:
            if info.isfile() and wanted(info.name, info.size):
                yield info.name, tar.extractfile(info).read()


def extension(name):
    return name.rsplit(".", 1)[-1].lower() if "." in name.rsplit("/", 1)[-1] else ""


def wanted(name, size):
    return extension(name) in KINDS and BYTES_MIN <= size <= BYTES_MAX


# The first bytes of kinds whose extension is borrowed by other things.
SIGNS = {
    "sqlite": b"SQLite format 3\0", "zip": b"PK", "gzip": b"\x1f\x8b", "docx": b"PK",
    "xlsx": b"PK", "pptx": b"PK", "odt": b"PK", "ods": b"PK", "odp": b"PK", "odg": b"PK",
    "png": b"\x89PNG", "doc": b"\xd0\xcf\x11\xe0", "xls": b"\xd0\xcf\x11\xe0",
    "ppt": b"\xd0\xcf\x11\xe0", "pdf": b"%PDF", "key": b"-----BEGIN", "kdbx": b"\x03\xd9\xa2\x9a",
    "iwork": b"PK",
}


def is_kind(kind, data):
    sign = SIGNS.get(kind)
    return sign is None or data.startswith(sign)


def note(text):
    print(text, file=sys.stderr, flush=True)


def fetch():
    """All candidates, as {sha256: (kind, extension, where from, bytes)}, and what is missing."""
    found, missing, env = {}, [], None

    def source_env():
        nonlocal env
        env = env or apt_sources(WORK / "apt")
        return env

    lines = (HERE / "packages.tsv").read_text().splitlines()
    pinned = []
    for line in lines:
        if line.startswith("#") or not line.strip():
            pinned.append(line)
            continue
        registry, name, version, wanted_hash = line.split("\t")
        place = PACKAGES / registry / name.replace("/", "_")
        try:
            kept = sorted(f for f in place.glob("*") if f.is_file() and is_whole(registry, f.name))
            path = kept[0] if kept else fetch_one(registry, name, version, place, source_env)
            data = path.read_bytes()
            got = digest(data)
            if wanted_hash != "-" and got != wanted_hash:
                raise ValueError(f"has hash {got} instead of {wanted_hash}")
            pinned.append(f"{registry}\t{name}\t{version}\t{got}")
            n = 0
            inner = list(members(path, data))
            if registry in ("crates", "npm"):
                inner.append((path.name.replace(".tgz", ".tar.gz"), data))
            for member, content in inner:
                kind = KINDS[extension(member)]
                if len(content) <= BYTES_MAX and is_kind(kind, content):
                    found.setdefault(digest(content), (kind, extension(member),
                                                       f"{registry}:{name}:{member}", content))
                    n += 1
            note(f"{registry} {name} {version}: {n} files")
        except Exception as e:  # noqa: BLE001 - whatever is wrong with one, the others go on
            detail = getattr(e, "stderr", b"") or b""
            told = f"{e} {detail.decode(errors='replace')[-200:]}".replace("\n", " ")
            missing.append(f"{registry} {name} {version}: {told}")
            note("MISSING " + missing[-1])
            pinned.append(line)
    if "--pin" in sys.argv:
        (HERE / "packages.tsv").write_text("\n".join(pinned) + "\n")
    corpus = ROOT.parent / "shared" / "corpus"
    for path in sorted(corpus.rglob("*")):
        if path.is_file() and wanted(path.name, path.stat().st_size):
            data, kind = path.read_bytes(), KINDS[extension(path.name)]
            if is_kind(kind, data):
                found.setdefault(digest(data), (kind, extension(path.name),
                                                f"corpus:{path.relative_to(corpus)}", data))
    return found, missing


def choose_anew(found):
    """At most PER_KIND files of each kind, in turn from each place, the least hash first."""
    by_kind = {}
    for key, (kind, _, origin, _) in found.items():
        place = ":".join(origin.split(":")[:2]) if not origin.startswith("corpus") else "corpus"
        by_kind.setdefault(kind, {}).setdefault(place, []).append(key)
    chosen = []
    for kind, places in sorted(by_kind.items()):
        lists = [sorted(keys) for _, keys in sorted(places.items())]
        taken = []
        while lists and len(taken) < PER_KIND:
            for keys in lists:
                taken.append(keys.pop(0))
            lists = [keys for keys in lists if keys]
        chosen += taken[:PER_KIND]
    return sorted(chosen)


def choose(found):
    """The files of both lists; `--choose` makes the choice from which the lists were written."""
    if "--choose" in sys.argv:
        return choose_anew(found), []
    listed = {**halves.read("learn")[0], **halves.read("aside")[0]}
    lost = [f"file {key} ({kind})" for key, kind in sorted(listed.items()) if key not in found]
    return sorted(key for key in listed if key in found), lost


def main():
    found, missing = fetch()
    chosen, lost = choose(found)
    missing += lost
    FILES.mkdir(parents=True, exist_ok=True)
    rows = []
    for key in chosen:
        kind, ext, origin, data = found[key]
        path = FILES / f"{key}.{ext}"
        if not path.exists():
            path.write_bytes(data)
        rows.append({"sha256": key, "kind": kind, "extension": ext, "origin": origin,
                     "bytes": len(data)})
    (WORK / "files.json").write_text(json.dumps({"files": rows, "missing": missing}, indent=0))
    kinds = {}
    for r in rows:
        kinds[r["kind"]] = kinds.get(r["kind"], 0) + 1
    note(f"{len(rows)} files of {len(kinds)} kinds, {sum(r['bytes'] for r in rows) / 1e6:.0f} MB; "
         f"{len(missing)} packages or files missing: {kinds}")


if __name__ == "__main__":
    main()
