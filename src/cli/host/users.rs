//! The users of the host, from `/etc/passwd`.

use std::path::{Path, PathBuf};

use crate::cli::host::bounded_reads::text_of;

/// A user of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    /// The home folder, below the root that was searched.
    pub(crate) home: PathBuf,
}

/// The users in `etc/passwd` below `root`.
pub(crate) fn users(root: &Path) -> Vec<User> {
    let text = text_of(&root.join("etc/passwd")).unwrap_or_default();
    let user = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, ..] = fields.as_slice() else {
            return None;
        };
        Some(User {
            name: (*name).to_owned(),
            uid: uid.parse().ok()?,
            home: root.join(home.trim_start_matches('/')),
        })
    };
    text.lines().filter_map(user).collect()
}

/// The home folder that influxd takes for this user: that of the user database, not `HOME`.
pub(crate) fn home_of(users: &[User], uid: u32) -> Option<PathBuf> {
    let user = users.iter().find(|user| user.uid == uid)?;
    Some(user.home.clone())
}
