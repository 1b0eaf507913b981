#!/usr/bin/python
# Copyright: the boltkey authors
# MIT OR Apache-2.0
# SPDX-License-Identifier: MIT OR Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: boltkey_info
short_description: Read the metadata store of an InfluxDB 2.x server
version_added: 0.1.0
author:
  - The boltkey authors (@boltkey)
description:
  - Returns what C(boltkey status) and C(boltkey report) know about a store, without any secret.
  - Changes nothing. While the server runs, a private copy is read.
options:
  db:
    description: The database, C(influxd.bolt).
    type: path
    required: true
  executable:
    description: The program, as a name in E(PATH) or as a path.
    type: str
    default: boltkey
attributes:
  check_mode:
    description: The module only reads.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
extends_documentation_fragment: []
"""

EXAMPLES = r"""
- name: Read the store
  boltkey.influxdb.boltkey_info:
    db: /var/lib/influxdb/influxd.bolt
  register: store

- name: Fail where nobody can get in
  ansible.builtin.assert:
    that: store.status.operatorTokens | selectattr('usable') | list | length > 0
"""

RETURN = r"""
status:
  description: The document of C(boltkey status --json).
  returned: success
  type: dict
report:
  description: The line of C(boltkey report --format ndjson) for this store, as text.
  returned: success
  type: str
copied:
  description: Whether a copy was read, because a server has the database open.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boltkey.influxdb.plugins.module_utils.boltkey import (
    BoltkeyError,
    document,
    read,
)


def main():
    module = AnsibleModule(
        argument_spec={
            "db": {"type": "path", "required": True},
            "executable": {"type": "str", "default": "boltkey"},
        },
        supports_check_mode=True,
    )
    db = module.params["db"]
    try:
        dummy, text, copied = read(module, db, ["status", "--json"])
        # Exit code 3: the report has a store that could not be read whole.
        dummy, report, dummy = read(
            module, db, ["report", "--format", "ndjson", "--out", "-"], (0, 3)
        )
        module.exit_json(
            changed=False, status=document(text), report=report.strip(), copied=copied
        )
    except BoltkeyError as error:
        module.fail_json(msg=str(error), hint=error.hint, rc=error.rc)


if __name__ == "__main__":
    main()
