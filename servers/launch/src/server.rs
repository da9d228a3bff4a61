use crate::{
    AccessLog, Connections, Documents, Error, Options, Stop, complain, complaint, listener, open_files, shared_port,
};
use clap::{CommandFactory as _, FromArgMatches as _};
use protocol::Settings;
use site::Site;
use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd as _,
    process::ExitCode,
    sync::Arc,
};

/// What a concurrency model says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// Its name, which is also its program's.
    pub name: &'static str,
    /// One line about it for `--help`.
    pub about: &'static str,
    /// Its threads of a fixed number.
    pub workers: Workers,
}

/// The threads of a fixed number that serve connections, and what they need descriptors for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// There are none: `--workers` is refused.
    None,
    /// Each serves one connection at a time.
    OneConnectionEach,
    /// Each serves many connections.
    ManyConnectionsEach {
        /// Descriptors that each worker has open for itself, such as its listener.
        descriptors: usize,
    },
}

/// All that a model needs to serve.
#[derive(Debug)]
pub struct Server {
    model: Model,
    /// The command line.
    pub options: Options,
    /// What the protocol grants to clients.
    pub settings: Arc<Settings>,
    /// The document root.
    pub documents: Documents,
    /// Where responses are logged.
    pub log: AccessLog,
    /// The open connections.
    pub connections: Connections,
    /// Whether to end.
    pub stop: Stop,
}

/// The whole program of a model: reads the command line, prepares a [`Server`], lets the model run it, and ends with
/// a fitting exit code: 0 if all went well, 1 if something was refused, 2 if the command line was wrong.
#[must_use]
pub fn main(model: Model, run: impl FnOnce(Arc<Server>) -> Result<(), Error>) -> ExitCode {
    let command = Options::command().name(model.name).about(model.about);
    let options = match command.try_get_matches().and_then(|matches| Options::from_arg_matches(&matches)) {
        Ok(options) => options,
        // Help and the version are no errors.
        Err(error) if error.exit_code() == 0 => error.exit(),
        Err(error) => {
            let message = error.to_string();
            let words: Vec<&str> = message.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            let sentence = words.join(" ").trim_start_matches("error: ").to_owned();
            complaint::tell(&format!("{}: {sentence}; see --help", model.name));
            return ExitCode::from(2);
        }
    };
    match Server::new(model, options).and_then(|server| {
        let log = server.log.clone();
        run(Arc::new(server))?;
        log.finish();
        Ok(())
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complaint::tell(&format!("{}: {error}", model.name));
            ExitCode::from(error.exit_code())
        }
    }
}

impl Server {
    fn new(model: Model, options: Options) -> Result<Self, Error> {
        options.check(&model)?;
        #[cfg(feature = "burn")]
        crate::burn::set(options.slow_down());
        open_files::raise_limit();
        let limit = open_files::limit();
        let shares = options.shares(&model, limit);
        if !shares.fit() {
            complain(format_args!(
                "{}: the limit of {limit} open files is too low for --max-connections {} and {} files that are sent at the \
                 same time: without a free descriptor accepting pauses and files that are not cached get 503; raise the \
                 limit (ulimit -n)",
                model.name, shares.connections, shares.files
            ));
        }
        let documents = Documents::new(Site::new(&options.root, options.site())?, shares.files);
        let connections = Connections::new(shares.connections);
        let log = match std::io::stdout().as_fd().try_clone_to_owned() {
            // Past the buffer of the standard library, which would hold back what could not be written.
            Ok(stdout) => AccessLog::new(File::from(stdout), options.quiet).map_err(Error::system("start a thread"))?,
            // It was closed before we began: there is nobody to read a log.
            Err(_) => AccessLog::nowhere(),
        };
        let stop = Stop::default();
        let unfinished = log.clone();
        stop.watch_signals(options.grace, move || {
            unfinished.finish();
            std::process::exit(0);
        })?;
        let settings = Arc::new(options.settings());
        Ok(Self { model, options, settings, documents, log, connections, stop })
    }

    /// The one listener of a model in which one thread blocks in [`accept`](crate::accept). It stops listening when
    /// the server stops.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub fn listen(&self) -> Result<TcpListener, Error> {
        let listener = listener::bind(self.options.socket_address())?;
        let waiting = listener.try_clone().map_err(Error::system("duplicate the listener"))?;
        self.stop.on_stop(move || listener::wake(waiting));
        Ok(listener)
    }

    /// A listener for each worker, among which the system spreads the connections. Other processes of the same user may join
    /// them, which is noticed and told; a single listener does not share its port.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub fn listen_shared(&self, count: usize) -> Result<Vec<TcpListener>, Error> {
        if count == 1 {
            return Ok(vec![listener::bind(self.options.socket_address())?]);
        }
        let listeners = listener::bind_shared(self.options.socket_address(), count)?;
        shared_port::watch(&listeners, self.stop.clone());
        Ok(listeners)
    }

    /// Tells on standard output that connections are accepted now. It is the first line there; whether anybody reads it
    /// is not waited for.
    pub fn ready(&self, address: SocketAddr) {
        let name = self.model.name;
        if rustix::process::geteuid().is_root() {
            complaint::tell(&format!(
                "{name}: runs as root, so a fault in it would have all rights; start it as a user who may only read the files"
            ));
        }
        self.log.begin(&match (self.model.workers != Workers::None, self.options.worker_count()) {
            (false, _) => format!("listening on http://{address} ({name})"),
            (true, 1) => format!("listening on http://{address} ({name}, 1 worker)"),
            (true, workers) => format!("listening on http://{address} ({name}, {workers} workers)"),
        });
    }
}
