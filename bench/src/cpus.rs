//! Which CPUs the server gets and which the client.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::str::FromStr;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A set of CPUs by the kernel's numbers, written as the kernel does: `0-3,6`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpus(BTreeSet<usize>);

/// Why CPUs could not be divided as asked.
#[derive(Debug, thiserror::Error)]
pub enum CpusError {
    /// Not a list of CPU numbers.
    #[error("\"{0}\" is not a list of CPUs; write it as 0 or 0-3 or 0,2,4")]
    Malformed(String),
    /// No colon between the two halves.
    #[error(
        "--cpus \"{0}\" does not name two sets; write the server's CPUs, a colon, the client's CPUs, as 0:1 or 0-3:4-7"
    )]
    NotTwoSets(String),
    /// A CPU that this process may not use.
    #[error("CPU {cpu} is not available here; this process may use {available}")]
    NotAvailable {
        /// The CPU that was asked for.
        cpu: usize,
        /// What there is.
        available: Cpus,
    },
    /// The kernel refused.
    #[error("the kernel did not accept the CPU set {cpus}: {source}")]
    Refused {
        /// The set that was refused.
        cpus: Cpus,
        /// What it said.
        source: io::Error,
    },
}

impl Cpus {
    /// The CPU numbers, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().copied()
    }

    /// The CPU numbers as a list.
    #[must_use]
    pub fn to_vec(&self) -> Vec<usize> {
        self.iter().collect()
    }

    /// How many CPUs are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there no CPU in the set?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is this CPU in the set?
    #[must_use]
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.contains(&cpu)
    }

    /// The CPUs that this thread may run on.
    ///
    /// # Errors
    /// The kernel's, when it does not tell.
    pub fn available() -> io::Result<Self> {
        let mask = sched_getaffinity(None)?;
        Ok((0..CpuSet::MAX_CPU).filter(|&cpu| mask.is_set(cpu)).collect())
    }

    /// Binds the calling thread, and what it will start, to these CPUs.
    ///
    /// # Errors
    /// [`CpusError::Refused`] when none of them can be used.
    pub fn bind_this_thread(&self) -> Result<(), CpusError> {
        let mut mask = CpuSet::new();
        for cpu in self.iter().filter(|&cpu| cpu < CpuSet::MAX_CPU) {
            mask.set(cpu);
        }
        sched_setaffinity(None, &mask)
            .map_err(|source| CpusError::Refused { cpus: self.clone(), source: source.into() })
    }
}

impl FromIterator<usize> for Cpus {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl FromStr for Cpus {
    type Err = CpusError;

    fn from_str(text: &str) -> Result<Self, CpusError> {
        let malformed = || CpusError::Malformed(text.to_owned());
        let number = |digits: &str| {
            digits.trim().parse::<usize>().ok().filter(|&cpu| cpu < CpuSet::MAX_CPU).ok_or_else(malformed)
        };
        let mut cpus = BTreeSet::new();
        for part in text.trim().split(',') {
            match part.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(malformed());
                    }
                    cpus.extend(first..=last);
                }
                None => {
                    cpus.insert(number(part)?);
                }
            }
        }
        Ok(Self(cpus))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while rest.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

/// The CPUs of a run: the server's, and the client's with the bench itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Where the servers run.
    pub server: Cpus,
    /// Where the load generator and the bench run.
    pub client: Cpus,
}

impl Division {
    /// Do client and server have a CPU in common? Then each takes time from the other, and a report has to say so.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.server.iter().any(|cpu| self.client.contains(cpu))
    }

    /// Does a core have a hardware thread on each side, none of them on both? Two threads of a core slow each other down.
    #[must_use]
    pub fn splits_a_core(&self, core_of: impl Fn(usize) -> usize) -> bool {
        let cores: BTreeSet<usize> = self.server.iter().map(&core_of).collect();
        !self.shared() && self.client.iter().any(|cpu| cores.contains(&core_of(cpu)))
    }

    /// Reads `--cpus server:client`.
    ///
    /// # Errors
    /// When it names no two sets, or a CPU that is not in `available`.
    pub fn parse(text: &str, available: &Cpus) -> Result<Self, CpusError> {
        let (server, client) = text.split_once(':').ok_or_else(|| CpusError::NotTwoSets(text.to_owned()))?;
        let division = Self { server: server.parse()?, client: client.parse()? };
        let strange = division.server.iter().chain(division.client.iter()).find(|&cpu| !available.contains(cpu));
        match strange {
            Some(cpu) => Err(CpusError::NotAvailable { cpu, available: available.clone() }),
            None => Ok(division),
        }
    }

    /// Divides `available` in two halves, the server's first. The threads of one core stay on one side, because two
    /// threads of a core slow each other down; `core_of` names the core of a CPU. A single CPU is shared, and of a
    /// single core each side gets a thread.
    #[must_use]
    pub fn halves(available: &Cpus, core_of: impl Fn(usize) -> usize) -> Self {
        if available.len() < 2 {
            return Self { server: available.clone(), client: available.clone() };
        }
        let mut cores: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for cpu in available.iter() {
            cores.entry(core_of(cpu)).or_default().push(cpu);
        }
        let groups: Vec<Vec<usize>> = if cores.len() > 1 {
            cores.into_values().collect()
        } else {
            available.iter().map(|cpu| vec![cpu]).collect()
        };
        let (server, client) = groups.split_at(groups.len() / 2);
        Self { server: server.iter().flatten().copied().collect(), client: client.iter().flatten().copied().collect() }
    }
}

