//! FakeLogto.
