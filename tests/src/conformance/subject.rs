//! The servers that are held to the rules: ours, nginx, lighttpd, or whatever listens at an address.

use std::fmt;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Examiner, Group, Outcome, Setting, Tally};
use crate::model::Model;
use crate::root::Root;
use crate::server::Server;
use crate::tool::find;
use crate::wait::eventually;

/// How long a server may take to come up.
const START: Duration = Duration::from_secs(20);

/// Whom the rules are tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One of our models, with so many workers where it has any.
    Ours(Model, u32),
    /// The nginx that is installed, set up as like ours as it can be.
    Nginx,
    /// The lighttpd that is installed, set up likewise.
    Lighttpd,
    /// Whatever listens there, and serves the suite's site. It is not ours to set up: groups that need settings are left out.
    At(SocketAddr),
}

/// Why rules cannot be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// The program is not installed.
    NotInstalled(&'static str),
    /// The server has no such setting.
    NoSetting(String),
    /// It did not come up, or died.
    DoesNotRun(String),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled(program) => write!(f, "no {program} is installed"),
            Self::NoSetting(setting) => write!(f, "no setting for {setting}"),
            Self::DoesNotRun(why) => write!(f, "it does not run: {why}"),
        }
    }
}

/// A server that listens, until it is dropped.
enum Running {
    Ours(Server),
    Child(Child),
    Other,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Child(child) = self {
            // It may have ended already, which is what this is for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(model, workers) if model.has_workers() => write!(f, "{}, {workers} workers", model.name()),
            Self::Ours(model, _) => f.write_str(model.name()),
            Self::Nginx => f.write_str("nginx"),
            Self::Lighttpd => f.write_str("lighttpd"),
            Self::At(address) => write!(f, "{address}"),
        }
    }
}

impl Subject {
    /// The subject that a command line calls `name`; models get so many workers.
    #[must_use]
    pub fn named(name: &str, workers: u32) -> Option<Self> {
        match name {
            "nginx" => Some(Self::Nginx),
            "lighttpd" => Some(Self::Lighttpd),
            name => Model::ALL.into_iter().find(|model| model.name() == name).map(|model| Self::Ours(model, workers)),
        }
    }

    /// Tries the rules of these groups on it, where it can be set up for them; a response that takes longer than
    /// `patience` is none. `root` is [furnished](super::furnish).
    ///
    /// # Errors
    /// When it cannot be started at all.
    pub fn hold_to(self, groups: &[Group], root: &Root, patience: Duration) -> Result<Tally, Unavailable> {
        let mut tally = Tally::new(self.to_string());
        // Groups without settings share one server; it is started first, so that what is not there is known at once.
        let (address, mut usual) = self.start(root, &[], false)?;
        for group in groups {
            let verdicts = if group.settings.is_empty() {
                let verdicts = Examiner::new(address, root.path(), patience).examine(group);
                usual.check().map_err(Unavailable::DoesNotRun)?;
                Ok(verdicts)
            } else {
                self.start(root, group.settings, group.slow)
                    .map(|(address, _running)| Examiner::new(address, root.path(), patience).examine(group))
            };
            match verdicts {
                Ok(verdicts) => tally.add(group, verdicts.into_iter().map(Outcome::Tried)),
                Err(Unavailable::NoSetting(setting)) => {
                    tally.add(group, group.cases.iter().map(|_| Outcome::LeftOut(format!("no setting for {setting}"))));
                }
                Err(other) => return Err(other),
            }
        }
        tally.software = Examiner::new(address, root.path(), patience).software();
        Ok(tally)
    }

