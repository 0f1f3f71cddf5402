//! How a line of the table becomes a value of [`ErrorKind`](super::ErrorKind).

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What clients switch on.
    pub err_code: u16,
    /// The class of the error, as HTTP counts.
    pub code: u16,
    /// The text, with `{err}` and its like where a case fills something in.
    pub template: &'static str,
}

/// Makes the enum and the look-ups from lines `err_code code Name "template";`.
macro_rules! entries {
    ($($err_code:literal $code:literal $name:ident $template:literal;)*) => {
        /// What went wrong, named.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ErrorKind {
            $(
                #[doc = $template]
                $name = $err_code,
            )*
        }

        impl ErrorKind {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its line of the table.
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$name => Entry { err_code: $err_code, code: $code, template: $template },)*
                }
            }
        }
    };
}

pub(super) use entries;
