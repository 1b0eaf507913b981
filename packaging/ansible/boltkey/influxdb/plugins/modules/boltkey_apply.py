#!/usr/bin/python
# Copyright: the boltkey authors
# MIT OR Apache-2.0
# SPDX-License-Identifier: MIT OR Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: boltkey_apply
short_description: Apply a list of organizations, users, buckets and tokens to an InfluxDB 2.x store
version_added: 0.1.0
author:
  - The boltkey authors (@boltkey)
description:
  - Makes the metadata store of an InfluxDB OSS 2.x server match a declarative list, with
    C(boltkey apply). Works on the file; no token is needed.
  - Finds out first whether anything would change. While the server runs, that is done on a private
    copy. Only if something would change, the service is stopped, the list applied in one
    transaction, and the service started again, also when the change fails.
  - The second run changes nothing. Nothing that the module returns contains a secret.
options:
  db:
    description: The database, C(influxd.bolt).
    type: path
    required: true
  list:
    description:
      - The list on the managed host, TOML, YAML or JSON. Paths in it are relative to it.
    type: path
    required: true
  prune:
    description: Delete tokens that an earlier run made and the list no longer names.
    type: bool
    default: false
  service:
    description:
      - The systemd service of the server, such as V(influxdb). It is stopped if it is active and
        something would change, and started again. Without it, the server must be stopped already
        when something is to change.
    type: str
  keep_copy:
    description: A new file for a verified copy of the database, made before the change.
    type: path
  wait:
    description: How long to wait until the server has released the database.
    type: str
    default: 30s
  executable:
    description: The program, as a name in E(PATH) or as a path.
    type: str
    default: boltkey
attributes:
  check_mode:
    description: Nothing is changed, and the service keeps running.
    support: full
  diff_mode:
    description: Shows each entry that is created, updated, replaced or deleted.
    support: full
extends_documentation_fragment: []
"""

EXAMPLES = r"""
- name: Apply the list of tokens
  boltkey.influxdb.boltkey_apply:
    db: /var/lib/influxdb/influxd.bolt
    list: /etc/influxdb/tokens.toml
    service: influxdb
"""

RETURN = r"""
changes:
  description: What was changed, or would be changed in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      kind: token
      id: 0c1af1b2d3e4f506
      name: telegraf
service_restarted:
  description: Whether the service was stopped and started again.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.boltkey.influxdb.plugins.module_utils.boltkey import (
    BoltkeyError,
    document,
    read,
    run,
)


def line(change):
    """One line about an entry. Names only; boltkey puts no secret into reports."""
    text = "%s %s" % (change["kind"], change["name"])
    if change.get("org"):
        text += " in %s" % change["org"]
    return text


def difference(changes):
    before, after = [], []
    for change in changes:
        if change["action"] != "create":
            before.append(line(change))
        if change["action"] != "delete":
            details = change.get("details") or []
            after.append("; ".join([line(change)] + list(details)))
    return {
        "before_header": "store",
        "after_header": "list",
        "before": "".join(entry + "\n" for entry in before),
        "after": "".join(entry + "\n" for entry in after),
    }


class Service:
    """A systemd service that is stopped for a while."""

    def __init__(self, module, name):
        self.module = module
        self.name = name
        self.systemctl = module.get_bin_path("systemctl", required=True)

    def call(self, verb):
        return self.module.run_command([self.systemctl, verb, self.name])

    def is_active(self):
        return self.call("is-active")[0] == 0

    def change(self, verb):
        rc, dummy, err = self.call(verb)
        if rc != 0:
            raise BoltkeyError("systemctl %s %s failed: %s" % (verb, self.name, err.strip()))


def arguments(module):
    words = ["apply", module.params["list"], "--json", "--yes"]
    if module.params["prune"]:
        words.append("--prune")
    return words


def apply(module, result):
    """Applies the list, with the service stopped."""
    words = arguments(module) + ["--db", module.params["db"], "--wait", module.params["wait"]]
    if module.params["keep_copy"]:
        words += ["--keep-copy", module.params["keep_copy"]]
    name = module.params["service"]
    service = Service(module, name) if name else None
    stopped = service is not None and service.is_active()
    problem = None
    try:
        if stopped:
            service.change("stop")
        report = document(run(module, words)[1])
        result["changed"] = report["changed"]
        result["changes"] = report["changes"]
    except BoltkeyError as error:
        problem = error
    if stopped:
        try:
            service.change("start")
            result["service_restarted"] = True
        except BoltkeyError as error:
            text = "%s; before: %s" % (error, problem) if problem else str(error)
            raise BoltkeyError(text) from error
    if problem:
        raise problem


def main():
    module = AnsibleModule(
        argument_spec={
            "db": {"type": "path", "required": True},
            "list": {"type": "path", "required": True},
            "prune": {"type": "bool", "default": False},
            "service": {"type": "str"},
            "keep_copy": {"type": "path", "no_log": False},
            "wait": {"type": "str", "default": "30s"},
            "executable": {"type": "str", "default": "boltkey"},
        },
        supports_check_mode=True,
    )
    result = {"changed": False, "changes": [], "service_restarted": False}
    try:
        dummy, text, dummy = read(module, module.params["db"], arguments(module) + ["--dry-run"])
        plan = document(text)
        result["changes"] = plan["changes"]
        result["changed"] = bool(plan["changes"])
        result["diff"] = difference(plan["changes"])
        if result["changed"] and not module.check_mode:
            result["changed"] = False
            apply(module, result)
    except BoltkeyError as error:
        module.fail_json(msg=str(error), hint=error.hint, rc=error.rc, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
