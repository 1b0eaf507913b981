//! Cures of what is wrong with a bolt file.

use boltkey::finding::{Code, Repair};

use super::ground::{Ground, model_of, tokens_of};
use crate::fixtures::{content, damaged, fixture, fixtures, operator_token};
use crate::scene::{FOR_ALICE, text};
use crate::support::damage;
use crate::support::record_changes::SOUND;

/// `boltkey repair` on a real store with this damage: all records stay.
fn mended(ground: &mut Ground, code: Code) {
    let database = ground.store("to-repair.bolt", &damage::with(code).unwrap());
    let before = model_of(&database);
    assert!(ground.repaired(&database) == before, "{code}");
}

pub fn tried(ground: &mut Ground, code: Code) -> bool {
    if !code.is_structure() {
        return false;
    }
    match code {
        Code::Unlocked | Code::Unclean | Code::UnfinishedScrub | Code::ForeignTable => false,
        // The next change writes both metas again.
        Code::OlderMeta
        | Code::MetaChecksumZero
        | Code::MetaHeader
        | Code::OtherMetaPageSize
        | Code::MetaParity
        | Code::MetaTwins
        | Code::OtherMeta => {
            if code.repair() == Repair::Cured {
                mended(ground, code);
            }
            let database = ground.store("damaged.bolt", &damage::with(code).unwrap());
            ground.cure("status", &database, &[]);
            let before = tokens_of(&model_of(&database));
            let ran = ground.run(&["recover", "operator"], &database, FOR_ALICE);
            assert_eq!(ran.code, 0, "{code}: {ran:?}");
            ground.is_gone(&database);
            let after = tokens_of(&model_of(&database));
            assert_eq!(after.len(), before.len() + 1, "{code}");
            assert!(before.iter().all(|token| after.contains(token)), "{code}");
            true
        }
        Code::Tail | Code::Slack => {
            if code == Code::Slack {
                mended(ground, code);
            }
            let database = ground.store("damaged.bolt", &damage::with(code).unwrap());
            let out = ground.path("recovered");
            ground.cure("residue recover", &database, &["--out", text(&out)]);
            let before = model_of(&database);
            ground.cure("residue scrub", &database, &["--yes"]);
            ground.is_gone(&database);
            assert!(model_of(&database) == before, "{code}");
            true
        }
        // Nothing has to be done.
        Code::NestedBucket => {
            let bytes = content(&fixtures().join("bbolt/tiny-4096-array-136.bolt"));
            ground.store("nested.bolt", &bytes);
            true
        }
        Code::FreelistAbsent => {
            let path = fixtures().join("bbolt/influx-1024-none-136.bolt.gz");
            ground.store("absent.bolt", &content(&path));
            true
        }
        Code::OddPageSize => {
            let path = fixtures().join("bbolt/influx-5000-array-136.bolt.gz");
            let database = ground.store("odd.bolt", &content(&path));
            let (redb, bolt) = (ground.path("odd.redb"), ground.path("usual.bolt"));
            ground.cure("convert", &database, &["--out", text(&redb)]);
            ground.cure("convert", &redb, &["--out", text(&bolt)]);
            ground.is_gone(&bolt);
            assert!(model_of(&bolt) == model_of(&database));
            true
        }
        // All records can be read.
        Code::MetaRoot | Code::MetaPageSize | Code::InlineNested | Code::Packing => {
            if code.repair() == Repair::Cured {
                mended(ground, code);
            }
            let database = ground.store("damaged.bolt", &damage::with(code).unwrap());
            ground.compacted(&database);
            let tokens = tokens_of(&model_of(&database));
            assert!(tokens.iter().any(|t| t.contains(&operator_token(SOUND))));
            true
        }
        Code::Truncated
        | Code::ShortPage
        | Code::TreeUneven
        | Code::EmptyLeaf
        | Code::SingleChild
        | Code::ExcessPages
        | Code::ExcessShared
        | Code::BucketTrailing
        | Code::InlineHeader
        | Code::FreelistPage
        | Code::FreelistCount
        | Code::FreelistBounds
        | Code::FreelistSelf
        | Code::FreelistDuplicate
        | Code::FreelistOrder
        | Code::FreelistLive
        | Code::Leaked => {
            mended(ground, code);
            let name = code.name().trim_start_matches("structure.");
            let database = ground.store("damaged.bolt", &damaged(name));
            ground.compacted(&database);
            true
        }
        // Some can't.
        _ => {
            let Some(bytes) = damage::with(code) else {
                return false;
            };
            let database = ground.store("damaged.bolt", &bytes);
            ground.checked(&database);
            ground.salvaged(&database);
            ground.saved(&database);
            if code == Code::RootValue {
                ground.stepped_back(&database);
            }
            // The sound store, where all this was made of.
            assert!(bytes != fixture(SOUND));
            ground.restored(&database);
            true
        }
    }
}
