//! Which of several kinds of codes of the same rows to cluster, told without labels.

use crate::choose_k::ChooseK;
use crate::error::{Error, Result, check_setting};
use crate::kmeans::KMeans;
use crate::metrics::{modularity, sampled_silhouette};
use crate::neighbors::{Metric, nearest, nearest_others};
use crate::random::Random;
use crate::reduce::Pca;
use crate::rows::{Codes, RowsView};

/// Neighbours of each row that are compared between a row and its view.
const NEIGHBORS: usize = 10;
/// Neighbours of each row in the graph on which clusters are judged, as where their number is chosen.
const GRAPH_NEIGHBORS: usize = 15;

/// One kind of codes to choose from.
#[derive(Debug, Clone, Copy)]
pub struct CodesCandidate<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The codes, `[n, dim]`.
    pub rows: RowsView<'a>,
    /// Codes of a random view of each row, `[n, dim]`, for the consistency of neighbours; every candidate has them or none.
    pub views: Option<RowsView<'a>>,
}

/// Settings of the choice.
#[derive(Debug, Clone, PartialEq)]
pub struct ChooseCodes {
    /// Clusters that the codes will be grouped into.
    pub n_clusters: usize,
    /// Principal components that rows are reduced to first.
    pub n_components: usize,
    /// Pairs of half samples whose clusterings are compared.
    pub n_resamples: usize,
    /// Rows looked at: more are sampled.
    pub max_rows: usize,
    /// What a later candidate's score must have above the first one's to be preferred: the first is the safe one.
    pub margin: f64,
    /// Seed of all random draws.
    pub seed: u64,
}

/// The evidence for one candidate, each figure better when larger.
#[derive(Debug, Clone, PartialEq)]
pub struct CodesScore {
    /// The candidate's name.
    pub name: String,
    /// Mean silhouette of its own clusters in its own reduced space, -1 to 1. Training on the rows raises it by itself.
    pub silhouette: f64,
    /// Mean adjusted Rand index of clusterings learnt from different halves of the rows.
    pub stability: f64,
    /// Mean silhouette of its own clusters in the reduced spaces of the *other* candidates, over that of their own clusters
    /// there: near 1 when every space agrees that these clusters are good, low when only its own space does.
    pub support: f64,
    /// Modularity of its own clusters on the graph of the *first* candidate's nearest rows: whether rows that were near before
    /// are together, beyond chance. Training on the rows does not raise it by itself.
    pub modularity: f64,
    /// Share of the nearest rows of a view that are also among the nearest of its row; none without views.
    pub consistency: Option<f64>,
    /// What the choice is made by.
    pub score: f64,
}

/// The choice and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenCodes {
    /// Index of the chosen candidate.
    pub chosen: usize,
    /// The evidence, in the order of the candidates.
    pub scores: Vec<CodesScore>,
    /// The choice and its reason in one sentence.
    pub words: String,
}

impl ChooseCodes {
    /// Settings for `n_clusters` clusters.
    #[must_use]
    pub fn new(n_clusters: usize) -> Self {
        Self { n_clusters, n_components: 32, n_resamples: 4, max_rows: 10_000, margin: 0.02, seed: 0 }
    }

