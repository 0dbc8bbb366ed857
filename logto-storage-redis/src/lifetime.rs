//! How long a session lives unused, in what is sent to the server.

use std::time::Duration;

use logto_core::IdleLifetime;
use redis::{FromRedisValue, ParsingError, Value};

/// Longer lifetimes have no end.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How much longer than the session an index has it: a tenth, and this.
const SLACK: i64 = 60 * 60 * 1000;

/// For an entry without end, 1000 years: its end is a number like any other's.
const ENDLESS: i64 = 1000 * 365 * 24 * 60 * 60 * 1000;

/// How long a session lives unused. By the server's clock, and by one of the caller's too if there
/// is one. Times are in milliseconds.
pub(crate) struct Lifetime {
    /// `None` has no end.
    millis: Option<i64>,
    clock: Option<IdleLifetime>,
    /// The lifetime, or nothing, as an argument of scripts.
    pub(crate) argument: String,
    /// How long the index must have a session that is used, and how long it has one that is put into it
    /// then, parted by a blank.
    pub(crate) index_times: String,
    /// For how long the index has it then.
    pub(crate) index_span: String,
    pub(crate) index_is_endless: &'static str,
}

/// Now and the oldest use of a live session, by the caller's clock; empty without one.
#[derive(Default)]
pub(crate) struct Times {
    pub(crate) now: String,
    pub(crate) oldest: String,
}

/// What `PTTL` says.
#[derive(Clone, Copy)]
pub(crate) struct TimeLeft(pub(crate) i64);

impl Lifetime {
    pub(crate) fn new(lifetime: Duration, clock: Option<IdleLifetime>) -> Self {
        let millis = (lifetime <= LONGEST).then_some(lifetime.as_millis() as i64);
        let text = |millis: Option<i64>| millis.map_or(String::new(), |millis| millis.to_string());
        Self {
            millis,
            clock,
            argument: text(millis),
            index_times: format!("{} {}", index_need(millis), index_span(millis)),
            index_span: index_span(millis).to_string(),
            index_is_endless: if millis.is_none() { "1" } else { "0" },
        }
    }

    /// For how long an index has a session that is put into it.
    pub(crate) fn index_span(&self) -> i64 {
        index_span(self.millis)
    }

    pub(crate) fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    pub(crate) fn times(&self) -> Times {
        let Some(idle) = &self.clock else {
            return Times::default();
        };
        let now = idle.now();
        Times {
            now: now.to_string(),
            oldest: idle.oldest_live(now).to_string(),
        }
    }

    /// Whether a session that was used then is over by the caller's clock.
    pub(crate) fn is_over(&self, used: Option<i64>) -> bool {
        match (&self.clock, used) {
            (Some(idle), Some(used)) => idle.is_over(used, idle.now()),
            _ => false,
        }
    }

    /// Whether a read must be written down, so that it is never noted more than a twentieth of the
    /// lifetime late.
    pub(crate) fn should_note(&self, used: Option<i64>, left: TimeLeft) -> bool {
        if left.is_of_nothing() {
            return false;
        }
        let by_clock = self
            .clock
            .as_ref()
            .is_some_and(|idle| used.is_none_or(|used| idle.should_note(used, idle.now())));
        by_clock || left.is_less_than(self.millis.map(|millis| millis - millis / 20))
    }
}

impl FromRedisValue for TimeLeft {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        redis::from_redis_value(value).map(Self)
    }
}

impl TimeLeft {
    fn is_of_nothing(self) -> bool {
        self.0 == -2
    }

    /// `None` is more than anything.
    fn is_less_than(self, millis: Option<i64>) -> bool {
        self.0 >= 0 && millis.is_none_or(|millis| self.0 < millis)
    }
}

fn index_span(millis: Option<i64>) -> i64 {
    millis.map_or(ENDLESS, |millis| millis + millis / 10 + SLACK)
}

/// What is left of that after a twentieth of the lifetime: longer than the session lives, whatever
/// lifetime the store had that put it in.
fn index_need(millis: Option<i64>) -> i64 {
    match millis {
        Some(millis) => index_span(Some(millis)) - millis / 20,
        None => ENDLESS / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_noted_when_a_twentieth_is_gone() {
        let lifetime = Lifetime::new(Duration::from_secs(20), None);
        assert!(!lifetime.should_note(None, TimeLeft(20_000)));
        assert!(!lifetime.should_note(None, TimeLeft(19_000)));
        assert!(lifetime.should_note(None, TimeLeft(18_999)));
        assert!(lifetime.should_note(None, TimeLeft(0)));
        // There is nothing to be noted of, or it lives longer.
        assert!(!lifetime.should_note(None, TimeLeft(-2)));
        assert!(!lifetime.should_note(None, TimeLeft(-1)));
        assert!(!lifetime.should_note(None, TimeLeft(1_000_000)));
    }

    #[test]
    fn what_has_no_end_is_told_so_once() {
        for endless in [Duration::MAX, LONGEST + Duration::from_millis(1)] {
            let lifetime = Lifetime::new(endless, None);
            assert_eq!(lifetime.argument, "");
            assert_eq!(lifetime.index_is_endless, "1");
            assert!(!lifetime.should_note(None, TimeLeft(-1)));
            assert!(lifetime.should_note(None, TimeLeft(1_000)));
        }
        assert_ne!(Lifetime::new(LONGEST, None).argument, "");
    }
}
