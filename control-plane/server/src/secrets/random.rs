//! The one source of random bytes of the control plane.

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

/// Bytes of every secret we make: 256 bits, 43 letters in base64url.
const SECRET_BYTES: usize = 32;

/// Random bytes of the operating system.
pub fn random_array<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

/// A fresh secret: `prefix` and 43 letters of base64url.
pub fn random_text(prefix: &str) -> Zeroizing<String> {
    let bytes = Zeroizing::new(random_array::<SECRET_BYTES>());
    // Allocated once at its full length: a text that grew would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 43));
    text.push_str(prefix);
    BASE64URL_NOPAD.encode_append(bytes.as_slice(), &mut text);
    text
}
