//! Tables as comma-separated values (RFC 4180): the data of a chart, and all measurements of a run.

use std::fmt::Write as _;

use crate::chart::ChartData;
use crate::fields::FIELDS;
use crate::ranking::Table;

/// The data of a chart.
#[must_use]
pub fn of_chart(data: &ChartData) -> String {
    let mut out = String::new();
    line(&mut out, data.columns.iter().map(String::as_str));
    for row in &data.rows {
        line(&mut out, row.iter().map(String::as_str));
    }
    out
}

/// The data of a chart as the target of a link, so that a page holds them itself (RFC 2397).
#[must_use]
pub fn link(data: &ChartData) -> String {
    let mut out = String::from("data:text/csv;charset=utf-8,");
    for byte in of_chart(data).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            // Writing to a string does not fail.
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

/// All measurements, a line each, in the [`FIELDS`].
#[must_use]
pub fn of_tables(tables: &[Table<'_>]) -> String {
    let mut out = String::new();
    line(&mut out, FIELDS.iter().map(|field| field.heading));
    for table in tables {
        for row in &table.rows {
            let cells: Vec<String> = FIELDS.iter().map(|field| (field.of)(table, row)).collect();
            line(&mut out, cells.iter().map(String::as_str));
        }
    }
    out
}

/// One line; a cell with a comma, a quotation mark or a line end stands in quotation marks.
fn line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            let _ = write!(out, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            out.push_str(cell);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        let text = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let data = ChartData { columns: text(&["server", "req/s"]), rows: vec![text(&["a \"b\"", "1,000"])] };
        assert_eq!(of_chart(&data), "server,req/s\r\n\"a \"\"b\"\"\",\"1,000\"\r\n");
        assert_eq!(
            link(&data),
            "data:text/csv;charset=utf-8,server%2Creq%2Fs%0D%0A%22a%20%22%22b%22%22%22%2C%221%2C000%22%0D%0A"
        );
    }
}
