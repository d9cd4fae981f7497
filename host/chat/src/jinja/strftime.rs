//! `strftime_now`: the local time, written as Python's `datetime.now().strftime(...)` writes it.
//!
//! Python's time has no zone here, so `%z` and `%Z` are empty. The names are English.

use std::iter::Peekable;
use std::str::Chars;

use jiff::Zoned;
use jiff::fmt::strtime;

/// Maximum number of columns that a directive may ask for.
const MAX_WIDTH: usize = 999;

/// A time in the form of Python's `strftime`. A directive that does not exist stays as it is.
pub(super) fn strftime(form: &str, time: &Zoned) -> String {
    let mut written = String::new();
    let mut rest = form.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            written.push(c);
            continue;
        }
        let mut raw = String::from('%');
        let flags = Flags::read(&mut rest, &mut raw);
        match rest.next() {
            None => written.push_str(&raw),
            Some(directive) => match piece(directive, time) {
                Some(piece) => written.push_str(&flags.apply(directive, piece)),
                None => {
                    raw.push(directive);
                    written.push_str(&raw);
                }
            },
        }
    }
    written
}

/// What stands between the percent sign and the letter.
#[derive(Default)]
struct Flags {
    padding: Option<char>,
    is_upper: bool,
    is_swapped: bool,
    width: Option<usize>,
}

/// What a directive writes.
enum Piece {
    Text(String),
    /// A number, the width that it has without flags, and what fills it.
    Number(i64, usize, char),
}

impl Flags {
    fn read(rest: &mut Peekable<Chars<'_>>, raw: &mut String) -> Self {
        let mut flags = Self::default();
        while let Some(&c) = rest.peek() {
            match c {
                '-' | '_' => flags.padding = Some(c),
                '0' if flags.width.is_none() => flags.padding = Some('0'),
                '^' => flags.is_upper = true,
                '#' => flags.is_swapped = true,
                '0'..='9' => {
                    let digit = c.to_digit(10).unwrap_or(0) as usize;
                    let width = flags.width.unwrap_or(0) * 10 + digit;
                    flags.width = Some(width.min(MAX_WIDTH));
                }
                // Other forms of the locale, which English does not have.
                'E' | 'O' => {}
                _ => break,
            }
            raw.push(c);
            rest.next();
        }
        flags
    }

    fn apply(&self, directive: char, piece: Piece) -> String {
        let (text, width, fill) = match piece {
            Piece::Number(number, width, fill) => (number.to_string(), width, fill),
            Piece::Text(text) => (text, 0, ' '),
        };
        let text = match (self.is_swapped, directive) {
            (true, 'p') => text.to_lowercase(),
            (true, 'a' | 'A' | 'b' | 'B' | 'h') => text.to_uppercase(),
            _ if self.is_upper => text.to_uppercase(),
            _ => text,
        };
        let width = match self.padding {
            Some('-') => 0,
            _ => self.width.unwrap_or(width),
        };
        let fill = match self.padding {
            Some('_') => ' ',
            Some('0') => '0',
            _ => fill,
        };
        let missing = width.saturating_sub(text.chars().count());
        let filled: String = std::iter::repeat_n(fill, missing).collect();
        filled + &text
    }
}

/// What a directive writes, if it exists.
fn piece(directive: char, time: &Zoned) -> Option<Piece> {
    let number = |number: i64, width| Some(Piece::Number(number, width, '0'));
    let spaced = |number: i64| Some(Piece::Number(number, 2, ' '));
    let text = |text: &str| Some(Piece::Text(text.to_owned()));
    let composed = |form: &str| Some(Piece::Text(strftime(form, time)));
    let weekday = i64::from(time.weekday().to_sunday_zero_offset());
    let day_of_year = i64::from(time.day_of_year());
    let hour = i64::from(time.hour());
    let twelve = (hour + 11) % 12 + 1;
    let half = if hour < 12 { "AM" } else { "PM" };
    let week = time.date().iso_week_date();
    match directive {
        // Names, which are English there.
        'a' | 'A' | 'b' | 'B' | 'h' => text(&strtime::format(format!("%{directive}"), time).ok()?),
        'c' => composed("%a %b %e %H:%M:%S %Y"),
        'C' => number(i64::from(time.year()) / 100, 2),
        'd' => number(time.day().into(), 2),
        'D' | 'x' => composed("%m/%d/%y"),
        'e' => spaced(time.day().into()),
        // Microseconds, always six digits.
        'f' => number(i64::from(time.subsec_nanosecond()) / 1000, 6),
        'F' => composed("%Y-%m-%d"),
        'g' => number(i64::from(week.year()) % 100, 2),
        'G' => number(week.year().into(), 4),
        'H' => number(hour, 2),
        'I' => number(twelve, 2),
        'j' => number(day_of_year, 3),
        'k' => spaced(hour),
        'l' => spaced(twelve),
        'm' => number(time.month().into(), 2),
        'M' => number(time.minute().into(), 2),
        'n' => text("\n"),
        'p' => text(half),
        'P' => text(&half.to_lowercase()),
        'r' => composed("%I:%M:%S %p"),
        'R' => composed("%H:%M"),
        's' => number(time.timestamp().as_second(), 0),
        'S' => number(time.second().into(), 2),
        't' => text("\t"),
        'T' | 'X' => composed("%H:%M:%S"),
        'u' => number((weekday + 6) % 7 + 1, 1),
        'U' => number((day_of_year + 6 - weekday) / 7, 2),
        'V' => number(week.week().into(), 2),
        'w' => number(weekday, 1),
        'W' => number((day_of_year + 6 - (weekday + 6) % 7) / 7, 2),
        'y' => number(i64::from(time.year()) % 100, 2),
        'Y' => number(time.year().into(), 4),
        'z' | 'Z' => text(""),
        '%' => text("%"),
        _ => None,
    }
}