    /// Starts it with these settings; `crowd` tells that many connections wait at once.
    fn start(self, root: &Root, settings: &[Setting], crowd: bool) -> Result<(SocketAddr, Running), Unavailable> {
        match self {
            Self::Ours(model, workers) => {
                let workers = if crowd { workers.max(32) } else { workers };
                let mut flags: Vec<String> = settings.iter().flat_map(|setting| flags(*setting)).collect();
                if workers == 1 && !settings.contains(&Setting::KeepAliveOff) {
                    // The only worker may still have a client who has left when the next one comes, and would then be fair
                    // to others for a second, and close what the rules want to be kept.
                    flags.extend(["--keep-alive", "pinned"].map(str::to_owned));
                }
                let server = Server::of(model).root(root).workers(workers).flags(flags).start();
                Ok((server.address(), Running::Ours(server)))
            }
            Self::Nginx => {
                let program = find("nginx").ok_or(Unavailable::NotInstalled("nginx"))?;
                let scratch = scratch(root)?;
                let port = free_port()?;
                let file = scratch.join(format!("nginx-{port}.conf"));
                write(&file, &nginx(&root.path(), &scratch, port, settings)?)?;
                let mut command = Command::new(program);
                launch(command.arg("-p").arg(&scratch).arg("-c").arg(&file), &scratch, port)
            }
            Self::Lighttpd => {
                let program = find("lighttpd").ok_or(Unavailable::NotInstalled("lighttpd"))?;
                let scratch = scratch(root)?;
                let port = free_port()?;
                let file = scratch.join(format!("lighttpd-{port}.conf"));
                write(&file, &lighttpd(&root.path(), port, settings)?)?;
                let mut command = Command::new(program);
                launch(command.arg("-D").arg("-f").arg(&file), &scratch, port)
            }
            Self::At(address) => match settings {
                [] => match TcpStream::connect_timeout(&address, START) {
                    Ok(_) => Ok((address, Running::Other)),
                    Err(error) => Err(Unavailable::DoesNotRun(error.to_string())),
                },
                [setting, ..] => Err(Unavailable::NoSetting(in_words(*setting))),
            },
        }
    }
}

impl Running {
    /// Whether it runs as before: a server that dies of a request keeps no rule.
    fn check(&mut self) -> Result<(), String> {
        let runs = match self {
            Self::Ours(server) => server.runs(),
            Self::Child(child) => matches!(child.try_wait(), Ok(None)),
            Self::Other => true,
        };
        if runs { Ok(()) } else { Err("it has died".to_owned()) }
    }
}

fn in_words(setting: Setting) -> String {
    match setting {
        Setting::HeaderTimeout(time) => format!("{time:?} to send a head"),
        Setting::IdleTimeout(time) => format!("{time:?} without a request"),
        Setting::RequestLine(bytes) => format!("a request line of {bytes} bytes"),
        Setting::HeaderBytes(bytes) => format!("a header section of {bytes} bytes"),
        Setting::Hidden => "names that start with a dot".to_owned(),
        Setting::KeepAliveOff => "one request a connection".to_owned(),
    }
}

/// A setting on the command line of our models.
fn flags(setting: Setting) -> Vec<String> {
    let flag = |name: &str, value: String| vec![name.to_owned(), value];
    match setting {
        Setting::HeaderTimeout(time) => flag("--header-timeout", format!("{}ms", time.as_millis())),
        Setting::IdleTimeout(time) => flag("--idle-timeout", format!("{}ms", time.as_millis())),
        Setting::RequestLine(bytes) => flag("--max-request-line", bytes.to_string()),
        Setting::HeaderBytes(bytes) => flag("--max-header-bytes", bytes.to_string()),
        Setting::Hidden => vec!["--hidden".to_owned()],
        Setting::KeepAliveOff => flag("--keep-alive", "off".to_owned()),
    }
}

