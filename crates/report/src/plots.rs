//! Line charts and histograms as SVG.
//!
//! Colours are variables with fallbacks: on the pages they follow the reader's light or dark setting, in a file of
//! their own ([`standalone`]) they are those of the light one.

use std::fmt::Write;

use super::escape::html_text;

const WIDTH: f64 = 640.;
const HEIGHT: f64 = 240.;
/// Room for numbers on the left and bottom, and air on the right and top.
const LEFT: f64 = 56.;
const RIGHT: f64 = 14.;
const TOP: f64 = 12.;
const BOTTOM: f64 = 34.;
/// A few bars are no walls.
const WIDEST_BAR: f64 = 64.;

/// Light colours of the series, used where no style sheet sets others.
const SERIES: [&str; 6] = ["#a8481f", "#2d6a8e", "#4c8a3f", "#8a5aa8", "#b58a1b", "#5f6b73"];

/// One named line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Points by rising x; a y that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
}

/// Draws lines over a common axis; `marked` puts a vertical line at an x.
///
/// The drawing carries a title and a description in words for those who cannot see it.
#[must_use]
pub fn line_chart(title: &str, x_name: &str, series: &[Series], marked: Option<f64>) -> String {
    let points = || series.iter().flat_map(|line| &line.points).filter(|point| point.1.is_finite());
    let x_range = range(points().map(|point| point.0).chain(marked));
    let y_range = padded(range(points().map(|point| point.1)));
    let words: Vec<_> = series
        .iter()
        .filter_map(|line| {
            let (first, last) = (line.points.first()?, line.points.last()?);
            Some(format!("{} from {} to {}", line.name, short(first.1), short(last.1)))
        })
        .collect();
    let mut plot = Plot::new(title, &words.join("; "), x_range, y_range);
    plot.y_axis();
    plot.x_axis(x_name);
    if let Some(x) = marked {
        let x = plot.x(x);
        let _ = write!(
            plot.svg,
            r#"<line x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{:.1}" stroke="var(--soft,#6b6157)" stroke-dasharray="4 4"/>"#,
            HEIGHT - BOTTOM
        );
    }
    for (number, line) in series.iter().enumerate() {
        let color = color(number);
        for run in line.points.split(|point| !point.1.is_finite()).filter(|run| !run.is_empty()) {
            let path: Vec<_> = run.iter().map(|&(x, y)| format!("{:.1},{:.1}", plot.x(x), plot.y(y))).collect();
            let _ = write!(
                plot.svg,
                r#"<polyline class="line" fill="none" stroke="{color}" stroke-width="2" points="{}"/>"#,
                path.join(" ")
            );
            if run.len() <= 40 {
                for &(x, y) in run {
                    let _ = write!(
                        plot.svg,
                        r#"<circle cx="{:.1}" cy="{:.1}" r="2.6" fill="{color}"><title>{}: {} at {}</title></circle>"#,
                        plot.x(x),
                        plot.y(y),
                        html_text(&line.name),
                        short(y),
                        short(x)
                    );
                }
            }
        }
    }
    if series.len() > 1 {
        let mut x = LEFT + 8.;
        for (number, line) in series.iter().enumerate() {
            let _ = write!(
                plot.svg,
                r#"<rect x="{x:.1}" y="{TOP}" width="10" height="10" rx="3" fill="{}"/><text x="{:.1}" y="{:.1}" {TEXT}>{}</text>"#,
                color(number),
                x + 15.,
                TOP + 9.5,
                html_text(&line.name)
            );
            x += 30. + 6.8 * line.name.chars().count() as f64;
        }
    }
    plot.finish()
}

