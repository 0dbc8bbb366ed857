//! How long a session lives unused, in what is sent to the server.

use std::time::Duration;

use logto_core::IdleLifetime;

/// No lifetime and no lease is longer.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How much longer than the session an index has it: a tenth, and this.
const SLACK: i64 = 60 * 60 * 1000;

/// How long a session lives unused. By the server's clock, and by one of the caller's too if there
/// is one. Times are in milliseconds.
pub(crate) struct Lifetime {
    pub(crate) millis: i64,
    /// For how long an index has a session that is put into it.
    pub(crate) index_span: i64,
    pub(crate) clock: Option<IdleLifetime>,
}

/// A duration as it is sent: 100 years at most.
pub(crate) fn millis_of(duration: Duration) -> i64 {
    duration.min(LONGEST).as_millis() as i64
}

impl Lifetime {
    pub(crate) fn new(lifetime: Duration, clock: Option<IdleLifetime>) -> Self {
        let millis = millis_of(lifetime);
        Self {
            millis,
            index_span: millis + millis / 10 + SLACK,
            clock,
        }
    }

    /// Now and the oldest use of a live session, by the caller's clock; empty without one.
    pub(crate) fn times(&self) -> [String; 2] {
        let times = self.clock.as_ref().map(|idle| {
            let now = idle.now();
            [now, idle.oldest_live(now)].map(|time| time.to_string())
        });
        times.unwrap_or_default()
    }

    /// Whether a session that was used then is over by the caller's clock.
    pub(crate) fn is_over(&self, used: Option<i64>) -> bool {
        match (&self.clock, used) {
            (Some(idle), Some(used)) => idle.is_over(used, idle.now()),
            _ => false,
        }
    }

    /// Whether a read must be written down, so that it is never noted more than a twentieth of the
    /// lifetime late. `left` is what `PTTL` says.
    pub(crate) fn should_note(&self, used: Option<i64>, left: i64) -> bool {
        let by_clock = |idle: &IdleLifetime| {
            left != -2 && used.is_none_or(|used| idle.should_note(used, idle.now()))
        };
        let by_server = (0..self.millis - self.millis / 20).contains(&left);
        by_server || self.clock.as_ref().is_some_and(by_clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_noted_when_a_twentieth_is_gone() {
        let lifetime = Lifetime::new(Duration::from_secs(20), None);
        assert!(!lifetime.should_note(None, 20_000));
        assert!(!lifetime.should_note(None, 19_000));
        assert!(lifetime.should_note(None, 18_999));
        assert!(lifetime.should_note(None, 0));
        // There is nothing to be noted of, or it lives longer.
        assert!(!lifetime.should_note(None, -2));
        assert!(!lifetime.should_note(None, -1));
        assert!(!lifetime.should_note(None, 1_000_000));
    }

    #[test]
    fn the_longest_lifetime_is_a_century() {
        let lifetime = Lifetime::new(Duration::MAX, None);
        assert_eq!(lifetime.millis, LONGEST.as_millis() as i64);
        assert!(lifetime.should_note(None, 1_000));
    }
}
