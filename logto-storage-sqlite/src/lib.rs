//! Sessions of the Logto SDK in SQLite.
