//! The mask over what clients send. It keeps nothing secret; it only keeps proxies from taking
//! payloads for requests.

/// The four bytes of one frame's mask, and how far they are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mask {
    key: [u8; 4],
}

impl Mask {
    pub(crate) fn new(key: [u8; 4]) -> Self {
        Self { key }
    }

    /// Copies the shorter of both from `masked` to `plain` without the mask, and turns the mask for what follows.
    pub(crate) fn copy(&mut self, masked: &[u8], plain: &mut [u8]) -> usize {
        let length = masked.len().min(plain.len());
        let (masked, plain) = (&masked[..length], &mut plain[..length]);
        let [a, b, c, d] = self.key;
        let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let mut from = masked.chunks_exact(8);
        let mut to = plain.chunks_exact_mut(8);
        for (from, to) in from.by_ref().zip(to.by_ref()) {
            let word = u64::from_ne_bytes(from.try_into().expect("chunks of eight")) ^ wide;
            to.copy_from_slice(&word.to_ne_bytes());
        }
        let rest = from.remainder().iter().zip(to.into_remainder());
        for ((from, to), key) in rest.zip(self.key.iter().cycle()) {
            *to = from ^ key;
        }
        self.advance(length);
        length
    }

    /// Turns the mask for what follows so many bytes.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.key.rotate_left(bytes % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_byte_by_byte_and_at_once_are_the_same() {
        let masked: Vec<u8> = (0..=99).collect();
        let slow: Vec<u8> = masked
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ [7, 1, 200, 9][at % 4])
            .collect();
        for cut in 0..=masked.len() {
            let mut mask = Mask::new([7, 1, 200, 9]);
            let mut plain = vec![0; masked.len()];
            mask.copy(&masked[..cut], &mut plain[..cut]);
            mask.copy(&masked[cut..], &mut plain[cut..]);
            assert_eq!(plain, slow, "cut at {cut}");
        }
    }
}
