"""Which half a file or a kind of damage belongs to, and the lists of both halves.

A file goes by the SHA-256 of its content, a kind of damage by that of its name: odd first byte,
kept aside. `aside.txt` and `learn.txt` hold what was there when the split was made, before any rule
was written against it; a file that stands in neither is not used, one that cannot be had is
missing.

    python3 halves.py --write    writes both lists from target/detection/files.json
"""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HALVES = ("learn", "aside")


def of_hash(digest):
    return HALVES[int(digest[:2], 16) & 1]


def of_kind(name):
    return of_hash(hashlib.sha256(name.encode()).hexdigest())


def read(half):
    """(the files as {hash: kind}, the kinds of damage) of one half's list."""
    files, kinds = {}, []
    for line in (HERE / f"{half}.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        what, name, *rest = line.split(" ")
        if what == "file":
            files[name] = rest[0]
        else:
            kinds.append(name)
    moved = [f for f in files if of_hash(f) != half] + [k for k in kinds if of_kind(k) != half]
    if moved:
        raise SystemExit(f"{half}.txt holds what belongs to the other half: {moved[:3]}")
    return files, kinds


def write(files, kinds):
    for half in HALVES:
        own = sorted((f["sha256"], f["kind"]) for f in files if of_hash(f["sha256"]) == half)
        rows = [f"# The half {'to learn from' if half == 'learn' else 'kept aside'}: "
                f"files by SHA-256 with their kind, and kinds of damage."]
        rows += [f"damage {k}" for k in sorted(kinds) if of_kind(k) == half]
        rows += [f"file {digest} {kind}" for digest, kind in own]
        (HERE / f"{half}.txt").write_text("\n".join(rows) + "\n")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    import damage
    listing = HERE.parent.parent / "target" / "detection" / "files.json"
    write(json.loads(listing.read_text())["files"], damage.KINDS)
