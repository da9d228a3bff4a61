//! Whether bodies have the bytes that they should have.

use std::sync::Arc;

use crate::Difference;
use crate::expect::Expect;
use crate::response::Body;

/// So many bytes are learnt in all, over all threads and paths: a server may have as many paths as it likes, and a response may
/// never end. Of what does not fit, lengths are compared and bytes are not.
const MOST_LEARNT: usize = 64 * 1024 * 1024;

/// The bodies of the plan's paths, by their place in the list.
#[derive(Debug)]
pub(super) struct Bodies {
    /// What is known of each; where that is nothing, the first one that is complete will be the model.
    models: Vec<Option<Arc<[u8]>>>,
    /// How many bytes may still be learnt.
    room: usize,
    /// Whether one is being read to be the model. There is one at a time, so that not more than one is half read.
    is_learning: bool,
}

impl Bodies {
    /// The bodies in `known`, one for each path, or none if the first one of each is to be like. Each of so many threads has
    /// its own.
    pub(super) fn new(known: &[Arc<[u8]>], paths: usize, threads: usize) -> Self {
        let models = match known {
            [] => vec![None; paths],
            known => known.iter().cloned().map(Some).collect(),
        };
        Self { models, room: MOST_LEARNT / threads.max(1), is_learning: false }
    }

    /// How to read the next body of a path; `None` when there is nothing to compare it with yet.
    pub(super) fn check(&mut self, path: usize) -> Option<BodyCheck> {
        let aim = match &self.models[path] {
            Some(bytes) => Aim::Compare(Arc::clone(bytes)),
            None if self.is_learning || self.room == 0 => return None,
            None => {
                self.is_learning = true;
                Aim::Learn { bytes: Vec::new(), room: self.room }
            }
        };
        Some(BodyCheck { aim, path, position: 0, status: 0, difference: None })
    }

    /// Takes a body that is complete and says whether and where it differs. One with another status than the expected
    /// is neither compared nor learnt from.
    pub(super) fn finish(&mut self, check: BodyCheck, expect: &Expect) -> Verdict {
        let is_expected = expect.allows_status(check.status);
        match check.aim {
            Aim::Learn { bytes, room } => {
                self.is_learning = false;
                if !is_expected || bytes.len() > room {
                    return Verdict::NotCompared;
                }
                self.room -= bytes.len();
                self.models[check.path] = Some(bytes.into());
                Verdict::Same
            }
            Aim::Compare(_) if !is_expected => Verdict::NotCompared,
            Aim::Compare(expected) => match check.difference {
                Some(mismatch) => Verdict::Differs(mismatch),
                None if check.position != expected.len() => Verdict::OtherLength,
                None => Verdict::Same,
            },
        }
    }

    /// Forgets a body that will not be complete.
    pub(super) fn abandon(&mut self, check: &BodyCheck) {
        if let Aim::Learn { .. } = check.aim {
            self.is_learning = false;
        }
    }
}

/// What came of looking at a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    NotCompared,
    Same,
    /// One of both is the beginning of the other.
    OtherLength,
    /// At this position other bytes came.
    Differs(Mismatch),
}

/// The first byte of a body that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    offset: u64,
    expected: u8,
    found: u8,
}

impl Mismatch {
    pub(super) fn in_body_of(self, path: &str) -> Difference {
        let Self { offset, expected, found } = self;
        Difference { path: path.to_owned(), offset, expected, found }
    }
}

/// A body that is being looked at.
#[derive(Debug)]
pub(super) struct BodyCheck {
    aim: Aim,
    path: usize,
    position: usize,
    status: u16,
    difference: Option<Mismatch>,
}

#[derive(Debug)]
enum Aim {
    Compare(Arc<[u8]>),
    Learn {
        bytes: Vec<u8>,
        /// How many there may be.
        room: usize,
    },
}

