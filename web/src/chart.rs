//! Charts as geometry: templates write it down as SVG.
//!
//! A chart has no text of its own. Labels are HTML beside it, so that they
//! keep their size when the drawing is stretched to the page, and colours are
//! classes, because the policy of the console forbids inline styles.

use std::fmt::Write as _;

use time::OffsetDateTime;

use crate::format::{Clock, Compact, Count};
use crate::usage::{HOURS, UsageDay};

/// A day as a small line, for a table cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sparkline {
    /// SVG path of the line.
    pub line: String,
    /// SVG path of the area below it.
    pub area: String,
    /// What the line shows, in words.
    pub summary: String,
}

impl Sparkline {
    /// Width of the drawing, in user units.
    pub const WIDTH: u32 = 115;
    /// Height of the drawing, in user units.
    pub const HEIGHT: u32 = 24;

    /// Messages in both directions, hour by hour. The highest hour fills the
    /// height: the line shows a shape; the numbers beside it show how much.
    pub fn messages(day: &UsageDay) -> Sparkline {
        let values: Vec<u64> = day.hours().map(|(_, usage)| usage.messages()).collect();
        let top = values.iter().copied().max().unwrap_or(0);
        let step = f64::from(Self::WIDTH) / (HOURS - 1) as f64;
        // One unit above and below leaves room for the width of the line.
        let (highest, lowest) = (1.0, f64::from(Self::HEIGHT) - 1.0);
        let mut line = String::new();
        for (index, value) in values.iter().enumerate() {
            let share = if top == 0 { 0.0 } else { *value as f64 / top as f64 };
            let (x, y) = (index as f64 * step, lowest - share * (lowest - highest));
            let _ = write!(line, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
        }
        let area = format!("{line}V{}H0Z", Self::HEIGHT);
        let summary = match day.total().messages() {
            0 => "no messages in the last 24 hours".to_owned(),
            total => format!("{} messages in the last 24 hours", Count(total)),
        };
        Sparkline { line, area, summary }
    }
}

/// A bar of an [`HourChart`], in user units from the upper left corner.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Height, down to the base line.
    pub height: f64,
    /// The style's class: `in` or `out`.
    pub class: &'static str,
    /// What the bar shows, for a pointer that rests on it.
    pub label: String,
}

/// A day of messages as bars, two for each hour: in and out.
#[derive(Clone, Debug, PartialEq)]
pub struct HourChart {
    /// Bars of hours in which there was something.
    pub bars: Vec<Bar>,
    /// The number at the upper edge.
    pub top: u64,
    /// Beginnings of the hours that are labelled, evenly spread from the left.
    pub labels: Vec<String>,
    /// What the chart shows, in words.
    pub summary: String,
}

impl HourChart {
    /// Width of the drawing, in user units; an hour takes 30.
    pub const WIDTH: u32 = 720;
    /// Height of the drawing, in user units.
    pub const HEIGHT: u32 = 160;
    /// Width of a bar.
    pub const BAR: u32 = 11;

    /// Draws the day.
    pub fn new(day: &UsageDay) -> HourChart {
        let highest = day
            .hours()
            .map(|(_, usage)| usage.messages_in.max(usage.messages_out))
            .max()
            .unwrap_or(0);
        let top = round_up(highest);
        let mut bars = Vec::new();
        let slot = f64::from(Self::WIDTH) / HOURS as f64;
        for (index, (hour, usage)) in day.hours().enumerate() {
            let left = index as f64 * slot + slot / 2.0 - f64::from(Self::BAR) - 0.5;
            for (class, word, value, x) in [
                ("in", "in", usage.messages_in, left),
                (
                    "out",
                    "out",
                    usage.messages_out,
                    left + f64::from(Self::BAR) + 1.0,
                ),
            ] {
                if value > 0 {
                    // A single message beside a million still leaves a mark.
                    let height = (value as f64 / top as f64 * f64::from(Self::HEIGHT)).max(2.0);
                    let y = f64::from(Self::HEIGHT) - height;
                    let label = format!("{}: {} messages {word}", hour_span(hour), Count(value));
                    bars.push(Bar {
                        x,
                        y,
                        height,
                        class,
                        label,
                    });
                }
            }
        }
        let labels = day
            .hours()
            .step_by(6)
            .map(|(hour, _)| Clock(hour).to_string()[..5].to_owned())
            .collect();
        let total = day.total();
        let summary = format!(
            "Messages by hour over the last 24 hours: {} in, {} out",
            Count(total.messages_in),
            Count(total.messages_out)
        );
        HourChart {
            bars,
            top,
            labels,
            summary,
        }
    }

