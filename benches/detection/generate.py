"""Makes the cases of the bench as plain files, one folder a half, with an index.

    generate.py damage|edits|office|sights HALF…

`target/detection/HALF/index-PART.jsonl` has one line a case: `path`, `name`, what was there
`before` (path and name, or null), `class` (honest or damage), `what` (the kind of damage, or the
edit), `kind` and `file` of the original, and for damage the names that it was tried under. Paths
are relative to the half's folder. What could not be made is told at the end of the index, by reason.
"""

import hashlib
import json
import os
import random
import shutil
import sys
import time
from collections import Counter

import halves
from fetch import FILES, WORK

# How many files each kind of damage is tried on; those are spread evenly over the kinds of files.
PER_DAMAGE = 120
PER_LARGE = 3
BYTES_MAX = 1536 * 1024


def note(text):
    print(f"{time.strftime('%T')} {text}", file=sys.stderr, flush=True)


class Half:
    """The files of one half, and where its cases go."""

    def __init__(self, half, part):
        listed, self.damage = halves.read(half)
        self.half, self.part, self.place = half, part, WORK / half
        rows = json.loads((WORK / "files.json").read_text())["files"]
        self.rows = [r for r in rows if r["sha256"] in listed]
        self.missing = Counter()
        (self.place / "files").mkdir(parents=True, exist_ok=True)
        for r in self.rows:
            link = self.place / self.path(r)
            if not link.exists():
                os.link(FILES / link.name, link)
        self.cases = []

    def path(self, r):
        return f"files/{r['sha256']}.{r['extension']}"

    def name(self, r):
        """What the file is called in the judge's eyes: its own name, without its folders."""
        return r["origin"].rsplit("/", 1)[-1].rsplit(":", 1)[-1]

    def data(self, r):
        return (self.place / self.path(r)).read_bytes()

    def spread(self, seed, rows=None):
        """Rows in an order that takes each kind of file in turn, and is the same each time."""
        kinds = {}
        for r in self.rows if rows is None else rows:
            at = hashlib.sha256(f"{seed}:{r['sha256']}".encode()).digest()
            kinds.setdefault(r["kind"], []).append((at, r))
        lists = [[r for _, r in sorted(v, key=lambda x: x[0])] for _, v in sorted(kinds.items())]
        while lists:
            for one in lists:
                yield one.pop(0)
            lists = [one for one in lists if one]

    def write(self, folder, name, data):
        path = f"{self.part}/{folder}/{name}"
        target = self.place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return path

    def add(self, path, name, before, before_name, cls, what, r, **more):
        self.cases.append(
            {
                "path": path,
                "name": name,
                "before": before,
                "before_name": before_name,
                "class": cls,
                "what": what,
                "half": self.half,
                "kind": r["kind"] if r else "made",
                "file": r["sha256"] if r else None,
                **more,
            }
        )

    def close(self):
        index = self.place / f"index-{self.part}.jsonl"
        with index.open("w") as f:
            for c in self.cases:
                f.write(json.dumps(c) + "\n")
        (self.place / f"missing-{self.part}.json").write_text(
            json.dumps(dict(sorted(self.missing.items())), indent=1) + "\n"
        )
        note(f"{self.half} {self.part}: {len(self.cases)} cases; not made: {dict(self.missing)}")


class Pool:
    def __init__(self, half, chooser):
        self.half, self.random = half, chooser
        self.one = half.data(next(r for r in half.spread("one") if r["kind"] == "jpg"))

    def of_all(self):
        return self.one

    def other(self, case, same):
        rows = [
            r
            for r in self.half.rows
            if r["bytes"] <= BYTES_MAX
            and (r["kind"] == case.row["kind"]) == same
            and r["sha256"] != case.row["sha256"]
        ]
        return self.half.data(case.random.choice(rows)) if rows else None


def names(name, case):
    """The name kept, with a tail behind it, and a random one."""
    tail = "".join(case.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6))
    return {"kept": name, "tail": f"{name}.{tail}", "random": case.random.randbytes(8).hex()}


def damage(half):
    import damage as kinds

    pool = Pool(half, random.Random(half.half))
    for what in half.damage:
        f, made, began = kinds.KINDS[what], 0, time.monotonic()
        large = what in kinds.LARGE
        most = 6 * 1024 * 1024 if what.endswith("-1m") else BYTES_MAX
        for r in half.spread(what):
            if made == (PER_LARGE if large else PER_DAMAGE):
                break
            if r["bytes"] > most:
                continue
            data = half.data(r)
            case = kinds.Case(what, f"file.{r['extension']}", data, r["extension"], pool)
            case.row = r
            try:
                out = f(data, case)
            except kinds.MissingTool as e:
                half.missing[f"{what}: the program {e} cannot be had"] += 1
                break
            except Exception as e:  # noqa: BLE001 - told and counted
                half.missing[f"{what}: {type(e).__name__}"] += 1
                continue
            if out is None or out == data:
                half.missing[f"{what}: does not apply, or leaves the file as it is"] += 1
                continue
            before = half.path(r)
            if large:
                before = half.write(
                    what, f"{r['sha256'][:16]}.before.{r['extension']}", kinds.grow(data)
                )
            path = half.write(what, f"{r['sha256'][:16]}.{r['extension']}", out)
            half.add(
                path,
                half.name(r),
                before,
                half.name(r),
                "damage",
                what,
                r,
                names=names(half.name(r), case),
            )
            made += 1
        note(f"{half.half} {what}: {made} in {time.monotonic() - began:.0f} s")
        if made == 0:
            half.missing[f"{what}: no case at all"] += 1


def sights(half):
    """Every file at first sight."""
    for r in half.rows:
        half.add(half.path(r), half.name(r), None, None, "honest", "first-sight", r)


def edits(half):
    import edits as single
    import series

    single.make(half)
    series.make(half)


def office(half):
    import series

    series.office(half)


def main():
    part, *which = sys.argv[1:]
    os.nice(19)
    for name in which or halves.HALVES:
        half = Half(name, part)
        shutil.rmtree(half.place / part, ignore_errors=True)
        {"damage": damage, "edits": edits, "office": office, "sights": sights}[part](half)
        half.close()


if __name__ == "__main__":
    main()
