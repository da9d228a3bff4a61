//! The files that are made for measuring: one of each of some sizes, and many of different sizes to ask for by chance.
//!
//! They are the same bytes on every machine, so that their digests are, too. They do not compress and hold no text.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

/// The single files: name and length in bytes.
pub const SINGLE: [(&str, u64); 5] = [
    ("1KiB.bin", 1 << 10),
    ("16KiB.bin", 16 << 10),
    ("64KiB.bin", 64 << 10),
    ("1MiB.bin", 1 << 20),
    ("64MiB.bin", 64 << 20),
];

/// How many files there are for a mix.
pub const MANY: u32 = 1000;

/// The shortest and the longest of them, in bytes.
const MIX_LENGTHS: (f64, f64) = (1024.0, 65_536.0);

/// What the bytes begin with.
const SEED: u64 = 0x0d0c;

/// Makes whatever is not there yet, in a folder of its own below `parent`, and returns it.
///
/// # Errors
/// When a file cannot be written.
pub fn make(parent: &Path) -> io::Result<PathBuf> {
    let folder = parent.join("documents");
    fs::create_dir_all(folder.join("mix"))?;
    for (name, length) in SINGLE {
        make_file(&folder.join(name), length)?;
    }
    for place in 0..MANY {
        make_file(&folder.join(&path_in_mix(place)[1..]), length_in_mix(place))?;
    }
    fs::canonicalize(folder)
}

/// The path of a file of the mix, from 0 on, as a request has it.
#[must_use]
pub fn path_in_mix(place: u32) -> String {
    format!("/mix/{place:04}.bin")
}

/// The length of a file of the mix in bytes: as many files between 1 and 2 KiB as between 32 and 64 KiB. Which place
/// has which length is left to chance, so that the files asked for most are not the shortest.
#[must_use]
pub fn length_in_mix(place: u32) -> u64 {
    let (shortest, longest) = MIX_LENGTHS;
    let share = fastrand::Rng::with_seed(SEED + u64::from(place)).f64();
    (shortest * (longest / shortest).powf(share)) as u64
}

/// The mean length of the answers when the file at place k, from 1, is asked for as often as 1/k to the power of
/// `exponent` says, in bytes.
#[must_use]
pub fn mean_length_of_mix(files: u32, exponent: f64) -> f64 {
    let weight = |place: u32| f64::from(place + 1).powf(-exponent);
    let all: f64 = (0..files).map(weight).sum();
    (0..files).map(|place| weight(place) * length_in_mix(place) as f64).sum::<f64>() / all
}

/// The longest regular file below a document root, as the path of a request; none if there is no file. What cannot be
/// read is passed over, as are names that would have to be encoded.
#[must_use]
pub fn largest_below(root: &Path) -> Option<String> {
    let mut largest: Option<(u64, String)> = None;
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(data) = entry.metadata() else { continue };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./-_".contains(&byte));
            if data.is_dir() {
                folders.push(path);
            } else if data.is_file() && plain && largest.as_ref().is_none_or(|(length, _)| *length < data.len()) {
                largest = Some((data.len(), path));
            }
        }
    }
    largest.map(|(_, path)| format!("/{path}"))
}

/// Makes the kernel forget the contents of the first files of the mix, as far as nobody uses them (`posix_fadvise(2)`).
/// Below this machine's kernel, a hypervisor or the disk may still have them in memory; that cannot be seen from here.
pub fn forget(root: &Path, files: u32) {
    for place in 0..files {
        // A file that is not there is told by whoever asks for it.
        if let Ok(file) = File::open(root.join(&path_in_mix(place)[1..])) {
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
        }
    }
}

/// Writes a file in one piece or not at all, unless it is there in its length already.
fn make_file(path: &Path, length: u64) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() == length) {
        return Ok(());
    }
    let beside = path.with_extension("part");
    let mut file = BufWriter::new(File::create(&beside)?);
    let mut random = fastrand::Rng::with_seed(SEED ^ length);
    let mut left = length;
    while left > 0 {
        let bytes = random.u64(..).to_le_bytes();
        let taken = left.min(bytes.len() as u64);
        file.write_all(&bytes[..taken as usize])?;
        left -= taken;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_once_and_are_the_same_everywhere() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a.bin");
        make_file(&path, 21).unwrap();
        let first = fs::read(&path).unwrap();
        assert_eq!(first.len(), 21);
        fs::write(&path, [0; 21]).unwrap();
        make_file(&path, 21).unwrap();
        assert_eq!(fs::read(&path).unwrap(), [0; 21], "one of the right length is left alone");
        make_file(&path, 20).unwrap();
        make_file(&path, 21).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_mix_has_short_and_long_files_and_a_mean_between_them() {
        let lengths: Vec<u64> = (0..MANY).map(length_in_mix).collect();
        assert!(lengths.iter().all(|length| (1024..=65_536).contains(length)));
        assert!(lengths.iter().any(|length| *length < 1500) && lengths.iter().any(|length| *length > 50_000));
        let plain = lengths.iter().sum::<u64>() as f64 / f64::from(MANY);
        assert!((mean_length_of_mix(MANY, 0.0) - plain).abs() < 1e-6);
        assert!((mean_length_of_mix(1, 1.0) - lengths[0] as f64).abs() < 1e-6);
    }

    #[test]
    fn the_largest_file_is_found_in_folders_too() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(largest_below(root.path()), None);
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("small.txt"), "12").unwrap();
        fs::write(root.path().join("a/large.txt"), "12345").unwrap();
        fs::write(root.path().join("a/with space.txt"), "1234567").unwrap();
        assert_eq!(largest_below(root.path()).as_deref(), Some("/a/large.txt"));
    }
}
