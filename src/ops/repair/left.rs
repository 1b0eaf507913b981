//! Why findings are left.

use crate::finding::Code;

/// The reason for findings of this code, unless a family gives a better one.
pub(super) fn reason(code: Code) -> String {
    let why = match code {
        Code::Undecodable | Code::OtherUndecodable | Code::TaskUnreadable | Code::RunUnreadable => {
            "a record that can't be decoded is never deleted"
        }
        Code::KeyMismatch => "it can't be known which of the two is right",
        Code::TokenUserGone | Code::TokenOrgGone => "tokens are never deleted",
        Code::TokenAbsent => "its token is not known",
        Code::TokenDisagrees => "it can't be known which of the two tokens is right",
        Code::HashUndecodable | Code::HashAsToken => "its right token is not known",
        Code::NameTaken => "which of them gets the name is your choice",
        Code::V1PasswordAbsent => "a password is your choice",
        Code::TsmDangling | Code::BucketOrgGone => "its points may be wanted",
        Code::SqliteUnusable
        | Code::SqliteSchema
        | Code::SqliteForeign
        | Code::EngineOld
        | Code::EngineForeign
        | Code::EngineEmpty => "repair changes only the database",
        _ => "repair can't cure it here",
    };
    format!("{why}. {}", code.cure())
}
