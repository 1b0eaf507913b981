//! The limits for a hostile SQLite file.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

/// The time for reading one file.
pub(super) const MOST_TIME: Duration = Duration::from_secs(60);

/// The number of SQLite's instructions between two looks at the time.
const INSTRUCTIONS: i32 = 1000;

/// The functions that this program and SQLite's own `VACUUM` need.
const FUNCTIONS: [&str; 5] = ["coalesce", "count", "quote", "substr", "typeof"];

/// Sets all limits: nothing in the schema is run, and memory and time are bounded.
pub(super) fn limit(connection: &mut Connection, most_time: Duration) -> rusqlite::Result<()> {
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    ] {
        connection.set_db_config(setting, on)?;
    }
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, 64 << 20),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
        (Limit::SQLITE_LIMIT_COLUMN, 500),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 10),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 8),
        (Limit::SQLITE_LIMIT_ATTACHED, 1),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // SQLite's own temporary files would be copies too, and need a folder.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "hard_heap_limit", 256 << 20)?;
    let end = Instant::now() + most_time;
    connection.progress_handler(INSTRUCTIONS, Some(move || Instant::now() > end))?;
    connection.authorizer(Some(|context: AuthContext<'_>| permit(&context.action)))
}

fn permit(action: &AuthAction<'_>) -> Authorization {
    let allowed = match action {
        AuthAction::CreateVtable { .. }
        | AuthAction::DropVtable { .. }
        | AuthAction::Recursive
        | AuthAction::Unknown { .. } => false,
        AuthAction::Function { function_name } => {
            FUNCTIONS.contains(&function_name.to_ascii_lowercase().as_str())
        }
        _ => true,
    };
    if allowed {
        Authorization::Allow
    } else {
        Authorization::Deny
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use super::*;

    fn limited(most_time: Duration) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7), (8);",
            )
            .unwrap();
        limit(&mut connection, most_time).unwrap();
        connection
    }

    /// Over eight tables at once: many millions of steps.
    const LONG: &str = "SELECT count(*) FROM t a, t b, t c, t d, t e, t f, t g, t h WHERE \
                        a.x + b.x + c.x + d.x + e.x + f.x + g.x + h.x = 0";

    #[test]
    fn time_has_an_end() {
        let connection = limited(Duration::ZERO);
        let failed = connection.query_row(LONG, [], |_| Ok(())).unwrap_err();
        assert_eq!(
            failed.sqlite_error_code(),
            Some(ErrorCode::OperationInterrupted)
        );
    }

    #[test]
    fn only_what_is_needed_is_allowed() {
        let connection = limited(Duration::from_secs(60));
        for sql in [
            "SELECT printf('%.*c', 10, 'a')",
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x FROM n",
            "CREATE VIRTUAL TABLE v USING fts5(x)",
        ] {
            assert!(connection.execute_batch(sql).is_err(), "{sql}");
        }
        let long = "SELECT count(zeroblob(100000000)) FROM t";
        assert!(connection.query_row(long, [], |_| Ok(())).is_err());
        assert!(
            connection
                .query_row("SELECT count(*) FROM t", [], |_| Ok(()))
                .is_ok()
        );
    }
}
