//! The programs of a calibration: one server, and the same code linked in other orders.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::measurement::Measurement;
use crate::programs;
use crate::project::Project;

/// The feature of a server's build that lets it burn CPU time or wait.
const FEATURE: &str = "burn";

/// So many orders of linking: each pair of them is another difference of addresses.
const LAYOUTS: u32 = 4;

/// What is compared with itself.
#[derive(Debug)]
pub(super) struct Programs {
    /// As every build is linked.
    pub(super) usual: PathBuf,
    /// Linked in other orders; none unless asked for.
    pub(super) layouts: Vec<PathBuf>,
}

impl Programs {
    /// Builds the server with the feature, apart from other builds, below `folder`.
    ///
    /// # Errors
    /// Why it could not be built, in a sentence.
    pub(super) fn build(
        project: &Project,
        measurement: &Measurement,
        folder: &Path,
        with_layouts: bool,
    ) -> Result<Self, String> {
        let package = measurement.server.package.as_deref().ok_or("the server of a calibration needs a package")?;
        let build = |name: &str, link: &[String]| -> Result<PathBuf, String> {
            let target = project.folder().join("target/calibration/build");
            let built = programs::cargo_build_with(&[package], project.folder(), Some(FEATURE), Some(&target), link)?;
            let program = built.get(package).ok_or_else(|| format!("{package} has no program"))?;
            // The next build has the same place.
            let kept = folder.join(name);
            fs::create_dir_all(folder)
                .and_then(|()| fs::copy(program, &kept))
                .map_err(|error| format!("cannot copy {} to {}: {error}", program.display(), kept.display()))?;
            Ok(kept)
        };
        let before = digest(&folder.join("usual"));
        let usual = build("usual", &[])?;
        let is_unchanged = digest(&usual) == before;
        let layouts = (1..=if with_layouts { LAYOUTS } else { 0 })
            .map(|seed| {
                let kept = folder.join(format!("layout-{seed}"));
                if is_unchanged && kept.exists() {
                    return Ok(kept);
                }
                // LLD lays out functions and data in a random order: rustc gives each a section of its own.
                let shuffle = format!("-C link-arg=-Wl,--shuffle-sections=*={seed}");
                build(&format!("layout-{seed}"), &shuffle.split(' ').map(str::to_owned).collect::<Vec<_>>()).map_err(
                    |error| format!("{error} (an order of linking needs the linker LLD; leave it out with --kinds)"),
                )
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { usual, layouts })
    }

    /// Base and head of the comparison of two orders of linking with this number.
    pub(super) fn two_layouts(&self, number: usize) -> [&Path; 2] {
        // The usual order takes part, too. Each comparison has another pair, to both sides.
        let all: Vec<&Path> = [&self.usual].into_iter().chain(&self.layouts).map(PathBuf::as_path).collect();
        let apart = 1 + number / all.len() % (all.len() - 1).max(1);
        [all[number % all.len()], all[(number + apart) % all.len()]]
    }
}

/// The first half of a file's SHA-256, in hexadecimal.
pub(super) fn digest(program: &Path) -> String {
    let bytes = fs::read(program).unwrap_or_default();
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_layouts_has_its_turn_to_both_sides() {
        let programs =
            Programs { usual: "usual".into(), layouts: (1..=LAYOUTS).map(|seed| seed.to_string().into()).collect() };
        let pairs: std::collections::BTreeSet<[&Path; 2]> =
            (0..20).map(|number| programs.two_layouts(number)).collect();
        assert_eq!(pairs.len(), 20);
        assert!(pairs.iter().all(|&[base, head]| base != head && pairs.contains(&[head, base])));
    }
}