impl Body for BodyCheck {
    fn begin(&mut self, status: u16) {
        self.status = status;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match &mut self.aim {
            // What is too long is kept too long by a piece, and no longer.
            Aim::Learn { bytes: learnt, room } if learnt.len() > *room => {}
            Aim::Learn { bytes: learnt, .. } => learnt.extend_from_slice(bytes),
            Aim::Compare(expected) => {
                // Bytes beyond the end have none to differ from.
                let rest = expected.get(self.position..).unwrap_or_default();
                let common = rest.len().min(bytes.len());
                if self.difference.is_none() && rest[..common] != bytes[..common] {
                    let first = rest.iter().zip(bytes).position(|(expected, found)| expected != found);
                    self.difference = first.map(|at| Mismatch {
                        offset: (self.position + at) as u64,
                        expected: rest[at],
                        found: bytes[at],
                    });
                }
                self.position += bytes.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(bodies: &mut Bodies, status: u16, pieces: &[&[u8]]) -> Verdict {
        let Some(mut check) = bodies.check(0) else { return Verdict::NotCompared };
        check.begin(status);
        pieces.iter().for_each(|piece| check.bytes(piece));
        bodies.finish(check, &Expect::default())
    }

    fn differs(offset: u64, expected: u8, found: u8) -> Verdict {
        Verdict::Differs(Mismatch { offset, expected, found })
    }

    #[test]
    fn the_first_difference_is_found_however_the_body_is_cut() {
        let mut bodies = Bodies::new(&[b"0123456789".as_slice().into()], 1, 1);
        assert_eq!(look(&mut bodies, 200, &[b"0123456789"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"0123", b"456", b"789"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"01234x67y9"]), differs(5, b'5', b'x'));
        assert_eq!(look(&mut bodies, 200, &[b"0123", b"4", b"x67y9"]), differs(5, b'5', b'x'));
        assert_eq!(look(&mut bodies, 404, &[b"not found"]), Verdict::NotCompared);
    }

    #[test]
    fn the_beginning_of_the_right_bytes_and_more_than_these_have_another_length() {
        let mut bodies = Bodies::new(&[b"0123".as_slice().into()], 1, 1);
        for body in [&b""[..], b"01", b"0123456"] {
            assert_eq!(look(&mut bodies, 200, &[body]), Verdict::OtherLength, "{body:?}");
        }
        assert_eq!(look(&mut bodies, 200, &[b"01", b"234", b"5"]), Verdict::OtherLength);
        assert_eq!(look(&mut bodies, 200, &[b"01x"]), differs(2, b'2', b'x'));
    }

    #[test]
    fn what_is_learnt_has_a_bound_over_all_paths() {
        let mut bodies = Bodies::new(&[], 3, MOST_LEARNT / 10);
        let mut learn = |path: usize, body: &[u8]| {
            let mut check = bodies.check(path)?;
            check.begin(200);
            check.bytes(body);
            Some(bodies.finish(check, &Expect::default()))
        };
        assert_eq!(learn(0, b"01234567890"), Some(Verdict::NotCompared), "eleven bytes where ten have room");
        assert_eq!(learn(0, b"0123456"), Some(Verdict::Same));
        assert_eq!(learn(1, b"0123"), Some(Verdict::NotCompared));
        assert_eq!(learn(1, b"012"), Some(Verdict::Same));
        assert_eq!(learn(2, b"0"), None, "there is no room left");
        assert_eq!(learn(0, b"0123456"), Some(Verdict::Same));
    }

    #[test]
    fn the_first_good_body_is_the_model_and_only_one_is_read_for_it() {
        let mut bodies = Bodies::new(&[], 1, 1);
        assert_eq!(look(&mut bodies, 500, &[b"sorry"]), Verdict::NotCompared);
        let given_up = bodies.check(0).unwrap();
        assert!(bodies.check(0).is_none(), "two would be the model");
        bodies.abandon(&given_up);
        assert_eq!(look(&mut bodies, 200, &[b"he", b"llo"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"hello"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"hallo"]), differs(1, b'e', b'a'));
    }
}
