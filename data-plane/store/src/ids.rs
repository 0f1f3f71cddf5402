//! Names of things in the log that are numbers, so that records stay short.

/// An account in this store: the store gives numbers from zero and never gives one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// A stream in this store: never given twice, also not after the stream was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// What is counted for an account. Numbers below [`Meter::FIRST_OF_CALLER`] belong to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Meter(pub u32);

impl Meter {
    /// Messages that were stored. The store counts them itself, in the batch that holds them.
    pub const STORED_MESSAGES: Self = Self(0);
    /// Bytes of subject, headers and payload of those messages.
    pub const STORED_BYTES: Self = Self(1);
    /// The first number that means what the caller says it means.
    pub const FIRST_OF_CALLER: u32 = 16;
}

/// What a stream's acknowledgement promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Durability {
    /// On the disk: fdatasync returned before the acknowledgement.
    Disk = 0,
    /// In the kernel: survives the death of the process, not of the machine.
    Os = 1,
    /// In this process alone. Nothing of such a stream is ever written.
    Memory = 2,
}

impl Durability {
    /// The level with this number in a record.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Disk),
            1 => Some(Self::Os),
            2 => Some(Self::Memory),
            _ => None,
        }
    }
}

/// Where a record is: which segment, where in it, how long with its header and padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The number of the segment; numbers grow with the log and are never given twice.
    pub segment: u32,
    /// Bytes from the beginning of the segment's file, a multiple of eight.
    pub offset: u32,
    /// Bytes of the whole record, a multiple of eight.
    pub len: u32,
}

/// A point of the log: everything before it was written earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment's number.
    pub segment: u32,
    /// Bytes from the beginning of its file.
    pub offset: u32,
}
