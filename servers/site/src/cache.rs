use crate::stamp::Stamp;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

/// A file in memory.
#[derive(Debug)]
pub struct Entry<R> {
    /// What the caller of [`Site::open`](crate::Site::open) rendered for it.
    pub rendered: R,
    /// All of its bytes.
    pub content: Arc<[u8]>,
    stamp: Stamp,
    read: SystemTime,
    /// When the entry was last found to be what the disk holds, in nanoseconds since the cache was made.
    checked: AtomicU64,
    /// Whether somebody is on his way to check it again.
    being_checked: AtomicBool,
    /// Whether it was asked for since the hand of the clock last passed.
    used: AtomicBool,
}

impl<R> Entry<R> {
    pub(crate) fn new(rendered: R, content: Arc<[u8]>, stamp: Stamp, read: SystemTime) -> Self {
        let (being_checked, used) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { rendered, content, stamp, read, checked: AtomicU64::new(0), being_checked, used }
    }

    /// Whether these are the bytes of a file with that stamp.
    pub(crate) fn holds(&self, stamp: &Stamp) -> bool {
        self.stamp == *stamp && !self.stamp.is_too_fresh(self.read)
    }
}

/// Hot files by name, within a number of bytes. The entries that were not asked for lately make room first (the
/// clock algorithm: Corbató, 1968), so that a hit writes to nothing that other threads read.
#[derive(Debug)]
pub(crate) struct Cache<R> {
    start: Instant,
    lifetime: Duration,
    capacity: u64,
    shelves: RwLock<Shelves<R>>,
}

#[derive(Debug)]
struct Shelves<R> {
    /// Files, and the index files of directories: a name can mean both, with and without its slash.
    entries: [HashMap<Box<[u8]>, Slot<R>>; 2],
    /// In the order in which the hand of the clock meets them. Those of names that were forgotten stay for a while, because to
    /// look for one would take as long as there are names.
    order: VecDeque<Place>,
    /// The number of the next place.
    next: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Slot<R> {
    entry: Arc<Entry<R>>,
    /// The number of its place.
    place: u64,
}

/// A place on the clock.
#[derive(Debug)]
struct Place {
    name: Box<[u8]>,
    directory: bool,
    number: u64,
}

/// What an entry costs beside its name and bytes: its headers, twice its key, its slots in map and queue; rounded up.
const OVERHEAD: u64 = 512;

impl<R> Cache<R> {
    pub(crate) fn new(capacity: u64, lifetime: Duration) -> Self {
        let entries = [HashMap::new(), HashMap::new()];
        let shelves = Shelves { entries, order: VecDeque::new(), next: 0, bytes: 0 };
        Self { start: Instant::now(), lifetime, capacity, shelves: RwLock::new(shelves) }
    }

    /// The longest file worth keeping: one that leaves room for others.
    pub(crate) fn longest(&self) -> u64 {
        const LONGEST: u64 = 1024 * 1024;
        (self.capacity / 8).min(LONGEST)
    }

    fn age(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// An entry that was checked within the lifetime. In the last tenth of it, one of those who ask gets none, and
    /// goes to the disk for all the others, who would else go there all at once.
    pub(crate) fn fresh(&self, name: &[u8], directory: bool, now: Instant) -> Option<Arc<Entry<R>>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let entry = &shelves.entries[usize::from(directory)].get(name)?.entry;
        let age = self.age_of(entry, now);
        let lifetime = self.lifetime.as_nanos();
        if age >= lifetime || age >= self.youth() && !entry.being_checked.swap(true, Ordering::Relaxed) {
            return None;
        }
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(entry))
    }

