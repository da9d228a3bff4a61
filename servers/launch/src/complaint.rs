use std::{
    fmt::Display,
    io::Write as _,
    sync::{
        OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
};

/// Tells on standard error what went wrong, without ever waiting or failing: a thread of its own writes it, and what
/// comes faster than that thread can write is dropped. So whoever reads standard error, or does not, stops no server.
pub fn complain(message: impl Display) {
    static QUEUE: OnceLock<Option<SyncSender<String>>> = OnceLock::new();
    /// Complaints that may wait to be written.
    const WAITING: usize = 64;

    let queue = QUEUE.get_or_init(|| {
        let (queue, complaints) = sync_channel::<String>(WAITING);
        let write = move || complaints.iter().for_each(|complaint| tell(&complaint));
        std::thread::Builder::new().name("complaints".to_owned()).spawn(write).ok().map(|_| queue)
    });
    if let Some(queue) = queue {
        let _ = queue.try_send(message.to_string());
    }
}

/// Writes to standard error at once, if anybody reads it: the last words of a program.
pub(crate) fn tell(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