/// Draws one bar per named value.
#[must_use]
pub fn bar_chart(title: &str, x_name: &str, bars: &[(String, f64)]) -> String {
    let most = bars.iter().map(|bar| bar.1).fold(0., f64::max);
    let words: Vec<_> =
        bars.iter().filter(|bar| bar.1 > 0.).map(|bar| format!("{}: {}", bar.0, short(bar.1))).collect();
    let mut plot = Plot::new(title, &words.join("; "), (0., bars.len().max(1) as f64), (0., nice_top(most)));
    // Bars count things: no half ones.
    plot.y_ticks(ticks(plot.y_range, 5).into_iter().filter(|tick| (tick - tick.round()).abs() < 1e-9).collect());
    let every = bars.len().div_ceil(12).max(1);
    for (number, (name, value)) in bars.iter().enumerate() {
        let middle = plot.x(number as f64 + 0.5);
        let half = ((plot.x(1.) - plot.x(0.)) * 0.4).min(WIDEST_BAR / 2.);
        let (left, right) = (middle - half, middle + half);
        let top = plot.y(*value);
        let _ = write!(
            plot.svg,
            r#"<rect x="{left:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" rx="2" fill="{}"><title>{}: {}</title></rect>"#,
            right - left,
            (HEIGHT - BOTTOM - top).max(0.),
            color(0),
            html_text(name),
            short(*value)
        );
        if number % every == 0 {
            let _ = write!(
                plot.svg,
                r#"<text x="{:.1}" y="{:.1}" text-anchor="middle" {TEXT}>{}</text>"#,
                (left + right) / 2.,
                HEIGHT - BOTTOM + 15.,
                html_text(name)
            );
        }
    }
    plot.x_name(x_name);
    plot.finish()
}