    /// An entry that nobody needs to check yet: for those who were to go to the disk, and had to wait for their turn
    /// while somebody else has been there.
    pub(crate) fn young(&self, name: &[u8], directory: bool, now: Instant) -> Option<Arc<Entry<R>>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let entry = &shelves.entries[usize::from(directory)].get(name)?.entry;
        (self.age_of(entry, now) < self.youth()).then(|| Arc::clone(entry))
    }

    /// Nanoseconds since the entry was checked.
    fn age_of(&self, entry: &Entry<R>, now: Instant) -> u128 {
        u128::from(self.age(now).saturating_sub(entry.checked.load(Ordering::Relaxed)))
    }

    /// The age at which an entry is checked again, in nanoseconds.
    fn youth(&self) -> u128 {
        let lifetime = self.lifetime.as_nanos();
        lifetime - lifetime / 10
    }

    /// The entry of a file that has this stamp, checked hereby.
    pub(crate) fn confirm(&self, name: &[u8], directory: bool, stamp: &Stamp, now: Instant) -> Option<Arc<Entry<R>>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let slot = shelves.entries[usize::from(directory)].get(name)?;
        let entry = Some(&slot.entry).filter(|entry| entry.holds(stamp))?;
        entry.checked.store(self.age(now), Ordering::Relaxed);
        entry.being_checked.store(false, Ordering::Relaxed);
        entry.used.store(true, Ordering::Relaxed);
        Some(Arc::clone(entry))
    }

    /// The entry of a file that has this stamp, although it may have changed within a tick of the file system's clock.
    pub(crate) fn unchanged(&self, name: &[u8], directory: bool, stamp: &Stamp) -> Option<Arc<Entry<R>>> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let entry = &shelves.entries[usize::from(directory)].get(name)?.entry;
        (entry.stamp == *stamp).then(|| Arc::clone(entry))
    }

    /// Whether there is an entry for a name, however old.
    pub(crate) fn knows(&self, name: &[u8], directory: bool) -> bool {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        shelves.entries[usize::from(directory)].contains_key(name)
    }

    pub(crate) fn insert(&self, name: &[u8], directory: bool, entry: &Arc<Entry<R>>, now: Instant) {
        entry.checked.store(self.age(now), Ordering::Relaxed);
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        let entry = Arc::clone(entry);
        let weighs = weight(name, &entry);
        let shelf = &mut shelves.entries[usize::from(directory)];
        if let Some(known) = shelf.get_mut(name) {
            // A new state of a known file takes the place of the old one.
            let old = std::mem::replace(&mut known.entry, entry);
            shelves.bytes = shelves.bytes + weighs - weight(name, &old);
        } else {
            let number = shelves.next;
            shelves.next += 1;
            shelves.entries[usize::from(directory)].insert(name.into(), Slot { entry, place: number });
            shelves.order.push_back(Place { name: name.into(), directory, number });
            shelves.bytes += weighs;
        }
        while shelves.bytes > self.capacity && shelves.make_room() {}
    }

    /// Forgets a name whose file is gone.
    pub(crate) fn forget(&self, name: &[u8], directory: bool) {
        if self.knows(name, directory) {
            self.shelves.write().unwrap_or_else(PoisonError::into_inner).remove(name, directory);
        }
    }
}

fn weight<R>(name: &[u8], entry: &Entry<R>) -> u64 {
    name.len() as u64 * 2 + entry.content.len() as u64 + OVERHEAD
}

impl<R> Shelves<R> {
    fn remove(&mut self, name: &[u8], directory: bool) {
        /// So many places of forgotten names are not worth looking for.
        const FEW: usize = 64;
        if let Some(slot) = self.entries[usize::from(directory)].remove(name) {
            self.bytes -= weight(name, &slot.entry);
        }
        let entries = &self.entries;
        if self.order.len() > 2 * (entries[0].len() + entries[1].len()) + FEW {
            self.order.retain(|place| slot_at(entries, place).is_some());
        }
    }

    /// Moves the hand of the clock until one entry has gone; false if there is none.
    fn make_room(&mut self) -> bool {
        while let Some(place) = self.order.pop_front() {
            let Some(slot) = slot_at(&self.entries, &place) else { continue };
            if slot.entry.used.swap(false, Ordering::Relaxed) {
                self.order.push_back(place);
                continue;
            }
            self.bytes -= weight(&place.name, &slot.entry);
            self.entries[usize::from(place.directory)].remove(&place.name);
            return true;
        }
        false
    }
}

