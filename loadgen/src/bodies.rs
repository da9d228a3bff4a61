//! The bodies that a plan expects, read from the files it names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::request::Requests;
use crate::{Error, ExpectedBody, Plan};

/// The body of each path of the plan; none where the first one is to be the model, or nothing is compared.
pub(crate) fn read(plan: &Plan, requests: &Requests) -> Result<Vec<Arc<[u8]>>, Error> {
    let Some(ExpectedBody::File(path)) = &plan.expect.body else {
        return Ok(Vec::new());
    };
    let is_folder = fs::metadata(path).map_err(|source| unreadable(path, source))?.is_dir();
    if !is_folder {
        let bytes: Arc<[u8]> = read_file(path)?.into();
        return Ok(vec![bytes; requests.paths()]);
    }
    (0..requests.paths()).map(|place| Ok(read_file(&file_of(path, requests.path(place))?)?.into())).collect()
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if !metadata.is_file() {
        return Err(unreadable(path, io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    fs::read(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Body { path: path.to_owned(), source }
}

/// The file in `folder` that the path of a request names.
fn file_of(folder: &Path, path: &str) -> Result<PathBuf, Error> {
    let path = path.split('?').next().unwrap_or_default();
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let refused = || Error::Plan(format!("the path {path} names no file in {}", folder.display()));
    let name = std::str::from_utf8(&decoded).map_err(|_| refused())?;
    let mut file = folder.to_owned();
    for segment in name.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        if segment == ".." || segment.contains('\0') {
            return Err(refused());
        }
        file.push(segment);
    }
    if name.ends_with('/') {
        file.push("index.html");
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Url;

    fn bodies(expected: &Path, paths: &[&str]) -> Result<Vec<Vec<u8>>, Error> {
        let mut plan = Plan::new("http://a/");
        plan.paths.list = paths.iter().map(|&path| path.into()).collect();
        plan.expect.body = Some(ExpectedBody::File(expected.to_owned()));
        let requests = Requests::render(&plan, &Url::parse(&plan.url)?)?;
        Ok(read(&plan, &requests)?.iter().map(|body| body.to_vec()).collect())
    }

    #[test]
    fn a_file_is_the_body_of_every_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("body");
        fs::write(&file, "abc").unwrap();
        assert_eq!(bodies(&file, &["/x", "/y"]).unwrap(), [b"abc", b"abc"]);
        assert!(matches!(bodies(&folder.path().join("absent"), &["/"]), Err(Error::Body { .. })));
        assert!(matches!(bodies(Path::new("/dev/zero"), &["/"]), Err(Error::Body { .. })));
    }

    #[test]
    fn in_a_folder_each_path_has_its_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a b")).unwrap();
        fs::write(folder.path().join("index.html"), "home").unwrap();
        fs::write(folder.path().join("a b/index.html"), "below").unwrap();
        fs::write(folder.path().join("a b/c"), "file").unwrap();
        let found = bodies(folder.path(), &["/", "/a%20b/", "/a%20b/c?x=/", "//./a%20b/c"]).unwrap();
        assert_eq!(found, [&b"home"[..], b"below", b"file", b"file"]);
        assert!(matches!(bodies(folder.path(), &["/../x"]), Err(Error::Plan(_))));
        assert!(matches!(bodies(folder.path(), &["/absent"]), Err(Error::Body { .. })));
    }
}
