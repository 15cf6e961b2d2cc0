//! A table on standard output: one heading, columns as wide as their widest cell, numbers to the right. Where a
//! cell has an aim, it says whether that is met.

use crate::compare::Figure;

/// Rows of one heading.
pub(crate) struct Table {
    heading: String,
    rows: Vec<Vec<String>>,
}

/// What a figure should not exceed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    None,
    /// In the figure's own unit.
    Value(f64),
    /// Times the floor.
    Ratio(f64),
}

impl Table {
    pub(crate) fn new(heading: &str, columns: &[&str]) -> Table {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Table {
            heading: heading.to_owned(),
            rows: vec![columns],
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    #[expect(
        clippy::print_stdout,
        reason = "the table is what the benchmark is for"
    )]
    pub(crate) fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        println!("\n{}", self.heading);
        for row in &self.rows {
            let mut line = String::from(" ");
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                line += &if column == 0 {
                    format!(" {cell:<width$}")
                } else {
                    format!("  {cell:>width$}")
                };
            }
            println!("{}", line.trim_end());
        }
    }
}

/// A value of which three digits matter.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => {
            let whole = format!("{:.0}", value.abs());
            let digits = whole.len();
            let mut grouped = String::new();
            for (index, digit) in whole.chars().enumerate() {
                if index > 0 && (digits - index) % 3 == 0 {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            if value < 0.0 {
                format!("-{grouped}")
            } else {
                grouped
            }
        }
    }
}

/// The value, the ratio, and whether the aim is met.
pub(crate) fn figure(figure: Option<Figure>, aim: Aim) -> String {
    let Some(Figure { value, ratio }) = figure else {
        return "-".to_owned();
    };
    let verdict = match aim {
        Aim::None => String::new(),
        Aim::Value(most) => judge(value, most, ""),
        Aim::Ratio(most) => judge(ratio, most, " x"),
    };
    format!("{} ({ratio:.2} x){verdict}", number(value))
}

/// A value without a floor, and whether the aim is met.
pub(crate) fn value(value: f64, aim: Aim) -> String {
    let verdict = if let Aim::Value(most) = aim {
        judge(value, most, "")
    } else {
        String::new()
    };
    number(value) + &verdict
}

fn judge(value: f64, most: f64, unit: &str) -> String {
    let verdict = if value <= most { "met" } else { "MISSED" };
    format!(" {verdict} <= {most}{unit}")
}
