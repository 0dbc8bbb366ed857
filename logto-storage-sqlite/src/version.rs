//! Which state a session is in, so that a write finds out whether somebody came between.

use rusqlite::Connection;

/// The state of a session that nobody has locked: the number that it has and the count of its changes;
/// nothing of one that is not there. A state that was left does not come back, but that of being nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(Option<(i64, i64)>);

impl Version {
    /// `None` if a process has the session locked.
    pub(crate) fn find(
        connection: &Connection,
        session: &[u8; 32],
    ) -> rusqlite::Result<Option<Self>> {
        let (number, changes, is_locked): (Option<i64>, Option<i64>, bool) = connection
            .prepare_cached(
                "SELECT (SELECT number FROM sessions WHERE digest = ?1),
                        (SELECT changes FROM sessions WHERE digest = ?1),
                        EXISTS (SELECT 1 FROM leases WHERE digest = ?1)",
            )?
            .query_row([session], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok((!is_locked).then_some(Self(number.zip(changes))))
    }
}
