//! The folders in which stores usually are: of packages, images, volumes, container file systems,
//! NAS and home-automation systems. `*` in a pattern matches any single name.

/// What a pattern leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The folder of a database.
    Store,
    /// Data of one program: the database is in it, or in one of [`IN_DATA`].
    Data,
    /// Data of many programs, one folder each. Those with "influx" in the name are data.
    Programs,
    /// The file system of a container: the database is in one of [`IN_CONTAINERS`].
    Container,
}

/// A pattern, what it leads to, and its description.
pub(crate) struct Usual {
    pub(crate) pattern: &'static str,
    pub(crate) contents: Contents,
    pub(crate) whose: &'static str,
}

const fn usual(pattern: &'static str, contents: Contents, whose: &'static str) -> Usual {
    Usual {
        pattern,
        contents,
        whose,
    }
}

/// Folders of the database in the data of a program.
pub(crate) const IN_DATA: [&str; 7] = [
    "",
    ".influxdbv2",
    "influxdb2",
    "influxdb",
    "data",
    "db",
    "data/influxdb2",
];

/// Folders of the database in a container's file system.
pub(crate) const IN_CONTAINERS: [&str; 6] = [
    "var/lib/influxdb2",
    "var/lib/influxdb",
    "root/.influxdbv2",
    "home/influxdb/.influxdbv2",
    "bitnami/influxdb",
    "bitnami/influxdb/data",
];

const PACKAGE: &str = "a folder of influxd's packages and images";
const VOLUME: &str = "a volume of containers";
const CONTAINER: &str = "the files of a container";

