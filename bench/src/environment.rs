//! What surrounds a run and could explain its numbers later.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use reports::Environment;
use reports::environment::{Commit, Limits};
use rustix::process::{Resource, getrlimit};

use crate::accounting::named_value;
use crate::commits::said_by;
use crate::cpus::{self, Cpus, Division};
use crate::interrupts;

/// Looks at the machine and at the source in the project's folder.
#[must_use]
pub fn look(project: &Path, available: &Cpus, division: &Division) -> Environment {
    let processors = text_of("/proc/cpuinfo");
    let memory = text_of("/proc/meminfo");
    Environment {
        cpu_model: cpu_model(&processors),
        cpus: u32::try_from(available.len()).unwrap_or(u32::MAX),
        client_cpus: division.client.to_vec(),
        server_cpus: division.server.to_vec(),
        governor: division.server.iter().next().and_then(governor),
        hypervisor: named_value(&processors, "flags")
            .is_some_and(|flags| flags.split_ascii_whitespace().any(|flag| flag == "hypervisor")),
        memory_bytes: kib(&memory, "MemTotal") * 1024,
        kernel: kernel(),
        limits: limits(),
        rustc: said_by(Command::new(rustc()).arg("--version").current_dir(project)),
        commit: commit(project),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        interrupt_accounting: Some(interrupts::accounting()),
        split_core: Some(division.splits_a_core(cpus::core_of)),
        generator_ceiling: None,
    }
}

fn text_of(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The processor's name for itself; some architectures have none and give their numbers.
fn cpu_model(processors: &str) -> String {
    ["model name", "Model", "CPU part", "cpu model", "uarch"]
        .iter()
        .find_map(|name| named_value(processors, name))
        .map_or_else(|| format!("unknown ({})", env::consts::ARCH), str::to_owned)
}

fn governor(cpu: usize) -> Option<String> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn kib(text: &str, name: &str) -> u64 {
    named_value(text, name).and_then(|value| value.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn kernel() -> String {
    let name = rustix::system::uname();
    format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy())
}

fn limits() -> Limits {
    let ports = text_of("/proc/sys/net/ipv4/ip_local_port_range");
    let mut ports = ports.split_ascii_whitespace().map_while(|bound| bound.parse().ok());
    Limits {
        // No limit at all reads as the largest number.
        descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        backlog: text_of("/proc/sys/net/core/somaxconn").trim().parse().unwrap_or(0),
        ephemeral_ports: ports.next().zip(ports.next()),
    }
}

fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

fn git(project: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(project);
    command
}

fn commit(project: &Path) -> Option<Commit> {
    let hash = said_by(git(project).args(["rev-parse", "HEAD"]))?;
    // A file that is not tracked changes nothing that was built; one that is built from is tracked sooner or later.
    let changes = said_by(git(project).args(["status", "--porcelain", "--untracked-files=no"]))?;
    Some(Commit { hash, dirty: !changes.is_empty() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let available = Cpus::available().unwrap();
        let division = Division::halves(&available, |cpu| cpu);
        let environment = look(Path::new(env!("CARGO_MANIFEST_DIR")), &available, &division);
        assert!(environment.kernel.starts_with("Linux "), "{}", environment.kernel);
        assert!(
            environment.memory_bytes > 1 << 20 && environment.limits.descriptors > 0 && environment.limits.backlog > 0
        );
        assert!(environment.rustc.is_some_and(|version| version.starts_with("rustc ")));
        assert!(!environment.cpu_model.is_empty());
        assert!(environment.interrupt_accounting.is_some() && environment.split_core.is_some());
        assert_eq!(environment.cpus as usize, available.len());
    }

    #[test]
    fn a_processor_without_a_name_is_told_by_its_number() {
        assert_eq!(cpu_model("model name\t: Some CPU @ 3 GHz\n"), "Some CPU @ 3 GHz");
        assert_eq!(cpu_model("CPU part\t: 0xd0c\n"), "0xd0c");
        assert!(cpu_model("").starts_with("unknown ("));
    }

    #[test]
    fn a_folder_without_git_has_no_commit() {
        assert_eq!(commit(Path::new("/")), None);
    }
}
