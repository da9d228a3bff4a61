use std::{collections::VecDeque, io::IoSlice, ops::Range, sync::Arc};

/// A piece of what is to be sent. Each owns or shares its bytes, so that a driver may hand it to the kernel and keep
/// it until the kernel is done with it.
#[derive(Debug)]
pub enum Chunk<F> {
    /// Heads, and bodies so small that copying them is cheaper than a second slice.
    Copied(Vec<u8>, Range<usize>),
    /// A part of a body that a cache holds too.
    Shared(Arc<[u8]>, Range<usize>),
    /// A part of a file; the model sends it in its own way.
    File(F, Range<u64>),
}

impl<F> Chunk<F> {
    /// How many bytes of it are to be sent.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Copied(_, range) | Self::Shared(_, range) => range.len() as u64,
            Self::File(_, range) => range.end - range.start,
        }
    }
}

/// What a connection has to send, in order.
///
/// A worker lends one to each connection in turn; a connection keeps it only while the client is slower than we are.
#[derive(Debug)]
pub struct Outbox<F> {
    chunks: VecDeque<Chunk<F>>,
    /// The buffer of a [`Chunk::Copied`] that was sent, ready to be filled again.
    spare: Vec<u8>,
}

impl<F> Default for Outbox<F> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), spare: Vec::new() }
    }
}

/// How many slices one call may send.
const SLICES: usize = 8;
/// Past these a connection parses no further request before what it has answered is on its way.
const FULL_BYTES: usize = 256 * 1024;
const FULL_CHUNKS: usize = 16;

impl<F> Outbox<F> {
    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether it holds so much that no more should be answered before some of it is sent.
    pub(crate) fn is_full(&self) -> bool {
        // A connection holds one file open at most, however many its client has asked for.
        if self.chunks.len() >= FULL_CHUNKS || matches!(self.chunks.back(), Some(Chunk::File(..))) {
            return true;
        }
        // Of a shared body the cache may let go, and then only the outbox holds it.
        let held = self.chunks.iter().map(|chunk| match chunk {
            Chunk::Copied(bytes, _) => bytes.len(),
            Chunk::Shared(bytes, _) => bytes.len(),
            Chunk::File(..) => 0,
        });
        held.sum::<usize>() >= FULL_BYTES
    }

    /// Appends bytes that `write` writes to the end of the buffer it is given. It may only append.
    pub(crate) fn copy(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !matches!(self.chunks.back(), Some(Chunk::Copied(..))) {
            self.chunks.push_back(Chunk::Copied(std::mem::take(&mut self.spare), 0..0));
        }
        if let Some(Chunk::Copied(bytes, range)) = self.chunks.back_mut() {
            write(bytes);
            range.end = bytes.len();
        }
    }

    pub(crate) fn share(&mut self, bytes: &Arc<[u8]>, range: Range<usize>) {
        if !range.is_empty() {
            self.chunks.push_back(Chunk::Shared(Arc::clone(bytes), range));
        }
    }

    pub(crate) fn file(&mut self, file: F, range: Range<u64>) {
        if !range.is_empty() {
            self.chunks.push_back(Chunk::File(file, range));
        }
    }