/// The core of a CPU, named by the lowest of its threads; a CPU about which the kernel says nothing is its own core.
#[must_use]
pub fn core_of(cpu: usize) -> usize {
    fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"))
        .ok()
        .and_then(|list| list.parse::<Cpus>().ok())
        .and_then(|siblings| siblings.iter().next())
        .unwrap_or(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(text: &str) -> Cpus {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_writes_the_kernels_notation() {
        assert_eq!(cpus("0-3,6,8-9\n").to_vec(), [0, 1, 2, 3, 6, 8, 9]);
        assert_eq!(cpus("6,0-3,9,8").to_string(), "0-3,6,8-9");
        for text in ["", "a", "3-1", "1-", "0,,2", "99999999"] {
            assert!(text.parse::<Cpus>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn halves_keep_the_threads_of_a_core_together() {
        // The usual numbering of eight CPUs on four cores: CPU n and n + 4 are one core.
        let division = Division::halves(&cpus("0-7"), |cpu| cpu % 4);
        assert_eq!(
            (division.server.to_string().as_str(), division.client.to_string().as_str()),
            ("0-1,4-5", "2-3,6-7")
        );
        assert!(!division.shared());
    }

    #[test]
    fn a_core_with_a_thread_on_each_side_is_split() {
        let splits = |server: &str, client: &str, core_of: fn(usize) -> usize| {
            Division { server: cpus(server), client: cpus(client) }.splits_a_core(core_of)
        };
        assert!(splits("0", "1", |_| 0));
        assert!(!splits("0", "1", |cpu| cpu));
        assert!(!splits("0,4", "1,5", |cpu| cpu % 4));
        assert!(splits("0-3", "4-7", |cpu| cpu % 4));
        // One CPU for both is told by itself.
        assert!(!splits("0", "0", |cpu| cpu));
    }

    #[test]
    fn few_cpus_are_divided_as_far_as_they_go() {
        let of = |text: &str, core_of: fn(usize) -> usize| {
            let division = Division::halves(&cpus(text), core_of);
            (division.server.to_string(), division.client.to_string(), division.shared())
        };
        assert_eq!(of("0-1", |cpu| cpu), ("0".into(), "1".into(), false));
        assert_eq!(of("0-1", |_| 0), ("0".into(), "1".into(), false));
        assert_eq!(of("5", |cpu| cpu), ("5".into(), "5".into(), true));
        assert_eq!(of("0-2", |cpu| cpu), ("0".into(), "1-2".into(), false));
    }

    #[test]
    fn what_was_asked_for_is_held_against_what_there_is() {
        let available = cpus("0-3");
        assert!(Division::parse("0-1:2,3", &available).is_ok());
        assert!(Division::parse("0:0", &available).unwrap().shared());
        let error = Division::parse("0:7", &available).unwrap_err().to_string();
        assert!(error.contains("CPU 7") && error.contains("0-3"), "{error}");
        assert!(Division::parse("0", &available).unwrap_err().to_string().contains("colon"));
    }

    #[test]
    fn a_bound_thread_stays_where_it_was_put() {
        let one: Cpus = Cpus::available().unwrap().iter().take(1).collect();
        let expected = one.clone();
        let seen = std::thread::spawn(move || {
            one.bind_this_thread().unwrap();
            Cpus::available().unwrap()
        });
        assert_eq!(seen.join().unwrap(), expected);
    }
}
