"""Runs the queries of docs/report.md and compares the answers with what is known of the stores.

Usage: queries.py ROOT BOLTKEY
"""

import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import duckdb

ROOT, BOLTKEY = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()


def queries():
    """The view and the three questions, in the order of the page."""
    page = (ROOT / "docs/report.md").read_text()
    found = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 4, f"{len(found)} queries"
    return found


def store(name, path):
    """A copy of a store that a real server wrote."""
    path.parent.mkdir(parents=True)
    plain = ROOT / f"fixtures/real/{name}.bolt"
    if plain.exists():
        shutil.copyfile(plain, path)
    else:
        path.write_bytes(gzip.open(f"{plain}.gz").read())


def report(code):
    """Writes the lines, and makes the view."""
    pathlib.Path("devices.ndjson").unlink(missing_ok=True)
    ran = subprocess.run(
        [BOLTKEY, "report", "devices", "--out", "devices.ndjson"],
        capture_output=True,
        env={"HOME": os.getcwd()},
        check=False,
    )
    assert ran.returncode == code, ran
    database = duckdb.connect()
    view, *questions = queries()
    database.execute(view)
    return [database.execute(question).fetchall() for question in questions]


def device(name):
    return f"devices/{name}/influxd.bolt"


def main():
    tests = 0
    # All can be read: no line has an error.
    store("lived-2.7.12", pathlib.Path(device("boiler")))
    store("upgraded-2.9.1", pathlib.Path(device("chiller")))
    store("fresh-2.9.1", pathlib.Path(device("gate")))
    plaintext, locked_out, unread = report(0)
    assert plaintext == [
        (device("boiler"), 36, 0, 1, 0),
        (device("chiller"), 0, 35, 1, 0),
    ], plaintext
    assert locked_out == [] and unread == [], (locked_out, unread)
    tests += 1
    # Hashed tokens in a store of a release that does not know them: none is usable.
    store("downgraded-20-hashed", pathlib.Path(device("press")))
    plaintext, locked_out, unread = report(0)
    assert [row[0] for row in plaintext] == [device("boiler"), device("chiller"), device("press")]
    assert locked_out == [(device("press"),)], locked_out
    tests += 1
    # One that can't be read, and a damaged one, of which numbers are not known.
    pathlib.Path("devices/scale").mkdir()
    pathlib.Path(device("scale")).write_text("not a store")
    damaged = gzip.open(ROOT / "fixtures/field/bolt-c08.bolt.gz").read()
    pathlib.Path("devices/silo").mkdir()
    pathlib.Path(device("silo")).write_bytes(damaged)
    plaintext, locked_out, unread = report(3)
    assert [row[:2] for row in unread] == [(device("scale"), "unreadable")], unread
    assert device("silo") in [row[0] for row in plaintext], plaintext
    assert locked_out == [(device("press"),)], locked_out
    tests += 1
    print(f"duckdb: {tests} tests ran")


with tempfile.TemporaryDirectory() as folder:
    ROOT = ROOT.resolve()
    os.chdir(folder)
    main()