    /// The bytes at the front, up to the first file, for one `writev`. Empty if a file is at the front.
    #[must_use]
    pub fn slices(&self) -> Slices<'_> {
        let mut slices = Slices { slices: [IoSlice::new(&[]); SLICES], length: 0 };
        for (slot, chunk) in slices.slices.iter_mut().zip(&self.chunks) {
            *slot = match chunk {
                Chunk::Copied(bytes, range) => IoSlice::new(&bytes[range.clone()]),
                Chunk::Shared(bytes, range) => IoSlice::new(&bytes[range.clone()]),
                Chunk::File(..) => break,
            };
            slices.length += 1;
        }
        slices
    }

    /// The file at the front and which part of it is still to be sent, if a file is at the front.
    #[must_use]
    pub fn front_file(&self) -> Option<(&F, Range<u64>)> {
        match self.chunks.front() {
            Some(Chunk::File(file, range)) => Some((file, range.clone())),
            _ => None,
        }
    }

    /// Whether more follows behind the [`slices`](Self::slices): then a driver asks the kernel to hold back an
    /// incomplete segment (`MSG_MORE`), because a head that travels alone meets Nagle's algorithm.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.chunks.iter().take(SLICES + 1).any(|chunk| matches!(chunk, Chunk::File(..)))
    }

    /// Drops the first `sent` bytes: they are on their way. More than there is empties it.
    pub fn written(&mut self, sent: usize) {
        let mut left = sent as u64;
        while let Some(chunk) = self.chunks.front_mut() {
            let remaining = match chunk {
                Chunk::Copied(_, range) | Chunk::Shared(_, range) => {
                    let step = usize::try_from(left).map_or(range.len(), |left| left.min(range.len()));
                    range.start += step;
                    left -= step as u64;
                    range.len() as u64
                }
                Chunk::File(_, range) => {
                    let step = left.min(range.end - range.start);
                    range.start += step;
                    left -= step;
                    range.end - range.start
                }
            };
            if remaining > 0 {
                return;
            }
            if let Some(Chunk::Copied(mut bytes, _)) = self.chunks.pop_front() {
                bytes.clear();
                self.spare = bytes;
            }
        }
    }

    /// Takes the chunk at the front, for a driver that owns what it sends until the kernel has completed it. Such a
    /// driver sends the whole of it before it asks for the next.
    pub fn take(&mut self) -> Option<Chunk<F>> {
        self.chunks.pop_front()
    }
}

/// Slices for one vectored write.
pub struct Slices<'a> {
    slices: [IoSlice<'a>; SLICES],
    length: usize,
}

impl<'a> std::ops::Deref for Slices<'a> {
    type Target = [IoSlice<'a>];

    fn deref(&self) -> &Self::Target {
        &self.slices[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Outbox<&'static str> {
        let mut outbox = Outbox::default();
        outbox.copy(|bytes| bytes.extend_from_slice(b"head"));
        outbox.share(&Arc::from(*b"0123456789"), 2..8);
        outbox.file("file", 10..20);
        outbox.copy(|bytes| bytes.extend_from_slice(b"next"));
        outbox
    }

    #[test]
    fn slices_stop_at_a_file() {
        let mut outbox = filled();
        assert_eq!(outbox.slices().iter().map(|slice| slice.to_vec()).collect::<Vec<_>>(), [&b"head"[..], b"234567"]);
        assert!(outbox.has_file());
        outbox.written(6);
        assert_eq!(outbox.slices().iter().map(|slice| slice.to_vec()).collect::<Vec<_>>(), [b"4567"]);
        outbox.written(4);
        assert!(outbox.slices().is_empty());
        assert_eq!(outbox.front_file(), Some((&"file", 10..20)));
        outbox.written(9);
        assert_eq!(outbox.front_file(), Some((&"file", 19..20)));
        outbox.written(3);
        assert_eq!(outbox.slices().iter().map(|slice| slice.to_vec()).collect::<Vec<_>>(), [b"xt"]);
        outbox.written(100);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_buffer_that_was_sent_is_filled_again() {
        let mut outbox = Outbox::<()>::default();
        outbox.copy(|bytes| bytes.extend_from_slice(&[b'x'; 1000]));
        let at = outbox.slices()[0].as_ptr();
        outbox.written(1000);
        outbox.copy(|bytes| bytes.extend_from_slice(b"again"));
        assert_eq!(outbox.slices()[0].as_ptr(), at);
    }

    #[test]
    fn chunks_can_be_taken_whole() {
        let mut outbox = filled();
        outbox.written(5);
        let kinds = std::iter::from_fn(|| outbox.take()).map(|chunk| match chunk {
            Chunk::Copied(bytes, range) => bytes[range].to_vec(),
            Chunk::Shared(bytes, range) => bytes[range].to_vec(),
            Chunk::File(name, range) => format!("{name} {range:?}").into_bytes(),
        });
        assert_eq!(kinds.collect::<Vec<_>>(), [&b"34567"[..], b"file 10..20", b"next"]);
        assert!(outbox.is_empty());
    }
}
