"""Prints the licences of all crates that are in the binary, each text once. packaging/build runs it.

cargo-about does the same, and needs minutes for it, since it compares each text with all known ones.
Which licences are allowed is checked by cargo-deny.
"""

import json
import os
import subprocess
import sys

TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
NAMES = ("license", "licence", "copying", "notice", "copyright", "unlicense")


def crates():
    """The packages that are compiled into the program: no macros, build and test dependencies."""
    found = {}
    for target in TARGETS:
        text = subprocess.run(
            ["cargo", "metadata", "--locked", "--offline", "--format-version", "1",
             "--filter-platform", target],
            check=True, stdout=subprocess.PIPE).stdout
        metadata = json.loads(text)
        packages = {package["id"]: package for package in metadata["packages"]}
        nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        waiting = [metadata["resolve"]["root"]]
        seen = set(waiting)
        while waiting:
            for dependency in nodes[waiting.pop()]["deps"]:
                package = dependency["pkg"]
                normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
                if normal and package not in seen:
                    seen.add(package)
                    waiting.append(package)
                    found[(packages[package]["name"], packages[package]["version"])] = packages[package]
    return [found[key] for key in sorted(found)]


def texts(package):
    folder = os.path.dirname(package["manifest_path"])
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.lower().startswith(NAMES) and os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                yield file.read().strip().replace("\r\n", "\n")


def main():
    packages = crates()
    users = {}
    print("boltkey contains code of these crates, and of SQLite, which is in the public domain.\n")
    for package in packages:
        crate = "%s %s" % (package["name"], package["version"])
        if not package["license"]:
            sys.exit("%s names no licence" % crate)
        print("  %s: %s" % (crate, package["license"]))
        for text in texts(package):
            users.setdefault(text, []).append(crate)
    for text, names in users.items():
        print("\n%s\nUsed by: %s\n%s\n%s" % ("=" * 80, ", ".join(names), "-" * 80, text))


if __name__ == "__main__":
    main()
