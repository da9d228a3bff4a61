//! Whether what is to be sent is in memory, and how it gets there: for models whose workers must not wait for the disk.
//!
//! `sendfile` has no way to say that it would have to wait, and waits. So a model that serves others meanwhile asks
//! first, and has [`read_in`] done where waiting harms nobody.

use crate::{
    open_files::OpenFile,
    sending::{FILE_PART, next_part},
};
use protocol::Outbox;
use rustix::{
    fs::{Advice, fadvise},
    io::{Errno, ReadWriteFlags, pread, preadv2},
};
use site::{cannot_tell, is_without_disk};
use std::{io::IoSliceMut, num::NonZeroU64, ops::Range};

/// How many threads may wait for the disk on behalf of the workers, in all models that have such threads: so the number
/// is none of the differences between them.
pub const DISK_THREADS: usize = 8;

/// Whether sending what is at the front of the outbox would have to wait for the disk, as far as the kernel tells.
///
/// It tells by trying to read a byte here and there (`RWF_NOWAIT`, preadv2(2)). The kernel reads files in and forgets
/// them in runs of pages, so a part that is there at its beginning, at its end and at several places between is almost
/// certainly there as a whole; if it is not, sending waits for the missing pages as it always did. cachestat(2) would
/// answer for every page with one call, but came only with Linux 6.5. Where nobody can tell (on overlayfs, in some
/// sandboxes), a file counts as one that has to be waited for, unless it is on no disk.
#[must_use]
pub fn must_be_read_in(outbox: &Outbox<OpenFile>) -> bool {
    let Some((file, part)) = next_part(outbox) else { return false };
    for offset in probes(part) {
        match preadv2(file, &mut [IoSliceMut::new(&mut [0])], offset, ReadWriteFlags::NOWAIT) {
            Err(Errno::AGAIN) => return true,
            Err(errno) if cannot_tell(errno) => return !is_without_disk(file),
            // Of other failures, and of a file that has become shorter, sending will tell.
            Ok(_) | Err(_) => {}
        }
    }
    false
}

/// Where a part is looked at: at most this far from each other, and at its last byte.
fn probes(part: Range<u64>) -> impl Iterator<Item = u64> {
    const APART: usize = 128 * 1024;
    let last = part.end.checked_sub(1);
    part.step_by(APART).chain(last)
}

/// Reads what is to be sent next into the kernel's memory; waits for the disk. It asks for the part behind it as well,
/// which then is on its way while this one is sent.
pub fn read_in(outbox: &Outbox<OpenFile>) {
    const PIECE: usize = 64 * 1024;
    let Some((file, part)) = next_part(outbox) else { return };
    // A file system that takes no advice reads nonetheless.
    let _ = fadvise(file, part.start, NonZeroU64::new(2 * FILE_PART), Advice::WillNeed);
    let mut piece = vec![0; PIECE];
    let mut offset = part.start;
    while offset < part.end {
        let length = usize::try_from(part.end - offset).map_or(PIECE, |left| left.min(PIECE));
        match pread(file, &mut piece[..length], offset) {
            Ok(read @ 1..) => offset += read as u64,
            Err(Errno::INTR) => {}
            // Sending will tell the same.
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_looked_at_in_many_places() {
        let probes = |part| probes(part).collect::<Vec<_>>();
        assert_eq!(probes(0..1), [0, 0]);
        assert_eq!(probes(5..200_000), [5, 131_077, 199_999]);
        assert_eq!(probes(0..FILE_PART), [0, 131_072, 262_144, 393_216, 524_287]);
    }
}