/// Folders relative to the root.
pub(crate) const OF_ROOT: &[Usual] = &[
    usual("var/lib/influxdb", Contents::Store, PACKAGE),
    usual("var/lib/influxdb2", Contents::Store, PACKAGE),
    usual("var/lib/influxdb/.influxdbv2", Contents::Store, PACKAGE),
    usual("bitnami/influxdb", Contents::Store, PACKAGE),
    usual("bitnami/influxdb/data", Contents::Store, PACKAGE),
    usual("var/snap/influxdb/*", Contents::Data, "a folder of a snap"),
    // Volumes.
    usual("var/lib/docker/volumes/*/_data", Contents::Data, VOLUME),
    usual(
        "var/snap/docker/common/var-lib-docker/volumes/*/_data",
        Contents::Data,
        VOLUME,
    ),
    usual(
        "var/lib/containers/storage/volumes/*/_data",
        Contents::Data,
        VOLUME,
    ),
    usual(
        "var/lib/nerdctl/*/volumes/*/*/_data",
        Contents::Data,
        VOLUME,
    ),
    usual("var/lib/kubelet/pods/*/volumes/*/*", Contents::Data, VOLUME),
    usual("var/lib/rancher/k3s/storage/*", Contents::Data, VOLUME),
    usual(
        "var/snap/microk8s/common/default-storage/*",
        Contents::Data,
        VOLUME,
    ),
    usual("opt/local-path-provisioner/*", Contents::Data, VOLUME),
    usual("var/openebs/local/*", Contents::Data, VOLUME),
    // File systems of containers.
    usual(
        "var/lib/docker/overlay2/*/diff",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        "var/lib/docker/btrfs/subvolumes/*",
        Contents::Container,
        CONTAINER,
    ),
    usual("var/lib/docker/vfs/dir/*", Contents::Container, CONTAINER),
    usual(
        "var/snap/docker/common/var-lib-docker/overlay2/*/diff",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        "var/lib/containers/storage/overlay/*/diff",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        "var/lib/containers/storage/vfs/dir/*",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        "var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        "run/containerd/io.containerd.runtime.v2.task/*/*/rootfs",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        "var/lib/machines/*",
        Contents::Container,
        "a machine of systemd-nspawn",
    ),
    usual(
        "var/lib/lxc/*/rootfs",
        Contents::Container,
        "a container of LXC",
    ),
    usual(
        "var/lib/lxd/storage-pools/*/containers/*/rootfs",
        Contents::Container,
        "a container of LXD",
    ),
    usual(
        "var/snap/lxd/common/lxd/storage-pools/*/containers/*/rootfs",
        Contents::Container,
        "a container of LXD",
    ),
    usual(
        "var/lib/incus/storage-pools/*/containers/*/rootfs",
        Contents::Container,
        "a container of Incus",
    ),
    // Synology DSM.
    usual(
        "volume*/docker",
        Contents::Programs,
        "a Docker folder of a Synology NAS",
    ),
    usual(
        "volume*/@docker/volumes/*/_data",
        Contents::Data,
        "a volume of a Synology NAS",
    ),
    usual(
        "volume*/@docker/btrfs/subvolumes/*",
        Contents::Container,
        "the files of a container of a Synology NAS",
    ),
    usual(
        "volume*/@docker/overlay2/*/diff",
        Contents::Container,
        "the files of a container of a Synology NAS",
    ),
    usual(
        "volume*/@appdata",
        Contents::Programs,
        "a package of a Synology NAS",
    ),
    usual(
        "volume*/@appstore",
        Contents::Programs,
        "a package of a Synology NAS",
    ),
    // QNAP QTS.
    usual(
        "share/Container",
        Contents::Programs,
        "a container folder of a QNAP NAS",
    ),
    usual(
        "share/*/Container",
        Contents::Programs,
        "a container folder of a QNAP NAS",
    ),
    usual(
        "share/*/Container/container-station-data/lib/docker/volumes/*/_data",
        Contents::Data,
        "a volume of a QNAP NAS",
    ),
    usual(
        "share/*/Container/container-station-data/lib/docker/overlay2/*/diff",
        Contents::Container,
        "the files of a container of a QNAP NAS",
    ),
    usual(
        "share/*/.qpkg/container-station/docker/volumes/*/_data",
        Contents::Data,
        "a volume of a QNAP NAS",
    ),
    // Unraid.
    usual(
        "mnt/user/appdata",
        Contents::Programs,
        "an application of Unraid",
    ),
    usual(
        "mnt/cache/appdata",
        Contents::Programs,
        "an application of Unraid",
    ),
    usual(
        "mnt/disk*/appdata",
        Contents::Programs,
        "an application of Unraid",
    ),
    // TrueNAS SCALE.
    usual(
        "mnt/.ix-apps/app_mounts",
        Contents::Programs,
        "an application of TrueNAS",
    ),
    usual(
        "mnt/.ix-apps/app_mounts/*influx*/*",
        Contents::Data,
        "an application of TrueNAS",
    ),
    usual(
        "mnt/.ix-apps/docker/volumes/*/_data",
        Contents::Data,
        "a volume of TrueNAS",
    ),
    usual(
        "mnt/.ix-apps/docker/overlay2/*/diff",
        Contents::Container,
        "the files of a container of TrueNAS",
    ),
    usual(
        "mnt/*/ix-applications/releases/*influx*/volumes/*/*",
        Contents::Data,
        "an application of TrueNAS",
    ),
    usual(
        "mnt/*/apps",
        Contents::Programs,
        "an application of TrueNAS",
    ),
    usual(
        "mnt/*/appdata",
        Contents::Programs,
        "a folder of applications",
    ),
    usual(
        "mnt/*/iocage/jails/*/root",
        Contents::Container,
        "a jail of TrueNAS CORE",
    ),
    // Home Assistant: Operating System and Supervised.
    usual(
        "mnt/data/supervisor/addons/data",
        Contents::Programs,
        "an add-on of Home Assistant",
    ),
    usual(
        "usr/share/hassio/addons/data",
        Contents::Programs,
        "an add-on of Home Assistant",
    ),
    usual(
        "var/lib/homeassistant/addons/data",
        Contents::Programs,
        "an add-on of Home Assistant",
    ),
    usual("mnt/data/docker/volumes/*/_data", Contents::Data, VOLUME),
    usual(
        "mnt/data/docker/overlay2/*/diff",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        "addon_configs",
        Contents::Programs,
        "an add-on of Home Assistant",
    ),
    usual(
        "data",
        Contents::Data,
        "a folder data, as add-ons of Home Assistant have it",
    ),
    // OpenMediaVault, CasaOS, DietPi and others.
    usual(
        "srv/*/appdata",
        Contents::Programs,
        "an application of OpenMediaVault",
    ),
    usual("srv", Contents::Programs, "a folder of services"),
    usual("srv/docker", Contents::Programs, "a folder of containers"),
    usual(
        "DATA/AppData",
        Contents::Programs,
        "an application of CasaOS",
    ),
    usual(
        "mnt/dietpi_userdata",
        Contents::Programs,
        "a program of DietPi",
    ),
    usual("opt", Contents::Programs, "a folder of programs"),
    usual("opt/docker", Contents::Programs, "a folder of containers"),
    usual("docker", Contents::Programs, "a folder of containers"),
];

/// Folders relative to a home folder.
pub(crate) const OF_HOME: &[Usual] = &[
    usual(".influxdbv2", Contents::Store, ""),
    usual(
        ".local/share/docker/volumes/*/_data",
        Contents::Data,
        VOLUME,
    ),
    usual(
        ".local/share/docker/overlay2/*/diff",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        ".local/share/containers/storage/volumes/*/_data",
        Contents::Data,
        VOLUME,
    ),
    usual(
        ".local/share/containers/storage/overlay/*/diff",
        Contents::Container,
        CONTAINER,
    ),
    usual(
        ".local/share/nerdctl/*/volumes/*/*/_data",
        Contents::Data,
        VOLUME,
    ),
    usual(
        "IOTstack/volumes",
        Contents::Programs,
        "a volume of IOTstack",
    ),
    usual(
        "umbrel/app-data",
        Contents::Programs,
        "an application of umbrelOS",
    ),
    usual("docker", Contents::Programs, "a folder of containers"),
];
