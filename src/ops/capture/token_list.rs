//! Many captured tokens in little memory: a store may have a million of them, most with the same owner
//! and the same permissions.

use std::collections::HashMap;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::metadata::{Id, Kind};
use crate::ops::capture::{Captured, CapturedRef};
use crate::secret::TokenRef;

/// Captured tokens.
#[derive(Default)]
pub struct TokenList {
    entries: Vec<Entry>,
    texts: Texts,
    owners: Owners,
    /// Whether damage may hide more.
    pub hidden: bool,
}

/// One token. Its texts are in a row: the token, the description, and its own permissions.
struct Entry {
    id: Id,
    chunk: u32,
    start: u32,
    token: u32,
    description: u32,
    permissions: u32,
    owner: u32,
}

/// What many tokens have in common.
#[derive(PartialEq, Eq, Hash)]
struct Owner {
    kind: Option<Kind>,
    status: Box<str>,
    org_id: Option<Id>,
    org: Box<str>,
    user_id: Option<Id>,
    user: Box<str>,
    /// Empty where a token has its own permissions.
    permissions: Box<str>,
}

impl TokenList {
    /// Adds a token.
    pub(crate) fn push(&mut self, captured: &Captured) {
        let (owner, own_permissions) = self.owners.number_of(captured);
        let texts = [
            captured.token.reveal(),
            &captured.description,
            own_permissions,
        ];
        let (chunk, start) = self.texts.add(texts);
        let [token, description, permissions] = texts.map(|text| short(text.len()));
        self.entries.push(Entry {
            id: captured.id,
            chunk: short(chunk),
            start: short(start),
            token,
            description,
            permissions,
            owner,
        });
    }

    /// Sorts by ID. Tokens with the same ID keep their order.
    pub(crate) fn sort(&mut self) {
        if !self.entries.is_sorted_by_key(|entry| entry.id) {
            self.entries.sort_by_key(|entry| entry.id);
        }
    }

    /// The number of tokens that can be read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none that can be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it is certain that there are none.
    #[must_use]
    pub fn has_none(&self) -> bool {
        !self.hidden && self.is_empty()
    }

    /// The tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = CapturedRef<'_>> {
        self.entries.iter().filter_map(|entry| self.of(entry))
    }

    /// None never happens: what an entry says was written by [`Self::push`].
    fn of(&self, entry: &Entry) -> Option<CapturedRef<'_>> {
        let owner = self.owners.list.get(long(entry.owner))?;
        let row = self.texts.row(long(entry.chunk), long(entry.start))?;
        let (token, row) = row.split_at_checked(long(entry.token))?;
        let (description, row) = row.split_at_checked(long(entry.description))?;
        let permissions = match entry.permissions {
            0 => &owner.permissions,
            own => row.get(..long(own))?,
        };
        Some(CapturedRef {
            id: entry.id,
            token: TokenRef::new(token),
            kind: owner.kind,
            description,
            status: &owner.status,
            org_id: owner.org_id,
            org: &owner.org,
            user_id: owner.user_id,
            user: &owner.user,
            permissions,
        })
    }
}

impl FromIterator<Captured> for TokenList {
    fn from_iter<I: IntoIterator<Item = Captured>>(captured: I) -> Self {
        let mut list = Self::default();
        captured.into_iter().for_each(|one| list.push(&one));
        list
    }
}

/// A length or a number in an entry. A record is shorter than 4 GiB, and chunks are not fewer bytes
/// than [`CHUNK`].
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn long(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Texts in chunks that never move, so that no copy of a token is left behind when there are more.
#[derive(Default)]
pub(super) struct Texts {
    chunks: Vec<Zeroizing<String>>,
}

/// Bytes of a chunk, if no single text is longer.
const CHUNK: usize = 256 << 10;

impl Texts {
    /// Adds texts in a row. Returns their chunk, and where in it they start.
    pub(super) fn add(&mut self, texts: [&str; 3]) -> (usize, usize) {
        let length = texts.iter().map(|text| text.len()).sum();
        let has_room = |chunk: &String| chunk.capacity() - chunk.len() >= length;
        if !self.chunks.last().is_some_and(|chunk| has_room(chunk)) {
            let chunk = String::with_capacity(CHUNK.max(length));
            self.chunks.push(Zeroizing::new(chunk));
        }
        let number = self.chunks.len().saturating_sub(1);
        let Some(chunk) = self.chunks.last_mut() else {
            return (number, 0);
        };
        let start = chunk.len();
        texts.into_iter().for_each(|text| chunk.push_str(text));
        (number, start)
    }

    /// The texts of a chunk from there on.
    pub(super) fn row(&self, chunk: usize, start: usize) -> Option<&str> {
        self.chunks.get(chunk)?.get(start..)
    }
}

/// The different owners, by number.
#[derive(Default)]
struct Owners {
    list: Vec<Rc<Owner>>,
    numbers: HashMap<Rc<Owner>, u32>,
    /// The owner of the token before. Most have the same one.
    last: u32,
}

impl Owners {
    /// With more owners than this, the permissions are kept with each token.
    const MANY: usize = 4096;

    /// The number of the token's owner, and the permissions that the token itself has to keep.
    fn number_of<'c>(&mut self, captured: &'c Captured) -> (u32, &'c str) {
        let last = self.list.get(long(self.last));
        if last.is_some_and(|last| last.is_of(captured, &captured.permissions)) {
            return (self.last, "");
        }
        let with_permissions = Rc::new(Owner::of(captured, &captured.permissions));
        if let Some(number) = self.numbers.get(&with_permissions) {
            self.last = *number;
            return (*number, "");
        }
        if self.list.len() < Self::MANY {
            return (self.add(with_permissions), "");
        }
        let without = Rc::new(Owner::of(captured, ""));
        let number = self.numbers.get(&without).copied();
        let number = number.unwrap_or_else(|| self.add(without));
        (number, &captured.permissions)
    }

    fn add(&mut self, owner: Rc<Owner>) -> u32 {
        let number = short(self.list.len());
        self.list.push(Rc::clone(&owner));
        self.numbers.insert(owner, number);
        self.last = number;
        number
    }
}

