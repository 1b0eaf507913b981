//! What an unprivileged user can put in the way of root: `locate` and `status` end in time and in a
//! limited address space, and write nothing.

use std::fs;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::bounds::{files, state};
use crate::fixtures::fixture;
use crate::scene::ONE;
use crate::support::bounded::MEMORY;
use crate::support::program::make_pipe;
use crate::support::stage::Stage;
use crate::support::things::THINGS;

/// Where root's commands look in a user's home.
const PLACES: [&str; 7] = [
    ".influxdbv2/influxd.bolt",
    ".influxdbv2/influxd.sqlite",
    ".influxdbv2/engine",
    ".influxdbv2/configs",
    ".influxdbv2/config.toml",
    "docker/influxdb/influxd.bolt",
    ".local/share/docker/containers/x/config.v2.json",
];

/// More than a run takes, with the seconds that it gives to what does not answer.
const LONG: Duration = Duration::from_secs(60);

/// A host with a store of root's, and the home of alice.
fn host() -> Option<(Stage, PathBuf)> {
    let stage = Stage::new()?;
    stage.file("root/.influxdbv2/influxd.bolt", fixture(ONE));
    let home = stage.path("home/alice");
    fs::create_dir_all(&home).unwrap();
    Some((stage, home))
}

/// Gives all files to alice. Whether that is allowed.
fn give_away(home: &Path) -> bool {
    let mut found = vec![home.to_path_buf()];
    files(home, &mut found);
    found
        .iter()
        .all(|path| lchown(path, Some(1000), Some(1000)).is_ok())
}

/// Runs what root would run. Root's store must be found, and no file be changed.
#[track_caller]
fn run_all(stage: &Stage, script: &str, is_still: bool) {
    let states = || {
        let mut found = Vec::new();
        for folder in ["root", "home", "tmp", "work"] {
            files(&stage.path(folder), &mut found);
        }
        found.sort();
        let found = found.into_iter();
        found.map(|path| (state(&path), path)).collect::<Vec<_>>()
    };
    let before = is_still.then(states);
    let limited = format!("{script}\nulimit -v {MEMORY}");
    for arguments in ["locate", "locate --json", "status", "doctor", "auth list"] {
        let began = Instant::now();
        let ran = stage.run_after(&limited, arguments);
        assert!(began.elapsed() < LONG, "{arguments}: {ran:?}");
        assert!([0, 3].contains(&ran.code), "{arguments}: {ran:?}");
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("/root/.influxdbv2/influxd.bolt"), "{said}");
    }
    if let Some(before) = before {
        assert!(states() == before);
    }
}

#[test]
fn files_of_another_user_are_bounded() {
    for turn in 0..THINGS.len() {
        let Some((stage, home)) = host() else { return };
        for (number, place) in PLACES.iter().enumerate() {
            let path = home.join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            THINGS[(turn + number) % THINGS.len()].1(&path);
        }
        for (name, make) in &THINGS {
            make(&home.join(".influxdbv2").join(name));
        }
        if !give_away(&home) {
            println!("only root can give files to another user");
        }
        run_all(&stage, "true", true);
    }
}

/// A file that is a pipe whenever it is opened, and a file whenever it is looked at.
#[test]
fn a_file_that_becomes_a_pipe_is_not_waited_for() {
    let Some((stage, home)) = host() else { return };
    let config = home.join(".influxdbv2/configs");
    let store = home.join(".influxdbv2/influxd.bolt");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "[default]\ntoken = \"x\"\n").unwrap();
    fs::write(&store, fixture(ONE)).unwrap();
    let pipes = [home.join("pipe"), home.join("other")];
    for pipe in &pipes {
        make_pipe(pipe);
    }
    give_away(&home);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (file, pipe) in [&config, &store].into_iter().zip(&pipes) {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    renameat_with(CWD, file, CWD, pipe, RenameFlags::EXCHANGE).unwrap();
                }
            });
        }
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..3 {
                run_all(&stage, "true", false);
            }
        }));
        done.store(true, Ordering::Relaxed);
        if let Err(why) = ran {
            std::panic::resume_unwind(why);
        }
    });
}

/// A file whose owner has a lease on it: whoever opens it is held up for 45 seconds.
#[test]
fn a_file_with_a_lease_is_not_waited_for() {
    let Some((stage, home)) = host() else { return };
    fs::create_dir_all(home.join(".influxdbv2")).unwrap();
    for name in ["influxd.bolt", "configs", "config.toml"] {
        fs::write(home.join(".influxdbv2").join(name), fixture(ONE)).unwrap();
    }
    give_away(&home);
    let holder = r#"
        cd /home/alice/.influxdbv2
        setpriv --reuid 1000 --clear-groups perl -e '
            $SIG{IO} = "IGNORE";
            for (@ARGV) {
                open(my $file, "+<", $_) or die; push @files, $file;
                fcntl($file, 1024, 1) or die;
            }
            print STDOUT "held\n"; sleep 600;
        ' influxd.bolt configs config.toml > /tmp/held 2>&1 &
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            [ -s /tmp/held ] && break; sleep 0.1
        done
        cat /tmp/held >&2
    "#;
    let held = stage.run_after(holder, "locate");
    if !held.stderr.contains("held") {
        println!("no lease can be had here: {}", held.stderr);
        return;
    }
    let began = Instant::now();
    run_all(&stage, holder, false);
    assert!(began.elapsed() < Duration::from_secs(30));
}
