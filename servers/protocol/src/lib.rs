//! HTTP/1.1 for a file server, with no input and no output of its own.
//!
//! There is no socket in here, no file system, no thread, no clock and no `async`: a [`Connection`] is a value that
//! is fed bytes and asked what it wants next. Whoever does the I/O is its *driver*; each concurrency model of this
//! workspace is one, and so are the tests.
//!
//! # Driving a connection
//!
//! ```
//! use protocol::{Connection, Content, Document, Fields, Found, Moment, Outbox, Settings, Want};
//! use std::{sync::Arc, time::{Instant, SystemTime}};
//!
//! let at = Moment::new(Instant::now(), SystemTime::now());
//! let mut connection = Connection::new(Arc::new(Settings::default()), &at);
//! let mut outbox = Outbox::<()>::default();
//! let mut input: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
//!
//! // The connection parses what it was given and says what it wants …
//! assert_eq!(connection.advance(&mut input, &mut outbox, &at), Want::Lookup);
//! assert_eq!(connection.target().path(), b"hello.txt");
//!
//! // … its driver finds the file, wherever and however it likes, and answers …
//! let bytes: Arc<[u8]> = Arc::from(*b"Hello!\n");
//! let fields = Fields::new(b"hello.txt", 7, SystemTime::UNIX_EPOCH, "0", at.wall());
//! let document = Document { fields: &fields, content: Content::Memory(&bytes) };
//! connection.answer(Ok(Found::Document(document)), &mut outbox, &at);
//!
//! // … and sends what the outbox holds.
//! assert_eq!(connection.advance(&mut input, &mut outbox, &at), Want::Write);
//! let sent = outbox.slices().iter().map(|slice| slice.len()).sum::<usize>();
//! outbox.written(sent);
//! connection.progressed(sent as u64, &at);
//! assert_eq!(connection.advance(&mut input, &mut outbox, &at), Want::Read);
//! ```
//!
//! The methods of [`Connection`] fall into three groups:
//!
//! - **asking**: [`advance`](Connection::advance) is called whenever anything may have changed (bytes came, bytes
//!   went, a deadline passed), until it wants something that has to be waited for;
//! - **telling**: [`answer`](Connection::answer), [`progressed`](Connection::progressed),
//!   [`end_of_input`](Connection::end_of_input), [`file_failed`](Connection::file_failed) and
//!   [`last_response`](Connection::last_response) say what happened outside;
//! - **looking**: [`target`](Connection::target), [`deadline`](Connection::deadline) and
//!   [`finished`](Connection::finished).
//!
//! # What holds for every driver
//!
//! - However the input is cut into pieces and however short the writes fall, the bytes sent are the same.
//! - No input makes a connection panic or grow past its [`Limits`].
//! - A connection that waits for its next request holds no buffer: the driver lends one for the time of a turn and
//!   [keeps](Connection::keep) the unread tail of the input only if there is one.
#![forbid(unsafe_code)]

mod clock;
mod conditions;
mod connection;
mod document;
mod entity_tag;
mod exchange;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod http_date;
mod moment;
mod outbox;
mod range;
mod request;
mod response;
mod settings;
mod status;
mod target;

pub use connection::{Connection, Want};
pub use document::{Content, Document, Fields, Found, Refusal};
pub use exchange::Exchange;
pub use moment::Moment;
pub use outbox::{Chunk, Outbox, Slices};
pub use settings::{Limits, Settings};
pub use status::Status;
pub use target::{Target, TargetError};
