//! Whether bodies have the bytes that they should have.

use std::sync::Arc;

use crate::Difference;
use crate::expect::Expect;
use crate::response::Body;

/// A body that is longer is not learnt: a response may never end.
const LONGEST_LEARNT: usize = 64 * 1024 * 1024;

/// The bodies of the plan's paths, by their place in the list.
#[derive(Debug)]
pub(super) struct Bodies {
    models: Vec<Model>,
}

/// What is known of a path's body.
#[derive(Clone, Debug)]
enum Model {
    /// Nothing; the first one that is complete will be the model.
    Unknown,
    /// Somebody is reading it.
    Reading,
    Known(Arc<[u8]>),
}

impl Bodies {
    /// The bodies in `known`, one for each path, or none if the first one of each is to be like.
    pub(super) fn new(known: &[Arc<[u8]>], paths: usize) -> Self {
        let models = match known {
            [] => vec![Model::Unknown; paths],
            known => known.iter().cloned().map(Model::Known).collect(),
        };
        Self { models }
    }

    /// How to read the next body of a path; `None` when there is nothing to compare it with yet.
    pub(super) fn check(&mut self, path: usize) -> Option<BodyCheck> {
        let model = &mut self.models[path];
        let aim = match model {
            Model::Known(bytes) => Aim::Compare(Arc::clone(bytes)),
            Model::Reading => return None,
            Model::Unknown => {
                *model = Model::Reading;
                Aim::Learn(Vec::new())
            }
        };
        Some(BodyCheck { aim, path, position: 0, status: 0, difference: None })
    }

    /// Takes a body that is complete and says whether and where it differs. One with another status than the expected
    /// is neither compared nor learnt from.
    pub(super) fn finish(&mut self, check: BodyCheck, expect: &Expect) -> Verdict {
        let is_expected = expect.allows_status(check.status);
        match check.aim {
            Aim::Learn(bytes) if is_expected && bytes.len() <= LONGEST_LEARNT => {
                self.models[check.path] = Model::Known(bytes.into());
                Verdict::Same
            }
            Aim::Learn(_) => {
                self.models[check.path] = Model::Unknown;
                Verdict::NotCompared
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
        if let Aim::Learn(_) = check.aim {
            self.models[check.path] = Model::Unknown;
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
    Learn(Vec<u8>),
}

impl Body for BodyCheck {
    fn begin(&mut self, status: u16) {
        self.status = status;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match &mut self.aim {
            // What is too long is kept too long by a piece, and no longer.
            Aim::Learn(learnt) if learnt.len() > LONGEST_LEARNT => {}
            Aim::Learn(learnt) => learnt.extend_from_slice(bytes),
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
        let mut bodies = Bodies::new(&[b"0123456789".as_slice().into()], 1);
        assert_eq!(look(&mut bodies, 200, &[b"0123456789"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"0123", b"456", b"789"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"01234x67y9"]), differs(5, b'5', b'x'));
        assert_eq!(look(&mut bodies, 200, &[b"0123", b"4", b"x67y9"]), differs(5, b'5', b'x'));
        assert_eq!(look(&mut bodies, 404, &[b"not found"]), Verdict::NotCompared);
    }

    #[test]
    fn the_beginning_of_the_right_bytes_and_more_than_these_have_another_length() {
        let mut bodies = Bodies::new(&[b"0123".as_slice().into()], 1);
        for body in [&b""[..], b"01", b"0123456"] {
            assert_eq!(look(&mut bodies, 200, &[body]), Verdict::OtherLength, "{body:?}");
        }
        assert_eq!(look(&mut bodies, 200, &[b"01", b"234", b"5"]), Verdict::OtherLength);
        assert_eq!(look(&mut bodies, 200, &[b"01x"]), differs(2, b'2', b'x'));
    }

    #[test]
    fn the_first_good_body_is_the_model_and_only_one_is_read_for_it() {
        let mut bodies = Bodies::new(&[], 1);
        assert_eq!(look(&mut bodies, 500, &[b"sorry"]), Verdict::NotCompared);
        let given_up = bodies.check(0).unwrap();
        assert!(bodies.check(0).is_none(), "two would be the model");
        bodies.abandon(&given_up);
        assert_eq!(look(&mut bodies, 200, &[b"he", b"llo"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"hello"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"hallo"]), differs(1, b'e', b'a'));
    }
}
