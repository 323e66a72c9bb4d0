//! Words and tables that several subcommands share.

use serde_json::{Map, Value};
use zones_ips::{Fmri, Pattern, Timestamp};

use super::{Call, Stop, usage};

/// A size by 1024 with two decimals: `34.83 kB`.
#[expect(clippy::cast_precision_loss, reason = "a size for people")]
pub(super) fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.2} {}", units[unit]),
    }
}

/// Megabytes of 1024 squared with one decimal.
#[expect(clippy::cast_precision_loss, reason = "a size for people")]
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1_048_576.0)
}

/// `November 21, 2026 at 12:37:15 PM`.
pub(super) fn date(time: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let civil = time.civil();
    let month = usize::try_from(civil.month()).unwrap_or(1) - 1;
    let (hour, half) = match civil.hour() {
        0 => (12, "AM"),
        hour @ 1..12 => (hour, "AM"),
        12 => (12, "PM"),
        hour => (hour - 12, "PM"),
    };
    format!(
        "{} {:02}, {} at {hour:02}:{:02}:{:02} {half}",
        MONTHS[month],
        civil.day(),
        civil.year(),
        civil.minute(),
        civil.second()
    )
}

/// The name of a user; the number where it has none.
pub(super) fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let row = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    row.unwrap_or_else(|| uid.to_string())
}

/// Patterns from words.
pub(super) fn patterns<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Vec<Pattern>, Stop> {
    let parsed = words.into_iter().map(str::parse);
    let parsed: Result<Vec<Pattern>, _> = parsed.collect();
    parsed.map_err(|error: zones_ips::pattern::PatternError| super::failed(error))
}

/// Whether a package is one of those asked for; all are when nothing is asked.
pub(super) fn is_asked(patterns: &[Pattern], fmri: &Fmri) -> bool {
    patterns.is_empty() || patterns.iter().any(|it| it.match_fmri(fmri).is_some())
}

/// A table: for people, or for programs (`-F tsv`, `-F json`).
pub(super) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Least width of each column, where the reference fixes one.
    widths: Vec<usize>,
}

impl Table {
    pub(super) fn new(heads: &[&str], widths: &[usize]) -> Self {
        Self {
            heads: heads.iter().map(|it| (*it).to_owned()).collect(),
            rows: Vec::new(),
            widths: widths.to_vec(),
        }
    }

    pub(super) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        // A line of a table stays one line.
        let cell = |it: T| {
            let text: String = it.into();
            match text.contains(['\n', '\t']) {
                true => text.replace('\n', "\\n").replace('\t', "\\t"),
                false => text,
            }
        };
        self.rows.push(cells.into_iter().map(cell).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints it as the options of the call ask.
    pub(super) fn print(self, call: &Call<'_>) -> Result<(), Stop> {
        let has_heads = !call.words.has("no-headers");
        match call.words.value("format") {
            None => self.people(has_heads),
            Some("tsv") => {
                let heads = has_heads.then_some(&self.heads);
                heads
                    .into_iter()
                    .chain(&self.rows)
                    .for_each(|row| println!("{}", row.join("\t")));
            }
            Some("json") => self.json(),
            Some(other) => {
                return Err(usage(format!(
                    "unknown format '{other}'; it is tsv or json"
                )));
            }
        }
        Ok(())
    }

    fn people(&self, has_heads: bool) {
        let mut widths = self.widths.clone();
        widths.resize(self.heads.len(), 0);
        let shown = has_heads.then_some(&self.heads);
        let rows = || shown.into_iter().chain(&self.rows);
        if self.widths.is_empty() {
            for row in rows() {
                for (width, cell) in widths.iter_mut().zip(row) {
                    *width = (*width).max(cell.chars().count());
                }
            }
        }
        for row in rows() {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            println!("{}", line.join(" ").trim_end());
        }
    }

    fn json(&self) {
        let name = |head: &String| head.to_lowercase().replace([' ', '.'], "_");
        let row = |row: &Vec<String>| {
            let cells = self.heads.iter().zip(row);
            let cells = cells.map(|(head, cell)| (name(head), Value::String(cell.clone())));
            Value::Object(cells.collect::<Map<_, _>>())
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        println!("{}", Value::Array(rows));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_dates_read_as_the_reference_has_them() {
        let rows = [
            (0, "0 B"),
            (1023, "1023 B"),
            (35_666, "34.83 kB"),
            (1 << 31, "2.00 GB"),
        ];
        for (bytes, text) in rows {
            assert_eq!(size(bytes), text);
        }
        let rows = [
            ("20261121T123715Z", "November 21, 2026 at 12:37:15 PM"),
            ("20260101T000000Z", "January 01, 2026 at 12:00:00 AM"),
            ("20261231T235959Z", "December 31, 2026 at 11:59:59 PM"),
        ];
        for (time, text) in rows {
            assert_eq!(date(time.parse().unwrap()), text);
        }
    }
}
