//! The models, and the macro that runs a test under each of them.

/// A concurrency model, by the name of its binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// An operating-system thread per connection.
    ThreadPerConnection,
    /// A fixed number of workers, each with one connection at a time.
    ThreadPool,
    /// Event loops over readiness.
    Epoll,
    /// A task per connection on a multi-thread runtime.
    Async,
}

impl Model {
    /// Every model that there is.
    pub const ALL: [Self; 4] = [Self::ThreadPerConnection, Self::ThreadPool, Self::Epoll, Self::Async];

    /// The name of the binary, and of the model in the ready line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ThreadPerConnection => "thread-per-connection",
            Self::ThreadPool => "thread-pool",
            Self::Epoll => "epoll",
            Self::Async => "async",
        }
    }

    /// Whether `--workers` means something; thread-per-connection has as many threads as connections.
    pub fn has_workers(self) -> bool {
        self != Self::ThreadPerConnection
    }
}

/// Makes one test per model out of each function of a [`Model`], named `epoll::keeps_alive` and so on. A function that is
/// left out of the list is dead code, which the compiler reports.
#[macro_export]
macro_rules! under_every_model {
    ($($test:ident),+ $(,)?) => {
        mod thread_per_connection {
            $(#[test] fn $test() { super::$test($crate::Model::ThreadPerConnection); })+
        }
        mod thread_pool {
            $(#[test] fn $test() { super::$test($crate::Model::ThreadPool); })+
        }
        mod epoll {
            $(#[test] fn $test() { super::$test($crate::Model::Epoll); })+
        }
        mod r#async {
            $(#[test] fn $test() { super::$test($crate::Model::Async); })+
        }
    };
}
