//! How fast a piece of work goes and how long it still takes, in words.

use std::time::Duration;

/// A piece of work as its bar began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Items in all.
    pub(super) total: u64,
    /// Items that were done before: an earlier process took the time for them.
    pub(super) first: u64,
}

impl Pace {
    /// `156/s, 12 s left` after `done` of the items in `elapsed`; nothing before an item of this process is done, and no time
    /// left where no work is.
    pub(super) fn in_words(self, done: u64, elapsed: Duration) -> String {
        let n_here = done.saturating_sub(self.first);
        if n_here == 0 || elapsed.is_zero() {
            return String::new();
        }
        let rate = n_here as f64 / elapsed.as_secs_f64();
        match self.total.saturating_sub(done) {
            0 => shown_rate(rate),
            left => format!("{}, {} left", shown_rate(rate), shown_duration(left as f64 / rate)),
        }
    }
}

/// Items a second in three digits; below one a second, seconds for each.
pub(super) fn shown_rate(rate: f64) -> String {
    if rate >= 1.0 { format!("{}/s", three_digits(rate)) } else { format!("{} s each", three_digits(1.0 / rate)) }
}

fn three_digits(number: f64) -> String {
    match number {
        n if n < 9.995 => format!("{n:.2}"),
        n if n < 99.95 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    }
}

/// Time that work which is left still takes: rounded up, so that it is never none.
fn shown_duration(seconds: f64) -> String {
    let seconds = (seconds.ceil() as u64).max(1);
    match (seconds / 3600, seconds.div_ceil(60)) {
        (_, 0..=1) => format!("{seconds} s"),
        (0, minutes @ 2..60) => format!("{minutes} min"),
        (_, minutes) => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(total: u64, first: u64, done: u64, seconds: f64) -> String {
        Pace { total, first }.in_words(done, Duration::from_secs_f64(seconds))
    }

    #[test]
    fn the_first_items_of_a_bar_already_tell_its_rate() {
        // The report of the first batch of an encoder that takes a minute for all.
        assert_eq!(after(99, 0, 64, 40.0), "1.60/s, 22 s left");
        assert_eq!(after(99, 0, 0, 40.0), "");
    }

    #[test]
    fn what_an_earlier_process_did_does_not_count() {
        assert_eq!(after(600, 580, 590, 5.0), "2.00/s, 5 s left");
        assert_eq!(after(600, 580, 580, 5.0), "");
    }

    #[test]
    fn there_is_time_left_while_there_is_work_left_and_none_afterwards() {
        assert_eq!(after(1000, 0, 999, 2.0), "500/s, 1 s left");
        assert_eq!(after(1000, 0, 1000, 2.0), "500/s");
    }

    #[test]
    fn rates_have_three_digits_and_slow_work_is_told_by_its_items() {
        let rates = [156.207_646, 5_805.3, 99.96, 12.345, 1.0, 0.25, 1.0 / 154.0].map(shown_rate);
        assert_eq!(rates, ["156/s", "5805/s", "100/s", "12.3/s", "1.00/s", "4.00 s each", "154 s each"]);
    }

    #[test]
    fn times_are_in_the_unit_that_people_say() {
        let times = [0.01, 60.0, 61.0, 3_540.0, 3_599.0, 3_600.0, 7_260.0].map(shown_duration);
        assert_eq!(times, ["1 s", "60 s", "2 min", "59 min", "1 h 00 min", "1 h 00 min", "2 h 01 min"]);
    }
}
