# Copyright: the boltkey authors
# MIT OR Apache-2.0
# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the modules share: running boltkey, and reading a store that a server has open."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager

LOCKED = 4


class BoltkeyError(Exception):
    """A command failed. The message has no secrets, as boltkey prints none in errors."""

    def __init__(self, message, rc=None, hint=None):
        super().__init__(message)
        self.rc = rc
        self.hint = hint


def run(module, arguments, accepted=(0,)):
    """Runs boltkey. Returns its exit code and the text of standard output."""
    executable = module.get_bin_path(module.params["executable"], required=True)
    rc, out, err = module.run_command([executable] + arguments, check_rc=False)
    if rc not in accepted:
        raise failure(rc, err)
    return rc, out


def failure(rc, err):
    """The error of a failed command: the last line of standard error is JSON."""
    lines = err.strip().splitlines()
    try:
        error = json.loads(lines[-1])["error"]
        return BoltkeyError(error["message"], rc, error.get("hint"))
    except (IndexError, KeyError, TypeError, ValueError):
        return BoltkeyError("boltkey failed with exit code %d: %s" % (rc, err.strip()), rc)


def document(text):
    """The JSON document that a command printed."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise BoltkeyError("boltkey printed no JSON: %s" % error) from error


@contextmanager
def private_copy(module, db):
    """A copy of the database in a folder that only this user can read, removed afterwards."""
    folder = tempfile.mkdtemp(prefix="boltkey-", dir=module.tmpdir)
    try:
        copy = os.path.join(folder, os.path.basename(db))
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(db, "rb") as source, os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(source, target)
        yield copy
    except OSError as error:
        raise BoltkeyError("can't copy %s: %s" % (db, error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read(module, db, arguments, accepted=(0,)):
    """Runs a command that reads. If a server has the database open, a copy is read.

    A copy made while the server writes can be torn. Then boltkey refuses it (exit code 5), and
    another copy is made.
    """
    try:
        rc, out = run(module, arguments + ["--db", db], accepted)
        return rc, out, False
    except BoltkeyError as error:
        if error.rc != LOCKED:
            raise
    attempts = 3
    for attempt in range(1, attempts + 1):
        with private_copy(module, db) as copy:
            try:
                rc, out = run(module, arguments + ["--db", copy], accepted)
                return rc, out.replace(copy, db), True
            except BoltkeyError as error:
                if attempt == attempts or error.rc != 5:
                    raise
    raise AssertionError("unreachable")
