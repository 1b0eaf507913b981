"""Runs the containers of a manifest as the image would run them: the static binary alone on a read-only
root, as the user of the manifest, with the volumes mounted.

    container.py MANIFEST BINARY FOLDER [NAME…]

FOLDER/volumes/NAME is the volume of that name, FOLDER/secrets the files of secrets. Runs the containers
whose image is boltkey, in the order of the manifest, or only those NAMEd, and prints each command line.
"""

import os
import shlex
import shutil
import subprocess
import sys

import yaml


def kubernetes(documents):
    for document in documents:
        pod = document.get("spec", {}).get("template", {}).get("spec")
        if not pod:
            continue
        user = pod["securityContext"]
        for container in pod.get("initContainers", []) + pod["containers"]:
            if container["image"].split(":")[0] != "boltkey":
                continue
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
            kinds = {v["name"]: v for v in pod.get("volumes", [])}
            mounts = [
                ("secrets" if "secret" in kinds.get(m["name"], {}) else "volumes/" + m["name"],
                 m["mountPath"], m.get("readOnly", False))
                for m in container["volumeMounts"]
            ]
            yield container["name"], (user["runAsUser"], user["runAsGroup"]), container["args"], mounts


def compose(documents):
    for name, service in documents[0]["services"].items():
        if service["image"].split(":")[0] != "boltkey":
            continue
        assert service["read_only"] and service["network_mode"] == "none"
        user = tuple(int(number) for number in service["user"].split(":"))
        mounts = []
        for volume in service["volumes"]:
            source, target = volume.split(":")
            mounts.append(("volumes/" + source, target, False))
        mounts += [("secrets/" + s, "/run/secrets/" + s, True) for s in service["secrets"]]
        yield name, user, service["command"], mounts


def run(binary, folder, user, arguments, mounts):
    root = os.path.join(folder, "root")
    shutil.rmtree(root, ignore_errors=True)
    os.mkdir(root)
    shutil.copy(binary, root + "/boltkey")
    script = ["set -eu", "mount --bind %s %s" % ((shlex.quote(root),) * 2)]
    for source, target, read_only in mounts:
        source, place = os.path.join(folder, source), root + target
        os.makedirs(place if os.path.isdir(source) else os.path.dirname(place), exist_ok=True)
        if not os.path.isdir(source):
            open(place, "w").close()
        script.append("mount --bind %s %s" % (shlex.quote(source), shlex.quote(place)))
        if read_only:
            script.append("mount -o remount,bind,ro %s" % shlex.quote(place))
    script.append("mount -o remount,bind,ro %s" % shlex.quote(root))
    chroot = shutil.which("chroot", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    command = [chroot, "--userspec=%d:%d" % user, root, "/boltkey"] + arguments
    script.append("exec env -i " + shlex.join(command))
    return subprocess.run(["unshare", "--mount", "--net", "sh", "-c", "\n".join(script)]).returncode


def main():
    manifest, binary, folder, *names = sys.argv[1:]
    with open(manifest) as file:
        documents = list(yaml.safe_load_all(file))
    containers = list((compose if "services" in documents[0] else kubernetes)(documents))
    assert containers, "no container of the image boltkey"
    for name, user, arguments, mounts in containers:
        if names and name not in names:
            continue
        print("$ boltkey " + shlex.join(arguments), flush=True)
        code = run(binary, folder, user, [str(word) for word in arguments], mounts)
        if code:
            sys.exit(code)


if __name__ == "__main__":
    main()
