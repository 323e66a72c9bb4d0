//! Tables of the packaging commands: padded, or for programs.

/// How a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Padded columns.
    Default,
    /// Columns between tabs.
    Tsv,
    /// JSON in one line.
    Json,
    /// JSON for people.
    JsonFormatted,
}

const FORMATS: [(&str, Format); 4] = [
    ("default", Format::Default),
    ("tsv", Format::Tsv),
    ("json", Format::Json),
    ("json-formatted", Format::JsonFormatted),
];

impl Format {
    /// The format of this name; the default one for none.
    pub(crate) fn named(name: Option<&str>) -> Result<Self, String> {
        let Some(name) = name else {
            return Ok(Self::Default);
        };
        let row = FORMATS.iter().find(|(known, _)| *known == name);
        row.map(|(_, format)| *format).ok_or_else(|| {
            let names = FORMATS.map(|(name, _)| name).join(", ");
            format!("Unrecognized format {name}.  Supported formats: {names}")
        })
    }
}

/// Columns with their least widths, and rows.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    pub(crate) columns: [(&'static str, usize); N],
    pub(crate) rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// The text of the table; without the first line where `has_head` is not set.
    pub(crate) fn text(&self, format: Format, has_head: bool) -> String {
        match format {
            Format::Default => self.padded(has_head),
            Format::Tsv => self.tabbed(has_head),
            Format::Json => format!("{}\n", serde_json::Value::Array(self.objects())),
            Format::JsonFormatted => {
                let text = serde_json::to_string_pretty(&self.objects());
                text.unwrap_or_default() + "\n"
            }
        }
    }

    fn lines(&self, has_head: bool) -> Vec<[&str; N]> {
        let head = self.columns.map(|(name, _)| name);
        let rows = self
            .rows
            .iter()
            .map(|row| row.each_ref().map(|cell| &**cell));
        has_head.then_some(head).into_iter().chain(rows).collect()
    }

    fn padded(&self, has_head: bool) -> String {
        let mut widths = self.columns.map(|(name, least)| name.len().max(least));
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for line in self.lines(has_head) {
            let cells = line
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join(" ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn tabbed(&self, has_head: bool) -> String {
        let lines = self.lines(has_head).into_iter();
        lines.map(|line| line.join("\t") + "\n").collect()
    }

    fn objects(&self) -> Vec<serde_json::Value> {
        let object = |row: &[String; N]| {
            let pairs = self.columns.iter().zip(row);
            let pairs = pairs.map(|((name, _), cell)| (name.to_lowercase(), cell.clone().into()));
            serde_json::Value::Object(pairs.collect())
        };
        self.rows.iter().map(object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_printed_for_people_and_programs() {
        let table = Table {
            columns: [("PUBLISHER", 0), ("STATUS", 16), ("UPDATED", 0)],
            rows: vec![["test".into(), "online".into(), "x\"y".into()]],
        };
        let text = "PUBLISHER STATUS           UPDATED\ntest      online           x\"y\n";
        assert_eq!(table.text(Format::Default, true), text);
        assert_eq!(table.text(Format::Tsv, false), "test\tonline\tx\"y\n");
        let json = "[{\"publisher\":\"test\",\"status\":\"online\",\"updated\":\"x\\\"y\"}]\n";
        assert_eq!(table.text(Format::Json, true), json);
        assert!(Format::named(Some("xml")).is_err());
    }
}
