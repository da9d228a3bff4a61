//! Whether bodies have the bytes that they should have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Difference;
use crate::expect::Expect;
use crate::response::Body;

/// So many bytes are learnt in all, over all threads and paths: a server may have as many paths as it likes, and a response may
/// never end. Of what does not fit, lengths are compared and bytes are not.
pub(crate) const MOST_LEARNT: usize = 64 * 1024 * 1024;

/// The bodies of the plan's paths, by their place in the list.
#[derive(Debug)]
pub(super) struct Bodies {
    models: Vec<Model>,
    /// How many bytes may still be learnt, by all threads together.
    room: Arc<AtomicUsize>,
}

/// What is known of a path's body.
#[derive(Clone, Debug)]
enum Model {
    /// Nothing; the first one that is complete will be the model.
    Unknown,
    /// Somebody is reading it.
    Reading,
    /// There was no room for it.
    TooLong,
    Known(Arc<[u8]>),
}

impl Bodies {
    /// The bodies in `known`, one for each path, or none if the first one of each is to be like.
    pub(super) fn new(known: &[Arc<[u8]>], paths: usize, room: &Arc<AtomicUsize>) -> Self {
        let models = match known {
            [] => vec![Model::Unknown; paths],
            known => known.iter().cloned().map(Model::Known).collect(),
        };
        Self { models, room: Arc::clone(room) }
    }

    /// How to read the next body of a path; `None` when there is nothing to compare it with yet.
    pub(super) fn check(&mut self, path: usize) -> Option<BodyCheck> {
        let model = &mut self.models[path];
        let aim = match model {
            Model::Known(bytes) => Aim::Compare(Arc::clone(bytes)),
            Model::Reading | Model::TooLong => return None,
            Model::Unknown => {
                *model = Model::Reading;
                Aim::Learn(Learnt { bytes: Vec::new(), is_too_long: false, room: Arc::clone(&self.room) })
            }
        };
        Some(BodyCheck { aim, path, position: 0, status: 0, difference: None })
    }

    /// Takes a body that is complete and says whether and where it differs. One with another status than the expected
    /// is neither compared nor learnt from.
    pub(super) fn finish(&mut self, check: BodyCheck, expect: &Expect) -> Verdict {
        let is_expected = expect.allows_status(check.status);
        match check.aim {
            Aim::Learn(learnt) if is_expected && !learnt.is_too_long => {
                self.models[check.path] = Model::Known(learnt.bytes.into());
                Verdict::Same
            }
            Aim::Learn(mut learnt) => {
                let is_too_long = is_expected && learnt.is_too_long;
                self.models[check.path] = if is_too_long { Model::TooLong } else { Model::Unknown };
                learnt.forget();
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
    pub(super) fn abandon(&mut self, check: BodyCheck) {
        if let Aim::Learn(mut learnt) = check.aim {
            learnt.forget();
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
    Learn(Learnt),
}

/// A body that is read to be the model.
#[derive(Debug)]
struct Learnt {
    bytes: Vec<u8>,
    is_too_long: bool,
    room: Arc<AtomicUsize>,
}

impl Learnt {
    fn add(&mut self, bytes: &[u8]) {
        let take = |left: usize| left.checked_sub(bytes.len());
        if !self.is_too_long && self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            self.bytes.extend_from_slice(bytes);
        } else {
            self.is_too_long = true;
            self.forget();
        }
    }

    /// Gives back the room that it took.
    fn forget(&mut self) {
        self.room.fetch_add(self.bytes.len(), Ordering::Relaxed);
        self.bytes = Vec::new();
    }
}

impl Body for BodyCheck {
    fn begin(&mut self, status: u16) {
        self.status = status;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match &mut self.aim {
            Aim::Learn(learnt) => learnt.add(bytes),
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

    fn room(bytes: usize) -> Arc<AtomicUsize> {
        Arc::new(AtomicUsize::new(bytes))
    }

    fn differs(offset: u64, expected: u8, found: u8) -> Verdict {
        Verdict::Differs(Mismatch { offset, expected, found })
    }

    #[test]
    fn the_first_difference_is_found_however_the_body_is_cut() {
        let mut bodies = Bodies::new(&[b"0123456789".as_slice().into()], 1, &room(1 << 20));
        assert_eq!(look(&mut bodies, 200, &[b"0123456789"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"0123", b"456", b"789"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"01234x67y9"]), differs(5, b'5', b'x'));
        assert_eq!(look(&mut bodies, 200, &[b"0123", b"4", b"x67y9"]), differs(5, b'5', b'x'));
        assert_eq!(look(&mut bodies, 404, &[b"not found"]), Verdict::NotCompared);
    }

    #[test]
    fn the_beginning_of_the_right_bytes_and_more_than_these_have_another_length() {
        let mut bodies = Bodies::new(&[b"0123".as_slice().into()], 1, &room(1 << 20));
        for body in [&b""[..], b"01", b"0123456"] {
            assert_eq!(look(&mut bodies, 200, &[body]), Verdict::OtherLength, "{body:?}");
        }
        assert_eq!(look(&mut bodies, 200, &[b"01", b"234", b"5"]), Verdict::OtherLength);
        assert_eq!(look(&mut bodies, 200, &[b"01x"]), differs(2, b'2', b'x'));
    }

    #[test]
    fn what_is_learnt_has_a_bound_over_all_paths_and_threads() {
        let room = room(10);
        let mut threads = [Bodies::new(&[], 3, &room), Bodies::new(&[], 3, &room)];
        let mut learn = |thread: usize, path: usize, status: u16, body: &[u8]| {
            let mut check = threads[thread].check(path)?;
            check.begin(status);
            body.chunks(2).for_each(|piece| check.bytes(piece));
            Some(threads[thread].finish(check, &Expect::default()))
        };
        assert_eq!(learn(0, 0, 500, b"sorry"), Some(Verdict::NotCompared));
        assert_eq!(learn(0, 0, 200, b"0123456"), Some(Verdict::Same), "what is not kept takes no room");
        assert_eq!(learn(1, 0, 200, b"0123456"), Some(Verdict::NotCompared), "three bytes are left for all");
        assert_eq!(learn(1, 0, 200, b"0123456"), None, "it is not tried again");
        assert_eq!(learn(1, 1, 200, b"012"), Some(Verdict::Same));
        assert_eq!(learn(0, 0, 200, b"0123456"), Some(Verdict::Same));
        assert_eq!(learn(0, 2, 200, b"0"), Some(Verdict::NotCompared));
    }

    #[test]
    fn the_first_good_body_is_the_model_and_only_one_is_read_for_it() {
        let mut bodies = Bodies::new(&[], 1, &room(1 << 20));
        assert_eq!(look(&mut bodies, 500, &[b"sorry"]), Verdict::NotCompared);
        let given_up = bodies.check(0).unwrap();
        assert!(bodies.check(0).is_none(), "two would be the model");
        bodies.abandon(given_up);
        assert_eq!(look(&mut bodies, 200, &[b"he", b"llo"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"hello"]), Verdict::Same);
        assert_eq!(look(&mut bodies, 200, &[b"hallo"]), differs(1, b'e', b'a'));
    }
}
