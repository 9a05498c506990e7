//! Entropies of partitions, in nats.

use super::contingency::Contingency;
use rayon::prelude::*;

/// `-sum p ln p`
pub(crate) fn entropy(counts: &[u64], total: u64) -> f64 {
    if counts.len() == 1 {
        return 0.0;
    }
    let n = total as f64;
    -counts.iter().filter(|&&c| c > 0).map(|&c| c as f64 / n * ((c as f64).ln() - n.ln())).sum::<f64>()
}

/// `sum p_ij ln(p_ij / (p_i p_j))`, never below zero.
pub(crate) fn mutual_information(table: &Contingency) -> f64 {
    if table.rows.len() == 1 || table.columns.len() == 1 {
        return 0.0;
    }
    let n = table.total as f64;
    let term = |&(i, j, count): &(usize, usize, u64)| {
        let count = count as f64;
        let outer = table.rows[i] as f64 * table.columns[j] as f64;
        let term = count / n * (count.ln() - n.ln()) + count / n * (2.0 * n.ln() - outer.ln());
        if term.abs() < f64::EPSILON { 0.0 } else { term }
    };
    table.cells.iter().map(term).sum::<f64>().max(0.0)
}

/// The mutual information to expect of random partitions with the same group sizes.
///
/// # Reference
/// Vinh, Epps and Bailey 2010, eq. 24a.
pub(crate) fn expected_mutual_information(table: &Contingency) -> f64 {
    let n = table.total;
    let largest = *table.rows.iter().chain(&table.columns).max().unwrap_or(&1);
    let ln_n = (n as f64).ln();
    let whole = ln_factorial(n);
    let counts: Vec<f64> = (0..=largest).map(ln_factorial).collect();
    let per_row: Vec<f64> = table
        .rows
        .par_iter()
        .map(|&a| {
            let mut sum = 0.0;
            for &b in &table.columns {
                let fixed = counts[a as usize] + counts[b as usize] + ln_factorial(n - a) + ln_factorial(n - b) - whole;
                for both in 1.max((a + b).saturating_sub(n))..=a.min(b) {
                    let ln_probability = fixed
                        - counts[both as usize]
                        - counts[(a - both) as usize]
                        - counts[(b - both) as usize]
                        - ln_factorial(n + both - a - b);
                    let information = ln_n + (both as f64).ln() - (a as f64).ln() - (b as f64).ln();
                    sum += both as f64 / n as f64 * information * ln_probability.exp();
                }
            }
            sum
        })
        .collect();
    per_row.iter().sum()
}

/// `ln n!`: the product itself for small numbers, Stirling's series above.
fn ln_factorial(n: u64) -> f64 {
    if n < 20 {
        return ((1..=n).product::<u64>() as f64).ln();
    }
    let x = n as f64 + 1.0;
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factorials_meet_where_the_series_begins() {
        let plain = |n: u64| (2..=n).map(|i| (i as f64).ln()).sum::<f64>();
        for n in [0, 1, 5, 19, 20, 21, 50, 1000] {
            assert!((ln_factorial(n) - plain(n)).abs() <= 1e-12 * plain(n).max(1.0), "{n}");
        }
    }
}