impl Owner {
    fn of(captured: &Captured, permissions: &str) -> Self {
        Self {
            kind: captured.kind,
            status: captured.status.as_str().into(),
            org_id: captured.org_id,
            org: captured.org.as_str().into(),
            user_id: captured.user_id,
            user: captured.user.as_str().into(),
            permissions: permissions.into(),
        }
    }

    fn is_of(&self, captured: &Captured, permissions: &str) -> bool {
        self.kind == captured.kind
            && *self.status == *captured.status
            && self.org_id == captured.org_id
            && *self.org == *captured.org
            && self.user_id == captured.user_id
            && *self.user == *captured.user
            && *self.permissions == *permissions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::capture::{Format, write};
    use crate::secret::Token;

    /// Tokens of many owners, some longer than a chunk, out of order.
    fn captured() -> Vec<Captured> {
        let id = |n: u64| Id::new(n + 1).unwrap();
        let number = 3 * Owners::MANY as u64;
        let one = |n: u64| {
            let length = if n.is_multiple_of(1500) { CHUNK } else { 40 };
            let token = format!("{}ü{n}", "t".repeat(length));
            Captured {
                kind: Some(Kind::Custom),
                description: format!("number {n}"),
                status: ["active", "inactive"][usize::from(n.is_multiple_of(7))].into(),
                org_id: Some(id(n % 5)),
                org: format!("org {}", n % 5),
                user_id: (!n.is_multiple_of(3)).then(|| id(n % 3)),
                user: format!("user {}", n % 3),
                permissions: match n % 4 {
                    0 => String::new(),
                    1 => "read:buckets".into(),
                    _ => format!("write:buckets/{n}"),
                },
                ..Captured::bare(id(n ^ 1), Token::new(token))
            }
        };
        let mut all: Vec<Captured> = (0..number).map(one).collect();
        all.push(Captured::bare(id(number / 2), Token::new("bare".into())));
        all
    }

    #[test]
    fn what_is_kept_is_written_as_if_it_were_whole() {
        let mut captured = captured();
        let mut list: TokenList = captured.iter().map(again).collect();
        assert!(list.owners.list.len() > Owners::MANY && list.texts.chunks.len() > 3);
        let unsorted: Vec<Id> = list.iter().map(|one| one.id).collect();
        assert!(unsorted.iter().eq(captured.iter().map(|one| &one.id)));
        list.sort();
        captured.sort_by_key(|one| one.id);
        for format in [Format::Json, Format::Csv, Format::Env] {
            let (mut whole, mut kept) = (Vec::new(), Vec::new());
            write(captured.iter().map(Captured::lent), format, &mut whole).unwrap();
            write(list.iter(), format, &mut kept).unwrap();
            assert!(whole == kept, "{format:?}");
        }
    }

    fn again(one: &Captured) -> Captured {
        Captured {
            token: one.token.clone(),
            description: one.description.clone(),
            status: one.status.clone(),
            org: one.org.clone(),
            user: one.user.clone(),
            permissions: one.permissions.clone(),
            ..*one
        }
    }

    #[test]
    fn chunks_never_move() {
        let mut texts = Texts::default();
        let mut places = Vec::new();
        for n in 0..20_000 {
            texts.add([&format!("token {n}"), "text", ""]);
            let chunk = texts.chunks.last().unwrap();
            assert!(chunk.capacity() <= CHUNK + 8);
            if places.len() < texts.chunks.len() {
                places.push(chunk.as_ptr());
            }
        }
        assert!(places.len() > 1);
        let now = texts.chunks.iter().map(|chunk| chunk.as_ptr());
        assert!(now.eq(places));
    }
}
