use crate::open_files::OpenFile;
use protocol::Outbox;
use rustix::{
    fs::sendfile,
    net::{SendAncillaryBuffer, SendFlags, send as send_bytes, sendmsg},
};
use std::{io, ops::Range, os::fd::AsFd};

/// What came of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// So many bytes are on their way and have left the outbox.
    Bytes(u64),
    /// The file at the front ended before its time.
    FileEnded,
}

/// How much of a file is sent in one call, so that a worker with other clients gets back to them.
pub(crate) const FILE_PART: u64 = 512 * 1024;

/// The file at the front of the outbox, if one is there, and the part of it that goes out next. Parts end at multiples
/// of their length, so that what is left of one that was sent in part is not made up from the next.
pub(crate) fn next_part(outbox: &Outbox<OpenFile>) -> Option<(&OpenFile, Range<u64>)> {
    let (file, range) = outbox.front_file()?;
    let end = (range.start / FILE_PART + 1).saturating_mul(FILE_PART);
    Some((file, range.start..range.end.min(end)))
}

/// Sends from the front of the outbox with one system call: all bytes up to a file, or a part of that file.
///
/// # Errors
/// Those of send(2) and sendfile(2), `WouldBlock` among them.
pub fn send(socket: impl AsFd, outbox: &mut Outbox<OpenFile>) -> io::Result<Sent> {
    let sent = if let Some((file, part)) = next_part(outbox) {
        let mut offset = part.start;
        let count = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
        let sent = sendfile(socket, file, Some(&mut offset), count)?;
        if sent == 0 {
            return Ok(Sent::FileEnded);
        }
        sent
    } else {
        let mut flags = SendFlags::NOSIGNAL;
        if outbox.has_file() {
            // A head that leaves alone meets Nagle's algorithm at the other end; it waits for the file behind it.
            flags |= SendFlags::MORE;
        }
        let slices = outbox.slices();
        match &*slices {
            [one] => send_bytes(socket, one, flags)?,
            many => sendmsg(socket, many, &mut SendAncillaryBuffer::default(), flags)?,
        }
    };
    outbox.written(sent);
    Ok(Sent::Bytes(sent as u64))
}
