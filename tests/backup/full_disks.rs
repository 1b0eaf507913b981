//! Disks that are full at any write.

use std::fs;

use crate::support::program::{limited, said};
use crate::{Place, ran};

/// Every file may be so long and no longer: the first, a middle, the last write of each fails.
#[test]
fn the_disk_is_full_at_every_write() {
    let place = Place::new();
    ran(&mut place.export("whole"));
    let longest = place.state("").values().map(Vec::len).max().unwrap() / 512 + 2;
    let mut tried = 0;
    let steps = (0..20).chain((20..longest).step_by(13));
    for blocks in steps {
        let output = limited(blocks, &place.export("out")).output().unwrap();
        if output.status.success() {
            fs::remove_dir_all(place.path("out")).unwrap();
        } else {
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(said(&output).contains("nothing was changed"), "{output:?}");
            assert!(!place.path("out").exists(), "{blocks}");
        }
        fs::create_dir_all(place.path("target")).unwrap();
        fs::write(place.path("target/influxd.bolt"), "what stands there").unwrap();
        fs::write(place.path("target/influxd.sqlite"), "this too").unwrap();
        let before = place.state("");
        let restore = place.restore("whole", "target/influxd.bolt");
        let output = limited(blocks, &restore).output().unwrap();
        if output.status.success() {
            place.is_restored("target/influxd.bolt");
            fs::remove_dir_all(place.path("target")).unwrap();
        } else {
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(said(&output).contains("nothing was changed"), "{output:?}");
            assert!(place.state("") == before, "{blocks}: {output:?}");
        }
        let token = place.command(&["backup", "token", "whole", "--out", "out", "--generate"]);
        let before = place.state("");
        let output = limited(blocks, &token).output().unwrap();
        if output.status.success() {
            fs::remove_dir_all(place.path("out")).unwrap();
        } else {
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(place.state("") == before, "{blocks}: {output:?}");
        }
        tried += 3;
    }
    println!("cases: backups-on-full-disks {tried}");
}