    /// Scores every candidate and picks one.
    ///
    /// Every candidate is centred, scaled to unit rows and reduced to its first principal components, as it would be clustered.
    ///
    /// # Shapes
    /// - candidates: at least one, each of the same number of rows
    /// # Errors
    /// - no candidates, different numbers of rows, views of another shape than the rows, fewer than 4 rows, or `n_clusters`
    ///   outside `2..n`
    pub fn run(&self, candidates: &[CodesCandidate<'_>]) -> Result<ChosenCodes> {
        let n = candidates.first().ok_or(Error::Empty { what: "kinds of codes" })?.rows.len();
        check_setting(n >= 4, "rows", n, "at least 4")?;
        check_setting((2..n).contains(&self.n_clusters), "n_clusters", self.n_clusters, format!("2 to {}", n - 1))?;
        for candidate in candidates {
            if candidate.rows.len() != n {
                return Err(Error::Length {
                    what: "rows of a kind of codes",
                    found: candidate.rows.len(),
                    expected: n,
                });
            }
            if let Some(views) = candidate.views {
                views.require_dim("codes of views", candidate.rows.dim())?;
                if views.len() != n {
                    return Err(Error::Length { what: "codes of views", found: views.len(), expected: n });
                }
            }
        }
        let mut sample = Random::stream(self.seed, 0).sample(n, self.max_rows);
        sample.sort_unstable();
        let spaces =
            candidates.iter().map(|c| self.space(c.rows.gather(&sample).view())).collect::<Result<Vec<_>>>()?;
        let k = self.n_clusters.min(sample.len() - 1);
        let k_means = KMeans { n_init: 4, max_iter: 60, seed: self.seed, ..KMeans::new(k) };
        let mut partitions = Vec::with_capacity(spaces.len());
        for space in &spaces {
            let run = k_means.fit(space.view())?;
            partitions.push(run.assignments.iter().map(|&cluster| cluster as i32).collect::<Vec<_>>());
        }
        let near = nearest_others(spaces[0].view(), GRAPH_NEIGHBORS.min(sample.len() - 1), Metric::Cosine)?;
        let separation = |space: &Codes, labels: &[i32]| {
            // One cluster, or as many as rows, separates nothing.
            sampled_silhouette(space.view(), labels, Metric::Euclidean, (3000 / k).max(10), self.seed).unwrap_or(0.0)
        };
        let mut scores = Vec::with_capacity(candidates.len());
        for (at, candidate) in candidates.iter().enumerate() {
            let silhouette = separation(&spaces[at], &partitions[at]);
            let elsewhere: Vec<f64> = (0..spaces.len())
                .filter(|&other| other != at)
                .map(|other| {
                    separation(&spaces[other], &partitions[at])
                        / separation(&spaces[other], &partitions[other]).max(1e-3)
                })
                .collect();
            let support =
                if elsewhere.is_empty() { 1.0 } else { elsewhere.iter().sum::<f64>() / elsewhere.len() as f64 };
            let resampled = ChooseK { n_resamples: self.n_resamples, seed: self.seed, ..ChooseK::default() };
            let stability = resampled.stability(&spaces[at], k)?;
            let consistency = match candidate.views {
                Some(views) => {
                    Some(self.consistency(candidate.rows.gather(&sample).view(), views.gather(&sample).view())?)
                }
                None => None,
            };
            let score = stability;
            scores.push(CodesScore {
                name: candidate.name.to_owned(),
                silhouette,
                stability,
                support,
                modularity: modularity(&near, &partitions[at])?,
                consistency,
                score,
            });
        }
        let first = scores[0].score + self.margin;
        let best = (1..scores.len()).filter(|&at| scores[at].score >= first);
        let chosen =
            best.reduce(|best, next| if scores[next].score > scores[best].score { next } else { best }).unwrap_or(0);
        let words = words(chosen, &scores, self.margin);
        Ok(ChosenCodes { chosen, scores, words })
    }

    /// Centred unit rows in their first principal components.
    fn space(&self, rows: RowsView<'_>) -> Result<Codes> {
        let mut sums = vec![0.0_f64; rows.dim()];
        rows.iter().for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x)));
        let n = rows.len() as f64;
        let centred = rows.iter().flat_map(|row| row.iter().zip(&sums).map(|(&x, sum)| x - (sum / n) as f32));
        let unit = Codes::new(centred.collect(), rows.dim())?.view().normalized();
        Pca::fit(unit.view(), self.n_components, self.seed)?.transform(unit.view(), 0.0)
    }

    fn consistency(&self, rows: RowsView<'_>, views: RowsView<'_>) -> Result<f64> {
        let k = NEIGHBORS.min(rows.len() - 1);
        let own = nearest_others(rows, k, Metric::Cosine)?;
        // One more, for the row itself is its view's nearest as a rule and says nothing of neighbours.
        let seen = nearest(views, rows, k + 1, Metric::Cosine)?;
        let shared = |row: usize| {
            let kept = seen.indices_of(row).iter().filter(|&&other| other as usize != row).take(k);
            kept.filter(|other| own.indices_of(row).contains(other)).count()
        };
        Ok((0..rows.len()).map(shared).sum::<usize>() as f64 / (rows.len() * k) as f64)
    }
}

