//! A made-up host: a root folder of its own with `/etc`, homes and processes, in which the program
//! runs as root. It needs namespaces, which some systems refuse.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::program::BOLTKEY;
use super::sandbox::Ran;

/// The exit code of a host that can't be made.
const NONE: i32 = 77;

/// Mounts the programs and libraries of this host, then runs the script in the root folder.
const ENTER: &str = r#"
    root=$1
    mount --make-rprivate / || exit 77
    for name in usr bin sbin lib lib64 dev; do
        [ -e "/$name" ] || continue
        if [ -L "/$name" ]; then ln -sfn "$(readlink "/$name")" "$root/$name"; continue; fi
        mkdir -p "$root/$name"
        mount --rbind "/$name" "$root/$name" || exit 77
    done
    mkdir -p "$root/proc" "$root/tmp" "$root/work"
    mount -t proc proc "$root/proc" || exit 77
    exec chroot "$root" /bin/bash -c "$2"
"#;

/// See the module.
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// A host with the users root, influxdb (998) and alice (1000). None if it can't be made, which
    /// is printed.
    pub fn new() -> Option<Self> {
        let stage = Self {
            folder: TempDir::new().unwrap(),
        };
        fs::set_permissions(
            stage.folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        stage.file(
            "etc/passwd",
            "root:x:0:0::/root:/bin/bash\ninfluxdb:x:998:998::/var/lib/influxdb:/bin/false\n\
             alice:x:1000:1000::/home/alice:/bin/bash\n",
        );
        let program = stage.path("boltkey");
        let copied = Command::new("cp").arg(BOLTKEY).arg(program).status();
        assert!(copied.unwrap().success());
        let tried = stage.shell("true");
        if tried.code == 0 {
            return Some(stage);
        }
        assert!(tried.code == NONE || !tried.stderr.is_empty(), "{tried:?}");
        println!("no host can be made here: {}", tried.stderr);
        None
    }

    /// A path of the host, as this process sees it.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file, with the folders it needs. Not below `/usr`, `/lib` and `/dev`, which are this
    /// host's.
    pub fn file(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs a command line of the program, in `/work`. `HOME` is not root's home folder.
    pub fn run(&self, arguments: &str) -> Ran {
        self.run_after("true", arguments)
    }

    /// The same after a script, whose processes go on until the program has ended. The script sets
    /// variables with `export`.
    pub fn run_after(&self, script: &str, arguments: &str) -> Ran {
        self.shell(&format!(
            "{script}\nexport HOME=/nowhere\ncd /work\n/boltkey {arguments}"
        ))
    }

    fn shell(&self, script: &str) -> Ran {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let output = command
            .args(["--mount", "--pid", "--fork", "bash", "-c", ENTER, "bash"])
            .arg(self.folder.path())
            .arg(script)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .output();
        let Ok(output) = output else {
            return Ran {
                code: NONE,
                stdout: String::new(),
                stderr: "there is no unshare".into(),
            };
        };
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
