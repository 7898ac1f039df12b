//! The date of a cookie's `Expires`, by the forgiving algorithm of RFC 6265 section 5.1.1.
//!
//! The date is taken apart at delimiters, and the first part in the shape of a time, a day, a month and a year is taken
//! for it, in this order, whatever else is there.

use crate::time::UnixTime;

/// The moment that a cookie date names, 1970 for what is earlier, or `None` if it names none.
pub(super) fn parse(text: &[u8]) -> Option<UnixTime> {
    let mut date = Date::default();
    for part in text.split(|&byte| is_delimiter(byte)) {
        date.take(part);
    }
    date.to_unix()
}

#[derive(Default)]
struct Date {
    time: Option<[i64; 3]>,
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
}

impl Date {
    fn take(&mut self, part: &[u8]) {
        if let (None, Some(time)) = (self.time, time(part)) {
            self.time = Some(time);
        } else if let (None, Some(day)) = (self.day, number(part, 1, 2)) {
            self.day = Some(day);
        } else if let (None, Some(month)) = (self.month, month(part)) {
            self.month = Some(month);
        } else if let (None, Some(year)) = (self.year, number(part, 2, 4)) {
            self.year = Some(year);
        }
    }

    fn to_unix(&self) -> Option<UnixTime> {
        let [hour, minute, second] = self.time?;
        let (day, month) = (self.day?, self.month?);
        let year = match self.year? {
            year @ 70..=99 => year + 1900,
            year @ 0..=69 => year + 2000,
            year => year,
        };
        let exists = (1..=days_in_month(year, month)).contains(&day);
        if !exists || year < 1601 || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        Some(UnixTime::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2F | 0x3B..=0x40 | 0x5B..=0x60 | 0x7B..=0x7E)
}

/// `hh:mm:ss`, each of one or two digits, the last of which anything but a digit may follow.
fn time(part: &[u8]) -> Option<[i64; 3]> {
    let mut fields = part.splitn(3, |&byte| byte == b':');
    let mut whole = || {
        let field = fields.next()?;
        field.iter().all(u8::is_ascii_digit).then_some(field)
    };
    let (hour, minute) = (number(whole()?, 1, 2)?, number(whole()?, 1, 2)?);
    Some([hour, minute, number(fields.next()?, 1, 2)?])
}

/// A number of so many digits, which anything but a digit may follow.
fn number(part: &[u8], least: usize, most: usize) -> Option<i64> {
    let count = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = part.get(..count)?;
    let fits = (least..=most).contains(&count);
    let append = |number: i64, digit: &u8| number * 10 + i64::from(digit - b'0');
    fits.then(|| digits.iter().fold(0, append))
}

/// The month from 1 to 12 whose first three letters begin the part.
fn month(part: &[u8]) -> Option<i64> {
    let start = part.get(..3)?;
    let mut names = MONTHS.iter();
    let before = names.position(|name| start.eq_ignore_ascii_case(*name))?;
    i64::try_from(before + 1).ok()
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, for years after 0.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let years = year - 1;
    let leap_days = years / 4 - years / 100 + years / 400;
    let in_months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    years * 365 + leap_days + in_months + day - 1 - DAYS_TO_1970
}

const DAYS_TO_1970: i64 = 719_162;

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_the_spellings_of_the_web_are_read() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 01-Jan-1970 00:00:01 GMT", 1),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("06 november 94 8:49:37z", 784_111_777),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Fri, 01 Jan 1960 00:00:00 GMT", 0),
            ("01 Jan 69 00:00:00", 3_124_224_000),
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Some(UnixTime::from_secs(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn dates_that_name_no_moment_are_refused() {
        for text in [
            "",
            "0",
            "-1",
            "session",
            "Sun, 06 Nov 1994 GMT",
            "Sun, 06 1994 08:49:37",
            "Nov 1994 08:49:37",
            "06 Nov 08:49:37",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 2023 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 1600 08:49:37 GMT",
            "Sun, 06 Nov 19945 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 008:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
