//! What an update of a stream may change.

use crate::config::policies::{Discard, Retention};
use crate::config::stream::StreamConfig;
use crate::config::stream_check::{StreamContext, first_that_applies, invalid};
use crate::error::{ApiError, ErrorKind};
use crate::nanos::Nanos;

impl StreamConfig {
    /// What `self` becomes when it is to be `wanted`, or why it cannot. An update replaces the whole
    /// configuration: what it leaves out goes back to its default.
    ///
    /// `self` is in normal form, and so is the result.
    pub fn updated(&self, wanted: &Self, context: &StreamContext<'_>) -> Result<Self, ApiError> {
        let mut new = wanted.normalized(context)?;
        if new.name != self.name {
            return Err(invalid("stream configuration name must match original"));
        }
        if new.num_replicas > 1 {
            return Err(ErrorKind::StreamReplicasNotSupported.into());
        }
        let retention_differs = new.retention != self.retention;
        let has_work_queue = [new.retention, self.retention].contains(&Retention::WorkQueue);
        first_that_applies(&[
            (
                new.storage != self.storage,
                "stream configuration update can not change storage type",
            ),
            (
                retention_differs && has_work_queue,
                "stream configuration update can not change retention policy to/from workqueue",
            ),
            (
                self.sealed && !new.sealed,
                "stream configuration update can not unseal a sealed stream",
            ),
            (
                self.deny_delete && !new.deny_delete,
                "stream configuration update can not cancel deny message deletes",
            ),
            (
                self.deny_purge && !new.deny_purge,
                "stream configuration update can not cancel deny purge",
            ),
        ])?;
        // A mirror may lose its origin: then it is a stream of its own.
        if new.mirror.is_some() && new.mirror != self.mirror {
            return Err(ErrorKind::StreamMirrorNotUpdatable.into());
        }
        new.check_discard_per_subject()?;
        first_that_applies(&[
            (
                self.allow_msg_ttl && !new.allow_msg_ttl,
                "message TTL status can not be disabled",
            ),
            (
                self.allow_msg_counter != new.allow_msg_counter,
                "stream configuration update can not change message counter setting",
            ),
            (
                self.allow_msg_schedules && !new.allow_msg_schedules,
                "message schedules can not be disabled",
            ),
            (
                self.persist_mode != new.persist_mode,
                "stream configuration update can not change persist mode",
            ),
        ])?;
        if new.sealed {
            new.max_age = Nanos::ZERO;
            new.discard = Discard::New;
            new.deny_delete = true;
            new.deny_purge = true;
            new.allow_rollup_hdrs = false;
        }
        Ok(new)
    }
}