fn words(chosen: usize, scores: &[CodesScore], margin: f64) -> String {
    let figures = |s: &CodesScore| format!("{} {:.3}", s.name, s.score);
    let all = scores.iter().map(figures).collect::<Vec<_>>().join(", ");
    if chosen == 0 && scores.len() > 1 {
        format!("{} codes are kept: no other kind scores {margin:.2} higher without labels ({all})", scores[0].name)
    } else {
        format!("{} codes are taken: they score best without labels ({all})", scores[chosen].name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` rows around `k` centres whose distance is `spread` times the noise.
    fn rows(n: usize, k: usize, spread: f64, seed: u64) -> Codes {
        let mut random = Random::new(seed);
        let centers: Vec<f64> = (0..k * 16).map(|_| spread * random.normal()).collect();
        Codes::new((0..n * 16).map(|at| (centers[at / 16 % k * 16 + at % 16] + random.normal()) as f32).collect(), 16)
            .unwrap()
    }

    fn candidate<'a>(name: &'a str, rows: &'a Codes) -> CodesCandidate<'a> {
        CodesCandidate { name, rows: rows.view(), views: None }
    }

    #[test]
    fn codes_with_groups_are_preferred_to_codes_without() {
        let (cloud, groups) = (rows(300, 1, 0.0, 1), rows(300, 6, 3.0, 2));
        let found = ChooseCodes::new(6).run(&[candidate("cloud", &cloud), candidate("groups", &groups)]).unwrap();
        assert_eq!(found.chosen, 1, "{found:?}");
        assert!(found.words.contains("groups codes are taken"), "{}", found.words);
        let first = ChooseCodes::new(6).run(&[candidate("groups", &groups), candidate("cloud", &cloud)]).unwrap();
        assert_eq!(first.chosen, 0, "{first:?}");
    }

    #[test]
    fn modularity_is_judged_on_the_first_candidates_neighbours() {
        // Other groups, drawn apart so far that nothing looks more stable, have no neighbours of the first ones.
        let (groups, others) = (rows(300, 6, 3.0, 2), rows(300, 5, 30.0, 4));
        let found = ChooseCodes::new(6).run(&[candidate("groups", &groups), candidate("others", &others)]).unwrap();
        assert!(found.scores[0].modularity >= 0.7, "{found:?}");
        assert!(found.scores[1].modularity <= 0.1, "{found:?}");
    }

    #[test]
    fn the_first_candidate_wins_a_tie_and_the_words_say_so() {
        let groups = rows(200, 4, 3.0, 3);
        let found =
            ChooseCodes::new(4).run(&[candidate("untouched", &groups), candidate("backbone", &groups)]).unwrap();
        assert_eq!(found.chosen, 0);
        assert!(found.words.contains("untouched codes are kept"), "{}", found.words);
    }

    #[test]
    fn views_of_well_kept_neighbours_are_consistent() {
        let groups = rows(200, 4, 3.0, 3);
        let shifted = Codes::new(groups.data().iter().map(|x| x + 1e-4).collect(), 16).unwrap();
        let consistency = |views: &Codes| {
            let candidate = CodesCandidate { name: "", rows: groups.view(), views: Some(views.view()) };
            ChooseCodes::new(4).run(&[candidate]).unwrap().scores[0].consistency.unwrap()
        };
        assert!(consistency(&shifted) >= 0.99);
        assert!(consistency(&rows(200, 1, 0.0, 9)) <= 0.5);
    }

    #[test]
    fn tables_that_do_not_belong_together_are_refused() {
        let (a, b) = (rows(50, 2, 3.0, 1), rows(40, 2, 3.0, 1));
        assert!(ChooseCodes::new(2).run(&[]).is_err());
        assert!(ChooseCodes::new(2).run(&[candidate("a", &a), candidate("b", &b)]).is_err());
        assert!(ChooseCodes::new(50).run(&[candidate("a", &a)]).is_err());
        assert!(ChooseCodes::new(2).run(&[CodesCandidate { views: Some(b.view()), ..candidate("a", &a) }]).is_err());
    }
}
