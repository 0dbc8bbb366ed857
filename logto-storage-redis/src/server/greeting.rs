//! The first words to a server: whether it is the right one.

use crate::error::{Failure, Refusal};

use super::topology::Topology;
use super::{Server, answer_of};

/// Fails at once where waiting helps nobody, and warns of a server that forgets sessions.
pub(super) fn greet(server: &Server) -> Result<(), Failure> {
    // A key as those of sessions are, for users who may have no others.
    let key = format!("{}:{{}}", server.settings.prefix);
    let deadline = server.deadline();
    server.call(&key, redis::pipe().cmd("PTTL").arg(&key), deadline)?;
    match server.call(&key, redis::pipe().cmd("INFO"), deadline) {
        Ok(answers) => judge(server, &answer_of::<String>(answers).unwrap_or_default()),
        Err(Failure::Refused(Refusal { code, .. })) => {
            log::debug!("Redis at {server:?} tells this user nothing of itself: {code}");
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

fn judge(server: &Server, info: &str) -> Result<(), Failure> {
    let value = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        let line = lines.find(|(key, _)| *key == name);
        line.map(|(_, value)| value.trim())
    };
    if let Some(policy) = value("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        log::warn!(
            "Redis at {server:?} deletes sessions when its memory is full (maxmemory-policy {policy}); set noeviction"
        );
    }
    let is_single = matches!(server.topology, Topology::Single(_));
    match (value("cluster_enabled"), value("slave_read_only")) {
        (Some("1"), _) if is_single => Err(Failure::is_cluster()),
        (_, Some("1")) if is_single => Err(Failure::Refused(Refusal {
            code: "READONLY".to_owned(),
            redirect: None,
        })),
        _ => Ok(()),
    }
}
