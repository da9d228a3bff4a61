//! The interval log of `HdrHistogram`.

use std::fmt::Write as _;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};

use super::NANOSECONDS_PER_MILLISECOND;
use crate::WindowReport;

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Writes the latencies of each window as a line of `HdrHistogram`'s interval log, version 1.3 (`.hlog`), which its
/// readers, processors and plotters take.
///
/// A line has the window's beginning in seconds since the log's start time, its length in seconds, the longest
/// latency in milliseconds, and the whole histogram, in nanoseconds, in the compressed V2 encoding in base64. As in the
/// [`WindowReport`], requests that were given up are in it with their age. The histograms of any lines can be added up
/// without loss.
///
/// Each line is given to the writer in one piece, so that somebody who reads along meets few halves of lines.
///
/// ```
/// use loadgen::{Histogram, Window, WindowReport, hdr::LogWriter};
///
/// let mut latency = Histogram::new();
/// latency.record(1_500_000);
/// let window = Window { offset_ns: 0, length_ns: 200_000_000, responses: 1, ..Window::default() };
/// let mut log = LogWriter::new(Vec::new(), 1_700_000_000_000)?;
/// log.write(&WindowReport { index: 0, window, latency })?;
/// assert!(log.into_inner().starts_with(b"#[Histogram log format version 1.3]\n#[StartTime: 1700000000.000 "));
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct LogWriter<W> {
    writer: W,
    // The crate's own writer of logs can write neither the date nor the column legend, and knows only the buckets'
    // maximum.
    serializer: V2DeflateSerializer,
    histogram: Vec<u8>,
    line: String,
}

impl<W: io::Write> LogWriter<W> {
    /// Begins a log with its head: the version, the start time and the names of the columns. `started_at_ms` is when
    /// measuring started, in milliseconds since 1970-01-01 UTC; the windows' offsets count from it.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn new(mut writer: W, started_at_ms: u64) -> io::Result<Self> {
        let head = format!(
            "#[Histogram log format version 1.3]\n\
             #[StartTime: {}.{:03} (seconds since epoch), {}]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
            started_at_ms / 1000,
            started_at_ms % 1000,
            date(started_at_ms / 1000)
        );
        writer.write_all(head.as_bytes())?;
        Ok(Self { writer, serializer: V2DeflateSerializer::new(), histogram: Vec::new(), line: String::new() })
    }

    /// Adds the line of one window. Readers expect windows in the order of their beginnings.
    ///
    /// # Errors
    ///
    /// Those of the writer, and a bucket whose count is beyond what the encoding can express (2^63).
    pub fn write(&mut self, report: &WindowReport) -> io::Result<()> {
        self.histogram.clear();
        self.serializer.serialize(report.latency.inner(), &mut self.histogram).map_err(io::Error::other)?;
        let (offset, length) = (seconds(report.window.offset_ns), seconds(report.window.length_ns));
        let maximum = report.latency.maximum().unwrap_or(0) as f64 / NANOSECONDS_PER_MILLISECOND;
        self.line.clear();
        // Writing to a string does not fail.
        let _ = write!(self.line, "{offset:.3},{length:.3},{maximum:.3},");
        STANDARD.encode_string(&self.histogram, &mut self.line);
        self.line.push('\n');
        self.writer.write_all(self.line.as_bytes())
    }

    /// The writer, with everything that was written so far.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// The date as Java's `Date` prints it, in UTC: `Thu Jan 01 00:00:00 UTC 1970`. It is there for people: programs read
