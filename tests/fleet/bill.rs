//! What an account is billed.

use serde_json::Value;
use tollway_tests::{Account, Api, eventually};

/// Messages and bytes in both directions, and connections: what the API bills, or what a test counted itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bill {
    pub(crate) messages_in: u64,
    pub(crate) bytes_in: u64,
    pub(crate) messages_out: u64,
    pub(crate) bytes_out: u64,
    pub(crate) connections: u64,
}

impl Bill {
    /// The bill of the last day. Checks that the hours make up the total.
    pub(crate) async fn of(api: &Api, account: &Account) -> Self {
        let usage = api.get(&format!("/v1/accounts/{}/usage", account.id)).await;
        let mut sum = Self::default();
        for hour in usage["hours"].as_array().expect("a list of hours") {
            let hour = Self::read(&hour["usage"]);
            sum.messages_in += hour.messages_in;
            sum.bytes_in += hour.bytes_in;
            sum.messages_out += hour.messages_out;
            sum.bytes_out += hour.bytes_out;
            sum.connections += hour.connections;
        }
        assert_eq!(sum, Self::read(&usage["total"]), "the hours make up the total");
        sum
    }

    fn read(totals: &Value) -> Self {
        let number = |name: &str| totals[name].as_u64().expect("a number");
        Self {
            messages_in: number("messages_in"),
            bytes_in: number("bytes_in"),
            messages_out: number("messages_out"),
            bytes_out: number("bytes_out"),
            connections: number("connections_opened"),
        }
    }

    /// A message of this many bytes (subject, reply, headers and payload) was sent, and given to so many clients.
    pub(crate) fn count(&mut self, bytes: usize, receivers: u64) {
        self.messages_in += 1;
        self.bytes_in += bytes as u64;
        self.messages_out += receivers;
        self.bytes_out += bytes as u64 * receivers;
    }

    /// Nothing in this bill is more than in the other.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.messages_in <= other.messages_in
            && self.bytes_in <= other.bytes_in
            && self.messages_out <= other.messages_out
            && self.bytes_out <= other.bytes_out
            && self.connections <= other.connections
    }

    /// Waits until the account is billed exactly this; at no time more.
    pub(crate) async fn becomes(&self, api: &Api, account: &Account) {
        let mut last = Self::default();
        let what = format!("the bill becomes {self:?}");
        eventually(&what, async || {
            let billed = Self::of(api, account).await;
            assert!(billed.is_within(self), "billed {billed:?}, used {self:?}");
            assert!(
                last.is_within(&billed),
                "the bill went from {last:?} to {billed:?}"
            );
            last = billed;
            (billed == *self).then_some(())
        })
        .await;
    }
}
