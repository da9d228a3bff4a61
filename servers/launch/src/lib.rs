//! What surrounds a concurrency model: flags, listeners, signals, the access log, the ready line, the exit code; and
//! the few tools that any model needs to move bytes between a socket and a [`protocol::Connection`].
//!
//! What is *not* in here is the model's own: who accepts, who waits for what, who runs the work. A model's `main`
//! hands a function to [`main`]; that function gets a [`Server`], binds its listener or listeners, says that it is
//! [ready](Server::ready), and serves until [`Stop`] says otherwise.
//!
//! - [`Inbox`] and [`send`] are the two directions of a socket, one system call each.
//! - [`Documents`] ties the document root to the protocol; [`answer`] hands over what was found.
//! - [`must_be_read_in`] and [`read_in`] keep workers that have other clients from waiting for the disk.
//! - [`Share`] keeps one client from taking all the time of a worker.
//! - [`Connections`] counts, bounds and watches the open connections.
//! - [`complain`] tells what went wrong without ever waiting; [`contain`] keeps a panic to the connection it belongs to.
//! - [`BlockingSocket`] keeps deadlines for models whose threads wait in the system call itself.
#![forbid(unsafe_code)]

mod access_log;
mod blocking_socket;
#[cfg(feature = "burn")]
mod burn;
mod clock;
mod complaint;
mod connections;
mod containment;
mod documents;
mod error;
mod inbox;
mod listener;
mod open_files;
mod options;
mod page_cache;
mod sending;
mod server;
mod share;
mod shared_port;
mod stop;

pub use access_log::AccessLog;
pub use blocking_socket::{BlockingSocket, Received};
pub use clock::Clock;
pub use complaint::complain;
pub use connections::{Connections, Presence};
pub use containment::contain;
pub use documents::{Documents, Found, answer};
pub use error::Error;
pub use inbox::Inbox;
pub use listener::{accept, concerns_one_connection};
pub use open_files::OpenFile;
pub use options::{KeepAlive, Options};
pub use page_cache::{DISK_THREADS, must_be_read_in, read_in};
pub use sending::{Sent, send};
pub use server::{Model, Server, Workers, main};
pub use share::Share;
pub use stop::Stop;
