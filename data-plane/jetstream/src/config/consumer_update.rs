//! What an update of a consumer may change.

use crate::config::consumer::ConsumerConfig;
use crate::error::{ApiError, ErrorKind};

/// Whether somebody listens where a consumer delivers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliverySubject {
    /// Somebody does: it must stay.
    Bound,
    /// Nobody does.
    Unbound,
}

impl ConsumerConfig {
    /// Whether the consumer may become `new`. Both are in normal form.
    pub fn check_update(&self, new: &Self, delivery: DeliverySubject) -> Result<(), ApiError> {
        if self == new {
            return Ok(());
        }
        let fixed = [
            (
                self.deliver_policy != new.deliver_policy,
                "deliver policy can not be updated",
            ),
            (
                self.mem_storage != new.mem_storage,
                "storage type can not be updated",
            ),
            (self.direct != new.direct, "direct can not be updated"),
            (self.sourcing != new.sourcing, "sourcing can not be updated"),
            (
                self.opt_start_seq != new.opt_start_seq,
                "start sequence can not be updated",
            ),
            (
                self.opt_start_time != new.opt_start_time,
                "start time can not be updated",
            ),
            (self.ack_policy != new.ack_policy, "ack policy can not be updated"),
            (
                self.replay_policy != new.replay_policy,
                "replay policy can not be updated",
            ),
            (
                self.idle_heartbeat != new.idle_heartbeat,
                "heart beats can not be updated",
            ),
            (
                self.flow_control != new.flow_control,
                "flow control can not be updated",
            ),
            (
                !self.is_push() && new.is_push(),
                "can not update pull consumer to push based",
            ),
            (
                self.is_push() && !new.is_push(),
                "can not update push consumer to pull based",
            ),
        ];
        if let Some((_, reason)) = fixed.iter().find(|(differs, _)| *differs) {
            return Err(ErrorKind::ConsumerCreate.because(reason));
        }
        if self.deliver_subject != new.deliver_subject && delivery == DeliverySubject::Bound {
            return Err(ErrorKind::ConsumerNameExist.into());
        }
        if self.max_waiting != new.max_waiting {
            return Err(ErrorKind::ConsumerCreate.because("max waiting can not be updated"));
        }
        new.check_backoff()
    }
}