/// The media types that the rules ask for.
const TYPES: [(&str, &str); 13] = [
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("css", "text/css"),
    ("js", "text/javascript"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("svg", "image/svg+xml"),
    ("webp", "image/webp"),
    ("ico", "image/x-icon"),
    ("json", "application/json"),
    ("gz", "application/gzip"),
];

/// An nginx as near to our rules as its settings allow: no dot files, relative redirects, one range, any later date.
fn nginx(root: &Path, scratch: &Path, port: u16, settings: &[Setting]) -> Result<String, Unavailable> {
    let (mut header, mut idle, mut hidden) = ("10s".to_owned(), "60s".to_owned(), "location ~ /\\. { return 404; }");
    for setting in settings {
        match setting {
            Setting::HeaderTimeout(time) => header = format!("{}ms", time.as_millis()),
            Setting::IdleTimeout(time) => idle = format!("{}ms", time.as_millis()),
            Setting::Hidden => hidden = "",
            Setting::KeepAliveOff => "0".clone_into(&mut idle),
            Setting::RequestLine(_) | Setting::HeaderBytes(_) => {
                return Err(Unavailable::NoSetting(in_words(*setting)));
            }
        }
    }
    let types: String = TYPES.iter().map(|(extension, kind)| format!("{kind} {extension}; ")).collect();
    let [root, scratch] = [root, scratch].map(|path| path.display().to_string());
    Ok(format!(
        "daemon off; master_process off;\n\
         pid {scratch}/nginx-{port}.pid; error_log {scratch}/nginx.log;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
         types {{ {types}application/x-shockwave-flash swf; }} default_type application/octet-stream;\n\
         access_log off; sendfile on; keepalive_requests 100000;\n\
         client_body_temp_path {scratch}/body; proxy_temp_path {scratch}/proxy; fastcgi_temp_path {scratch}/fastcgi;\n\
         uwsgi_temp_path {scratch}/uwsgi; scgi_temp_path {scratch}/scgi;\n\
         client_header_buffer_size 8k; large_client_header_buffers 4 8k;\n\
         client_header_timeout {header}; keepalive_timeout {idle};\n\
         if_modified_since before; max_ranges 1; absolute_redirect off;\n\
         server {{ listen 127.0.0.1:{port}; root {root}; index index.html; {hidden} }}\n\
         }}\n"
    ))
}

fn lighttpd(root: &Path, port: u16, settings: &[Setting]) -> Result<String, Unavailable> {
    let mut requests = 100_000;
    for setting in settings {
        match setting {
            Setting::KeepAliveOff => requests = 0,
            Setting::Hidden => {}
            _ => return Err(Unavailable::NoSetting(in_words(*setting))),
        }
    }
    let types: Vec<String> = TYPES.iter().map(|(extension, kind)| format!("\".{extension}\" => \"{kind}\"")).collect();
    Ok(format!(
        "server.document-root = \"{}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
         server.max-keep-alive-requests = {requests}\nserver.max-keep-alive-idle = 60\n\
         server.max-request-field-size = 40960\nindex-file.names = ( \"index.html\" )\n\
         mimetype.assign = ( {}, \".swf\" => \"application/x-shockwave-flash\", \"\" => \"application/octet-stream\" )\n",
        root.display(),
        types.join(", ")
    ))
}

fn scratch(root: &Root) -> Result<std::path::PathBuf, Unavailable> {
    let scratch = root.outside().join("scratch");
    std::fs::create_dir_all(&scratch).map_err(|error| Unavailable::DoesNotRun(error.to_string()))?;
    Ok(scratch)
}

fn write(path: &Path, text: &str) -> Result<(), Unavailable> {
    std::fs::write(path, text).map_err(|error| Unavailable::DoesNotRun(format!("{}: {error}", path.display())))
}

/// A port that nobody has at the moment. Somebody may take it before the server does, which then does not start.
fn free_port() -> Result<u16, Unavailable> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| Unavailable::DoesNotRun(error.to_string()))
}

fn launch(command: &mut Command, scratch: &Path, port: u16) -> Result<(SocketAddr, Running), Unavailable> {
    let failed = |why: &dyn fmt::Display| Unavailable::DoesNotRun(why.to_string());
    let said = scratch.join("stderr");
    let output = File::create(&said).map_err(|error| failed(&error))?;
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn().map_err(|error| failed(&error))?;
    let mut running = Running::Child(child);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listens = || TcpStream::connect(address).is_ok();
    let mut died = false;
    let up = eventually(START, || {
        died = running.check().is_err();
        died || listens()
    });
    if up && !died {
        return Ok((address, running));
    }
    let said = std::fs::read_to_string(said).unwrap_or_default();
    Err(failed(&format!("{command:?} said {:?}", said.trim())))
}
