//! The best one-to-one matching of two sets.

/// Matches every row of a table to a different column so that the sum of the values is largest.
/// With more rows than columns some rows stay without one.
///
/// Shortest augmenting paths with potentials, `O(min^2 max)` steps.
///
/// # Shapes
/// - values: `[n_rows, n_columns]`, result: `[n_rows]`
/// # Reference
/// Kuhn 1955; Jonker and Volgenant 1987.
pub(crate) fn best_matching(values: &[i64], n_rows: usize, n_columns: usize) -> Vec<Option<usize>> {
    assert_eq!(values.len(), n_rows * n_columns, "one value per pair");
    if n_rows > n_columns {
        let transposed: Vec<i64> =
            (0..values.len()).map(|at| values[(at % n_rows) * n_columns + at / n_rows]).collect();
        let mut rows = vec![None; n_rows];
        for (column, row) in best_matching(&transposed, n_columns, n_rows).into_iter().enumerate() {
            if let Some(row) = row {
                rows[row] = Some(column);
            }
        }
        return rows;
    }
    // Rows and columns count from 1 here; 0 is the start of every path.
    let mut row_potential = vec![0_i64; n_rows + 1];
    let mut column_potential = vec![0_i64; n_columns + 1];
    let mut row_of = vec![0; n_columns + 1];
    let mut previous = vec![0; n_columns + 1];
    for row in 1..=n_rows {
        row_of[0] = row;
        let mut column = 0;
        let mut slack = vec![i64::MAX; n_columns + 1];
        let mut visited = vec![false; n_columns + 1];
        while row_of[column] != 0 {
            visited[column] = true;
            let at = row_of[column];
            let (mut step, mut next) = (i64::MAX, 0);
            for j in (1..=n_columns).filter(|&j| !visited[j]) {
                let reduced = -values[(at - 1) * n_columns + j - 1] - row_potential[at] - column_potential[j];
                if reduced < slack[j] {
                    slack[j] = reduced;
                    previous[j] = column;
                }
                if slack[j] < step {
                    (step, next) = (slack[j], j);
                }
            }
            for j in 0..=n_columns {
                if visited[j] {
                    row_potential[row_of[j]] += step;
                    column_potential[j] -= step;
                } else if slack[j] != i64::MAX {
                    slack[j] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[previous[column]];
            column = previous[column];
        }
    }
    let mut columns = vec![None; n_rows];
    for column in 1..=n_columns {
        if row_of[column] != 0 {
            columns[row_of[column] - 1] = Some(column - 1);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn best_by_trying(values: &[i64], n_rows: usize, n_columns: usize, row: usize, used: &mut Vec<bool>) -> i64 {
        if row == n_rows {
            return 0;
        }
        let mut best =
            if n_rows > n_columns { best_by_trying(values, n_rows, n_columns, row + 1, used) } else { i64::MIN };
        for column in 0..n_columns {
            if !used[column] {
                used[column] = true;
                let rest = best_by_trying(values, n_rows, n_columns, row + 1, used);
                used[column] = false;
                if rest > i64::MIN {
                    best = best.max(values[row * n_columns + column] + rest);
                }
            }
        }
        best
    }

    #[test]
    fn the_matching_is_the_best_of_all() {
        let mut rng = Rng::seed_from_u64(11);
        for (n_rows, n_columns) in [(1, 1), (3, 3), (4, 6), (6, 4), (5, 5), (1, 5), (5, 1)] {
            for _ in 0..20 {
                let values: Vec<i64> = (0..n_rows * n_columns).map(|_| rng.below(20) as i64).collect();
                let matching = best_matching(&values, n_rows, n_columns);
                let mut used: Vec<usize> = matching.iter().flatten().copied().collect();
                assert_eq!(used.len(), n_rows.min(n_columns));
                used.sort_unstable();
                used.dedup();
                assert_eq!(used.len(), n_rows.min(n_columns));
                let sum: i64 =
                    matching.iter().enumerate().filter_map(|(i, j)| Some(values[i * n_columns + (*j)?])).sum();
                let best = best_by_trying(&values, n_rows, n_columns, 0, &mut vec![false; n_columns]);
                assert_eq!(sum, best);
            }
        }
    }
}
