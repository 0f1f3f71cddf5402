//! What is counted.

/// Meters of one account. Bytes are those of header blocks and payloads,
/// without the framing of the protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MeterTotals {
    /// Messages accepted from the account's clients.
    pub messages_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages written towards the account's clients.
    pub messages_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Connections that were opened.
    pub connections_opened: u64,
}

impl MeterTotals {
    /// Nothing counted.
    pub const ZERO: Self = Self {
        messages_in: 0,
        bytes_in: 0,
        messages_out: 0,
        bytes_out: 0,
        connections_opened: 0,
    };

    /// What was counted after `earlier` up to these totals. A meter that went
    /// down counted nothing: usage never shrinks.
    pub fn since(&self, earlier: &Self) -> Self {
        self.zip(earlier, u64::saturating_sub)
    }

    /// Adds what was counted elsewhere. Stops at the greatest number instead of beginning again.
    pub fn accumulate(&mut self, more: &Self) {
        *self = self.zip(more, u64::saturating_add);
    }

    /// The greater of each meter: what to keep of two reports of the same thing.
    pub fn greatest(&self, other: &Self) -> Self {
        self.zip(other, u64::max)
    }

    fn zip(&self, other: &Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            messages_in: combine(self.messages_in, other.messages_in),
            bytes_in: combine(self.bytes_in, other.bytes_in),
            messages_out: combine(self.messages_out, other.messages_out),
            bytes_out: combine(self.bytes_out, other.bytes_out),
            connections_opened: combine(self.connections_opened, other.connections_opened),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_never_goes_below_zero_and_sums_never_wrap() {
        let low = MeterTotals {
            messages_in: 1,
            bytes_in: u64::MAX,
            ..MeterTotals::ZERO
        };
        let high = MeterTotals {
            messages_in: 5,
            bytes_in: 7,
            ..MeterTotals::ZERO
        };
        assert_eq!(
            high.since(&low),
            MeterTotals {
                messages_in: 4,
                ..MeterTotals::ZERO
            }
        );
        let mut sum = low;
        sum.accumulate(&high);
        assert_eq!((sum.messages_in, sum.bytes_in), (6, u64::MAX));
    }
}