    /// The number halfway up; whole, because `top` is even.
    pub fn middle(&self) -> u64 {
        self.top / 2
    }
}

/// An hour as people say it: `14:00 to 15:00 UTC`.
pub fn hour_span(hour: OffsetDateTime) -> String {
    let hour = hour.to_offset(time::UtcOffset::UTC).hour();
    format!("{hour:02}:00 to {:02}:00 UTC", (hour + 1) % 24)
}

/// A number of the scale, without the zeros that say nothing: `2M`, `400`.
pub fn tick(value: u64) -> String {
    let written = Compact(value).to_string();
    match written.find('.') {
        Some(_) => {
            let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let unit = &written[digits.len()..];
            format!("{}{unit}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        None => written,
    }
}

/// The next even, round number, from 2 upwards. Even, so that half of it is
/// whole: nobody sends half a message.
fn round_up(value: u64) -> u64 {
    let mut magnitude: u64 = 1;
    loop {
        for factor in [1, 2, 3, 4, 5, 6, 8] {
            match magnitude.checked_mul(factor) {
                Some(candidate) if candidate >= value && candidate.is_multiple_of(2) => return candidate,
                Some(_) => {}
                None => return u64::MAX - 1,
            }
        }
        magnitude = match magnitude.checked_mul(10) {
            Some(next) => next,
            None => return u64::MAX - 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::usage::Usage;

    #[test]
    fn scales_end_at_even_round_numbers() {
        let tops: Vec<u64> = [0, 1, 3, 9, 10, 11, 21, 4_100, 999_999].map(round_up).into();
        assert_eq!(tops, [2, 2, 4, 10, 10, 20, 30, 5_000, 1_000_000]);
        assert_eq!(round_up(u64::MAX), u64::MAX - 1);
        let ticks: Vec<String> = [2, 400, 5_000, 25_000, 3_000_000].map(tick).into();
        assert_eq!(ticks, ["2", "400", "5,000", "25k", "3M"]);
    }

    #[test]
    fn an_empty_day_is_a_flat_line_and_no_bars() {
        let day = UsageDay::new(datetime!(2026-11-21 09:30 UTC), []);
        let spark = Sparkline::messages(&day);
        assert!(spark.line.starts_with("M0.0 23.0L5.0 23.0"), "{}", spark.line);
        assert_eq!(spark.summary, "no messages in the last 24 hours");
        assert!(HourChart::new(&day).bars.is_empty());
    }

    #[test]
    fn the_highest_hour_fills_the_sparkline_and_the_smallest_still_shows_in_the_chart() {
        let now = datetime!(2026-11-21 09:30 UTC);
        let busy = Usage {
            messages_in: 1_000_000,
            messages_out: 1,
            ..Usage::default()
        };
        let day = UsageDay::new(now, [(now, busy)]);
        assert!(Sparkline::messages(&day).line.ends_with("L115.0 1.0"));
        let chart = HourChart::new(&day);
        assert_eq!(chart.top, 1_000_000);
        assert_eq!(chart.bars[0].height, 160.0);
        assert_eq!(chart.bars[1].height, 2.0);
        assert_eq!(chart.bars[1].label, "09:00 to 10:00 UTC: 1 messages out");
        assert_eq!(chart.labels, ["10:00", "16:00", "22:00", "04:00"]);
    }

    #[test]
    fn bars_stay_inside_the_drawing() {
        let now = datetime!(2026-11-21 23:59 UTC);
        let busy = Usage {
            messages_in: 7,
            messages_out: 9,
            ..Usage::default()
        };
        let day = UsageDay::new(
            now,
            UsageDay::new(now, [])
                .hours()
                .map(|(hour, _)| (hour, busy))
                .collect::<Vec<_>>(),
        );
        for bar in HourChart::new(&day).bars {
            assert!(
                bar.x >= 0.0 && bar.x + f64::from(HourChart::BAR) <= f64::from(HourChart::WIDTH),
                "{bar:?}"
            );
            assert!(bar.y >= 0.0, "{bar:?}");
        }
    }
}
