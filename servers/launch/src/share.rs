/// How much may be done for one client before it is another one's turn: some calls on its socket, or some bytes sent.
///
/// A client that reads as fast as its server sends never makes it wait, and would be served alone for as long as its
/// file is.
#[derive(Debug)]
pub struct Share {
    left: u64,
}

/// Calls in a share.
const CALLS: u64 = 32;
/// Bytes that weigh as much as a call. A whole share is four mebibytes, which take less than a millisecond; with one,
/// large files cost a tenth more CPU.
const BYTES: u64 = 128 * 1024;

impl Share {
    /// A whole one.
    #[must_use]
    pub fn new() -> Self {
        Self { left: CALLS }
    }

    /// Takes so many sent bytes from it.
    pub fn sent(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes / BYTES);
    }

    /// Takes a call from it; true if nothing is left.
    pub fn is_used_up_by_a_call(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_for_some_calls_or_some_bytes() {
        let mut share = Share::new();
        let calls = (1..).find(|_| share.is_used_up_by_a_call());
        assert_eq!(calls, Some(CALLS));
        let mut share = Share::new();
        let calls = (1..).find(|_| {
            share.sent(1024 * 1024);
            share.is_used_up_by_a_call()
        });
        assert_eq!(calls, Some(4));
    }
}
