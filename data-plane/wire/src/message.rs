//! A message on its way: what a publisher sends and what subscribers get.

/// A message borrowed from a read buffer. Cheap to copy, nothing is checked but the sizes.
///
/// Headers and payload lie beside each other in one piece, as on the wire, so that a delivery with
/// headers is one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Published to. Any bytes without blanks and line ends: stock servers do not check it unless
    /// the client asked to be checked.
    pub subject: &'a [u8],
    /// Where an answer is expected.
    pub reply: Option<&'a [u8]>,
    body: &'a [u8],
    /// Never more than `body.len()`.
    header_len: usize,
}

impl<'a> Message<'a> {
    /// A message without headers.
    pub fn new(subject: &'a [u8], reply: Option<&'a [u8]>, payload: &'a [u8]) -> Self {
        Self {
            subject,
            reply,
            body: payload,
            header_len: 0,
        }
    }

    /// A message whose first `header_len` bytes of `body` are its header block; none when there are
    /// not that many bytes.
    pub fn with_headers(
        subject: &'a [u8],
        reply: Option<&'a [u8]>,
        body: &'a [u8],
        header_len: usize,
    ) -> Option<Self> {
        (header_len <= body.len()).then_some(Self {
            subject,
            reply,
            body,
            header_len,
        })
    }

    /// The header block as it was sent, with its first line and the empty line at its end.
    pub fn headers(&self) -> Option<&'a [u8]> {
        (self.header_len > 0).then(|| &self.body[..self.header_len])
    }

    /// What the application sent.
    pub fn payload(&self) -> &'a [u8] {
        &self.body[self.header_len..]
    }

    /// Headers and payload in one piece.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// How many bytes of the body are headers.
    pub fn header_len(&self) -> usize {
        self.header_len
    }

    /// The same message for a receiver that may not understand headers: then they are left out.
    pub fn for_receiver(self, understands_headers: bool) -> Self {
        if understands_headers {
            return self;
        }
        Self {
            body: self.payload(),
            header_len: 0,
            ..self
        }
    }
}