/// What is at a place; nothing if it was forgotten, although its name may have got another place since.
fn slot_at<'s, R>(entries: &'s [HashMap<Box<[u8]>, Slot<R>>; 2], place: &Place) -> Option<&'s Slot<R>> {
    entries[usize::from(place.directory)].get(&place.name).filter(|slot| slot.place == place.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::stat;

    fn entry(length: usize) -> Arc<Entry<()>> {
        let stamp = Stamp::of(&stat("/").unwrap());
        let content = Arc::from(vec![0; length]);
        Arc::new(Entry::new((), content, stamp, SystemTime::now() + Duration::from_secs(3600)))
    }

    #[test]
    fn an_entry_is_fresh_for_its_lifetime() {
        let cache = Cache::new(100_000, Duration::from_secs(1));
        let now = Instant::now();
        cache.insert(b"a", false, &entry(10), now);
        assert!(cache.fresh(b"a", false, now + Duration::from_millis(899)).is_some());
        assert!(cache.young(b"a", false, now + Duration::from_millis(899)).is_some());
        assert!(cache.young(b"a", false, now + Duration::from_millis(900)).is_none(), "it is to be checked");
        assert!(cache.fresh(b"a", false, now + Duration::from_millis(900)).is_none(), "one goes to the disk");
        assert!(cache.fresh(b"a", false, now + Duration::from_millis(999)).is_some(), "for all the others");
        assert!(cache.fresh(b"a", false, now + Duration::from_secs(1)).is_none());
        assert!(cache.fresh(b"a", true, now).is_none(), "the directory of that name is something else");
        let stamp = entry(0).stamp;
        assert!(cache.confirm(b"a", false, &stamp, now + Duration::from_secs(5)).is_some());
        assert!(cache.fresh(b"a", false, now + Duration::from_millis(5899)).is_some());
        cache.forget(b"a", false);
        assert!(cache.fresh(b"a", false, now).is_none());
    }

    #[test]
    fn places_of_forgotten_names_do_not_add_up() {
        let cache = Cache::new(u64::MAX, Duration::from_secs(1));
        let now = Instant::now();
        let (name, places) = (|number: u32| number.to_string(), || cache.shelves.read().unwrap().order.len());
        let shared = entry(0);
        (0..1000).for_each(|number| cache.insert(name(number).as_bytes(), false, &shared, now));
        // Half of them: not every forgotten one makes the others move.
        (0..500).for_each(|number| cache.forget(name(number).as_bytes(), false));
        assert_eq!(places(), 1000);
        (500..1000).for_each(|number| cache.forget(name(number).as_bytes(), false));
        assert!(places() <= 64, "{}", places());
        for _ in 0..1000 {
            cache.insert(b"a", false, &shared, now);
            cache.forget(b"a", false);
        }
        cache.insert(b"a", false, &shared, now);
        assert!(places() <= 66, "{}", places());
        assert_eq!(cache.shelves.read().unwrap().bytes, weight(b"a", &shared));
    }

    #[test]
    fn a_lifetime_of_zero_is_never_fresh() {
        let cache = Cache::new(100_000, Duration::ZERO);
        let now = Instant::now();
        cache.insert(b"a", false, &entry(10), now);
        assert!(cache.fresh(b"a", false, now).is_none());
        assert!(cache.young(b"a", false, now).is_none());
    }

    #[test]
    fn it_stays_within_its_bytes_and_keeps_what_is_asked_for() {
        let cache = Cache::new(20_000, Duration::from_secs(60));
        let now = Instant::now();
        for number in 0..1000 {
            cache.insert(format!("{number}").as_bytes(), false, &entry(1000), now);
            cache.fresh(b"0", false, now);
            assert!(cache.shelves.read().unwrap().bytes <= 20_000);
        }
        assert!(cache.fresh(b"0", false, now).is_some());
        assert!(cache.fresh(b"999", false, now).is_some());
        assert!(cache.fresh(b"1", false, now).is_none());
        let shelves = cache.shelves.read().unwrap();
        assert_eq!(shelves.order.len(), shelves.entries[0].len());
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let cache = Cache::new(1000, Duration::from_secs(60));
        cache.insert(b"a", false, &entry(5000), Instant::now());
        assert!(cache.fresh(b"a", false, Instant::now()).is_none());
        assert_eq!(cache.shelves.read().unwrap().bytes, 0);
    }
}
