use std::time::{Instant, SystemTime};

/// The time, as a driver read it: once per wake-up, for all that it does until it sleeps again.
///
/// It carries the text of the `Date` field, which is formatted again only when the second has changed.
#[derive(Clone, Debug)]
pub struct Moment {
    monotonic: Instant,
    wall: SystemTime,
    second: u64,
    date: [u8; DATE_LENGTH],
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`: every IMF-fixdate has this length (RFC 9110, section 5.6.7).
const DATE_LENGTH: usize = 29;

impl Moment {
    /// A moment on both clocks: deadlines are measured on `monotonic`, dates are written from `wall`.
    #[must_use]
    pub fn new(monotonic: Instant, wall: SystemTime) -> Self {
        let second = unix_second(wall);
        Self { monotonic, wall, second, date: imf_fixdate(wall) }
    }

    /// Moves this moment to a later reading of both clocks.
    pub fn refresh(&mut self, monotonic: Instant, wall: SystemTime) {
        self.monotonic = monotonic;
        self.wall = wall;
        let second = unix_second(wall);
        if second != self.second {
            self.second = second;
            self.date = imf_fixdate(wall);
        }
    }

    /// The reading of the clock that never jumps.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        self.monotonic
    }

    /// The reading of the calendar.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        self.wall
    }

    /// The reading of the calendar in whole seconds since 1970.
    pub(crate) fn second(&self) -> u64 {
        self.second
    }

    /// The moment as an IMF-fixdate (RFC 9110, section 5.6.7).
    #[must_use]
    pub fn date(&self) -> &[u8; DATE_LENGTH] {
        &self.date
    }
}

fn unix_second(wall: SystemTime) -> u64 {
    wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Formats a time, held within the years that the format can write (1970 to 9999).
pub(crate) fn imf_fixdate(time: SystemTime) -> [u8; DATE_LENGTH] {
    const LAST_SECOND_OF_9999: u64 = 253_402_300_799;
    let second = unix_second(time).min(LAST_SECOND_OF_9999);
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second));
    let mut date = [b' '; DATE_LENGTH];
    for (to, from) in date.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    date
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_date_follows_the_second() {
        let (start, epoch) = (Instant::now(), SystemTime::UNIX_EPOCH);
        let mut moment = Moment::new(start, epoch + Duration::from_millis(784_111_777_900));
        assert_eq!(moment.date(), b"Sun, 06 Nov 1994 08:49:37 GMT");
        moment.refresh(start, epoch + Duration::from_millis(784_111_777_999));
        assert_eq!(moment.date(), b"Sun, 06 Nov 1994 08:49:37 GMT");
        moment.refresh(start, epoch + Duration::from_millis(784_111_778_000));
        assert_eq!(moment.date(), b"Sun, 06 Nov 1994 08:49:38 GMT");
    }

    #[test]
    fn times_outside_the_format_are_held_within_it() {
        assert_eq!(&imf_fixdate(SystemTime::UNIX_EPOCH - Duration::from_secs(9)), b"Thu, 01 Jan 1970 00:00:00 GMT");
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000);
        assert_eq!(&imf_fixdate(far), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
