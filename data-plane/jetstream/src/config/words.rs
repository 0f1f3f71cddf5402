//! Settings that are one word out of a few.

/// Makes an enum whose values are words on the wire.
macro_rules! words {
    (
        $(#[$about:meta])*
        pub enum $name:ident, refused as $refusal:expr, {
            $($(#[$value_about:meta])* $value:ident = $word:literal $(or $alias:literal)?,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_about])* $value,)*
        }

        impl $name {
            const WORDS: &'static [(&'static str, Self)] =
                &[$(($word, Self::$value), $(($alias, Self::$value),)?)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)*
                }
            }

            pub(crate) fn read(
                &mut self,
                node: &crate::json::Node<'_>,
            ) -> Result<(), crate::json::JsonError> {
                crate::json::enumeration(self, node, Self::WORDS, $refusal)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

/// What most words are refused with.
pub(crate) fn can_not_unmarshal(written: &str) -> String {
    format!("can not unmarshal {}", crate::json::quoted(written))
}