/// A chart as a file of its own: on white, with plain colours, because programs for drawing know no variables.
pub(super) fn standalone(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some((before, after)) = rest.split_once("var(") {
        let (inside, after) = after.split_once(')').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(inside.split_once(',').map_or(inside, |(_, fallback)| fallback));
        rest = after;
    }
    out.push_str(rest);
    let open = out.find('>').map_or(0, |end| end + 1);
    out.insert_str(open, &format!(r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>"##));
    out.replacen(" class=\"plot\"", &format!(" width=\"{WIDTH}\" height=\"{HEIGHT}\""), 1)
}

/// Counts whole numbers in classes of 1, 2, 3-4, 5-8, .. so that few and many show alike.
#[must_use]
pub fn doubling_classes(sizes: impl IntoIterator<Item = usize>) -> Vec<(String, f64)> {
    let mut counts: Vec<f64> = Vec::new();
    for size in sizes.into_iter().filter(|&size| size > 0) {
        let class = size.next_power_of_two().trailing_zeros() as usize;
        counts.resize(counts.len().max(class + 1), 0.);
        counts[class] += 1.;
    }
    let name = |class: usize| match class {
        0 | 1 => (class + 1).to_string(),
        _ => format!("{}–{}", (1usize << (class - 1)) + 1, 1usize << class),
    };
    counts.into_iter().enumerate().map(|(class, count)| (name(class), count)).collect()
}

/// A number in three or so digits.
#[must_use]
pub(crate) fn short(number: f64) -> String {
    let magnitude = number.abs();
    if !number.is_finite() {
        "–".to_owned()
    } else if number == number.round() && magnitude < 1e6 {
        format!("{number:.0}")
    } else if !(1e-3..1e6).contains(&magnitude) {
        format!("{number:.1e}")
    } else {
        let decimals = (2 - magnitude.log10().floor() as i32).clamp(0, 5) as usize;
        let text = format!("{number:.decimals$}");
        if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }
}

const TEXT: &str = r##"font-size="12" fill="var(--soft,#6b6157)""##;

fn color(number: usize) -> String {
    let number = number % SERIES.len();
    format!("var(--series-{},{})", number + 1, SERIES[number])
}

struct Plot {
    svg: String,
    x_range: (f64, f64),
    y_range: (f64, f64),
}

impl Plot {
    fn new(title: &str, words: &str, x_range: (f64, f64), y_range: (f64, f64)) -> Self {
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="Roboto,Helvetica,Arial,sans-serif"><title>{}</title><desc>{}</desc>"#,
            html_text(title),
            html_text(words)
        );
        Self { svg, x_range, y_range }
    }

    fn x(&self, x: f64) -> f64 {
        let (low, high) = self.x_range;
        LEFT + (WIDTH - LEFT - RIGHT) * if high > low { (x - low) / (high - low) } else { 0.5 }
    }

    fn y(&self, y: f64) -> f64 {
        let (low, high) = self.y_range;
        let share = if high > low { (y - low) / (high - low) } else { 0.5 };
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }

    fn y_axis(&mut self) {
        self.y_ticks(ticks(self.y_range, 5));
    }

    fn y_ticks(&mut self, ticks: Vec<f64>) {
        for tick in ticks {
            let y = self.y(tick);
            let _ = write!(
                self.svg,
                r##"<line class="axis" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}" stroke="var(--line,#e4ddd3)"/><text x="{:.1}" y="{:.1}" text-anchor="end" {TEXT}>{}</text>"##,
                WIDTH - RIGHT,
                LEFT - 8.,
                y + 4.,
                short(tick)
            );
        }
    }

    fn x_axis(&mut self, name: &str) {
        // Between whole numbers of epochs or clusters there is nothing.
        let whole = self.x_range.0.fract() == 0. && self.x_range.1.fract() == 0.;
        for tick in ticks(self.x_range, 8).into_iter().filter(|tick| !whole || (tick - tick.round()).abs() < 1e-9) {
            let _ = write!(
                self.svg,
                r#"<text x="{:.1}" y="{:.1}" text-anchor="middle" {TEXT}>{}</text>"#,
                self.x(tick),
                HEIGHT - BOTTOM + 15.,
                short(tick)
            );
        }
        self.x_name(name);
    }

    fn x_name(&mut self, name: &str) {
        let _ = write!(
            self.svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end" {TEXT}>{}</text>"#,
            WIDTH - RIGHT,
            HEIGHT - 4.,
            html_text(name)
        );
    }

    fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

fn range(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low > high { (0., 1.) } else { (low, high) }
}

fn padded((low, high): (f64, f64)) -> (f64, f64) {
    let room = if high > low { 0.06 * (high - low) } else { 0.5 * high.abs().max(1e-3) };
    // A quantity that is never negative keeps its axis at or above zero.
    (if low >= 0. { (low - room).max(0.) } else { low - room }, high + room)
}

fn nice_top(most: f64) -> f64 {
    if most <= 0. {
        1.
    } else {
        ticks((0., most), 4).last().map_or(most, |&last| if last < most { most * 1.05 } else { last })
    }
}

/// Round numbers inside a range, at most about `wanted` of them.
fn ticks((low, high): (f64, f64), wanted: usize) -> Vec<f64> {
    if high <= low || !(high - low).is_finite() {
        return vec![low];
    }
    let rough = (high - low) / wanted as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1., 2., 5., 10.].into_iter().map(|m| m * power).find(|&step| step >= rough).unwrap_or(10. * power);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fall_into_doubling_classes() {
        let classes = doubling_classes([1, 1, 2, 3, 4, 5, 8, 9, 0]);
        let expected = [("1", 2.), ("2", 1.), ("3–4", 2.), ("5–8", 2.), ("9–16", 1.)];
        assert_eq!(classes, expected.map(|(name, count)| (name.to_owned(), count)));
    }

    #[test]
    fn numbers_are_short() {
        let cases = [(0., "0"), (0.12345, "0.123"), (1234.5, "1234"), (1e-7, "1.0e-7"), (2.5, "2.5"), (f64::NAN, "–")];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn a_gap_splits_the_line_and_names_cannot_break_out() {
        let points = vec![(1., 1.), (2., f64::NAN), (3., 2.), (4., 3.)];
        let svg = line_chart("a <b>", "epoch", &[Series { name: "\"><script>".to_owned(), points }], None);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(!svg.contains("<script>") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_chart_for_a_paper_has_plain_colors() {
        let line = Series { name: "var(--x) (a)".to_owned(), points: vec![(1., 1.), (2., 3.)] };
        let svg = standalone(&line_chart("loss", "epoch", &[line.clone(), line], Some(1.5)));
        assert!(!svg.contains("var(") && svg.contains("stroke=\"#a8481f\""), "{svg}");
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"240\""), "{svg}");
    }

    #[test]
    fn degenerate_charts_hold_no_wild_numbers() {
        for points in [vec![], vec![(1., 5.)], vec![(1., 0.), (2., 0.)], vec![(1., f64::INFINITY)]] {
            let svg = line_chart("t", "x", &[Series { name: "y".to_owned(), points }], None);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        assert!(!bar_chart("t", "x", &[]).contains("NaN"));
    }
}