/// the number before it.
fn date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The first of January 1970 was a Thursday.
    let weekday = WEEKDAYS[((days + 4) % 7) as usize];
    let (year, month, day) = civil(days);
    let (month, hour, minute, second) = (MONTHS[month], second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

/// The year, the month from 0 and the day from 1, so many days after 1970-01-01.
fn civil(days: u64) -> (u64, usize, u64) {
    // The calendar repeats every 400 years, which is not so of any shorter time; this leaves few years to walk.
    let (mut year, mut days) = (1970 + days / 146_097 * 400, days % 146_097);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::{Histogram, Window};

    fn report(index: u64, latencies: &[u64]) -> WindowReport {
        let mut latency = Histogram::new();
        latencies.iter().for_each(|&nanoseconds| latency.record(nanoseconds));
        let window = Window { offset_ns: index * 200_000_000, length_ns: 200_000_000, ..Window::default() };
        WindowReport { index, window, latency }
    }

    fn log(reports: &[WindowReport]) -> String {
        let mut log = LogWriter::new(Vec::new(), 1_700_000_000_123).unwrap();
        reports.iter().for_each(|report| log.write(report).unwrap());
        String::from_utf8(log.into_inner()).unwrap()
    }

    #[test]
    fn the_head_says_what_the_columns_are() {
        let expected = "\
#[Histogram log format version 1.3]
#[StartTime: 1700000000.123 (seconds since epoch), Tue Nov 14 22:13:20 UTC 2023]
\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"
";
        assert_eq!(log(&[]), expected);
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let mut long = report(2, &[1, 17, 4_711, 9_999_999, 3_600_000_000_000, 7_200_000_000_000]);
        long.window.length_ns = 123_456_789;
        let reports = [report(0, &[1_000_000, 2_000_000, 2_000_000]), report(1, &[]), long];
        let text = log(&reports);
        let mut entries = IntervalLogIterator::new(text.as_bytes()).map(Result::unwrap);
        assert_eq!(entries.next(), Some(LogEntry::StartTime(Duration::from_millis(1_700_000_000_123))));
        for report in &reports {
            let Some(LogEntry::Interval(interval)) = entries.next() else { panic!("{text}") };
            assert_eq!(interval.start_timestamp(), Duration::from_nanos(report.window.offset_ns));
            assert_eq!(interval.duration().as_millis(), Duration::from_nanos(report.window.length_ns).as_millis());
            assert_eq!(interval.max(), report.latency.maximum().unwrap_or(0) as f64 / 1e6);
            assert!(interval.encoded_histogram().starts_with("HISTFAAA"), "not the compressed V2 encoding: {text}");
            let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram = Deserializer::new().deserialize::<u64, _>(&mut bytes.as_slice()).unwrap();
            assert_eq!(&histogram, report.latency.inner());
        }
        assert_eq!(entries.next(), None);
    }

    #[test]
    fn lines_have_four_columns_with_milliseconds() {
        let text = log(&[report(3, &[1_500_000, 12_345_678])]);
        let line = text.lines().last().unwrap();
        assert!(line.starts_with("0.600,0.200,12.346,HISTFAAA"), "{line}");
        assert_eq!(line.split(',').count(), 4);
    }

    #[test]
    fn a_line_is_written_in_one_piece() {
        struct Pieces(Vec<Vec<u8>>);
        impl io::Write for Pieces {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut log = LogWriter::new(Pieces(Vec::new()), 0).unwrap();
        log.write(&report(0, &[1_000])).unwrap();
        log.write(&report(1, &[2_000])).unwrap();
        let pieces = log.into_inner().0;
        assert_eq!(pieces.len(), 3);
        assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")));
    }

    #[test]
    fn a_writer_that_fails_is_heard_of() {
        let mut room = [0_u8; 250];
        let mut log = LogWriter::new(room.as_mut_slice(), 0).unwrap();
        let error = (0..10).find_map(|index| log.write(&report(index, &[1_000])).err()).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_399, "Mon Feb 28 23:59:59 UTC 2000"),
            (951_782_400, "Tue Feb 29 00:00:00 UTC 2000"),
            (951_868_800, "Wed Mar 01 00:00:00 UTC 2000"),
            (1_704_067_199, "Sun Dec 31 23:59:59 UTC 2023"),
            (1_735_603_200, "Tue Dec 31 00:00:00 UTC 2024"),
            (4_107_542_400, "Mon Mar 01 00:00:00 UTC 2100"),
            (12_622_780_800, "Thu Jan 01 00:00:00 UTC 2370"),
        ] {
            assert_eq!(date(seconds), expected);
        }
        assert!(date(u64::MAX).contains("UTC 584554"), "{}", date(u64::MAX));
    }
}
