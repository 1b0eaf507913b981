//! Decryption of inputs in age's format.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read};

use age::secrecy::SecretString;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Token;

/// Number of bytes needed to recognise the format of an input.
pub(crate) const START: usize = 64;

/// Whether an input with these first bytes is encrypted with age.
pub(crate) fn is_sealed(start: &[u8]) -> bool {
    start.starts_with(b"age-encryption.org/") || start.starts_with(b"-----BEGIN AGE ENCRYPTED FILE")
}

/// The keys for encrypted inputs.
#[derive(Default)]
pub struct Unseal {
    identities: Vec<Box<dyn age::Identity>>,
}

impl Unseal {
    /// Adds the keys of an identity file, as `age-keygen` writes it; `name` is for messages.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when it contains no key.
    pub fn add_identities(&mut self, file: impl Read, name: &str) -> Result<()> {
        let refused = |why: &dyn fmt::Display| {
            Error::new(
                ErrorKind::Refused,
                format!("{name} is not an age identity file: {why}"),
            )
            .with_hint("age-keygen writes such files; a key begins with AGE-SECRET-KEY-1")
        };
        let identities = age::IdentityFile::from_buffer(BufReader::new(file))
            .map_err(|cause| refused(&cause))?
            .into_identities()
            .map_err(|cause| refused(&cause))?;
        if identities.is_empty() {
            return Err(refused(&"it contains no key"));
        }
        self.identities.extend(identities);
        Ok(())
    }

    /// Adds a passphrase.
    pub fn add_passphrase(&mut self, passphrase: &Token) {
        // The input may come from a faster machine, and the passphrase is tried only once, so
        // allow a high work factor.
        const MOST_WORK: u8 = 22;
        let secret = SecretString::from(passphrase.reveal().to_owned());
        let mut identity = age::scrypt::Identity::new(secret);
        identity.set_max_work_factor(MOST_WORK);
        self.identities.push(Box::new(identity));
    }

    /// Whether there is no key and no passphrase.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Calls `use_it` with the first [`START`] bytes of the content, and with all of it. The input
    /// may be encrypted or not. Returns the result, and whether it is encrypted. `name` is for
    /// messages.
    ///
    /// # Errors
    /// * [`ErrorKind::Refused`] when the input is encrypted and there is no matching key
    /// * [`ErrorKind::Io`] when it can't be read
    /// * the errors of `use_it`
    pub fn read<T>(
        &self,
        input: &mut dyn Read,
        name: &str,
        use_it: impl FnOnce(&[u8], &mut dyn Read) -> Result<T>,
    ) -> Result<(T, bool)> {
        self.read_or(input, name, ErrorKind::Refused, use_it)
    }

    /// Like [`Self::read`]; `damaged` is the kind of the error for a damaged header.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_or<T>(
        &self,
        input: &mut dyn Read,
        name: &str,
        damaged: ErrorKind,
        use_it: impl FnOnce(&[u8], &mut dyn Read) -> Result<T>,
    ) -> Result<(T, bool)> {
        let (start, mut input) = peek(input, name, START)?;
        if !is_sealed(&start) {
            return Ok((use_it(&start, &mut input)?, false));
        }
        let failed = |cause: age::DecryptError| {
            let (kind, hint) = match cause {
                _ if self.is_empty() => (
                    ErrorKind::Refused,
                    "give the key with --identity FILE, or the passphrase",
                ),
                age::DecryptError::NoMatchingKeys
                | age::DecryptError::DecryptionFailed
                | age::DecryptError::KeyDecryptionFailed => {
                    (ErrorKind::Refused, "give the right key or passphrase")
                }
                _ => (
                    damaged,
                    "the file may be damaged; age -d fails in the same way",
                ),
            };
            let why = if self.is_empty() {
                String::from("it is encrypted and no key or passphrase is given")
            } else {
                cause.to_string()
            };
            Error::new(kind, format!("can't decrypt {name}: {why}")).with_hint(hint)
        };
        let armored = age::armor::ArmoredReader::new(BufReader::new(input));
        let decryptor = age::Decryptor::new_buffered(armored).map_err(failed)?;
        let identities = self.identities.iter().map(|identity| &**identity);
        let mut opened = decryptor.decrypt(identities).map_err(failed)?;
        let (start, mut opened) = peek(&mut opened, name, START)?;
        Ok((use_it(&start, &mut opened)?, true))
    }
}

/// Whether an input is encrypted with a passphrase, and a reader of the whole input. `name` is for
/// messages.
///
/// # Errors
/// When it can't be read.
pub(crate) fn needs_passphrase<'r>(
    input: &'r mut dyn Read,
    name: &str,
) -> Result<(bool, impl Read + 'r)> {
    /// More than the header of an input with a passphrase, armored or not.
    const HEADER: usize = 1024;
    let (start, input) = peek(input, name, HEADER)?;
    let header = age::armor::ArmoredReader::new(BufReader::new(start.as_slice()));
    let needs = is_sealed(&start)
        && age::Decryptor::new_buffered(header).is_ok_and(|decryptor| decryptor.is_scrypt());
    Ok((needs, input))
}

/// Returns the first bytes, at `most` so many, and a reader of the whole input.
fn peek<'r>(
    input: &'r mut dyn Read,
    name: &str,
    most: usize,
) -> Result<(Zeroizing<Vec<u8>>, impl Read + 'r)> {
    let mut start = Zeroizing::new(Vec::with_capacity(most));
    (&mut *input)
        .take(most as u64)
        .read_to_end(&mut start)
        .map_err(|cause| unreadable(name, &cause))?;
    let again = Cursor::new(start.clone());
    Ok((start, Zeroed(again).chain(input)))
}

/// A reader whose memory is wiped.
struct Zeroed(Cursor<Zeroizing<Vec<u8>>>);

impl Read for Zeroed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(self.0.position()).unwrap_or(usize::MAX);
        let mut left = self.0.get_ref().get(at..).unwrap_or_default();
        let n = left.read(buffer)?;
        self.0.set_position((at + n) as u64);
        Ok(n)
    }
}

/// The error for an input that can't be read.
pub(crate) fn unreadable(name: &str, cause: &dyn fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("can't read {name}: {cause}"))
}
