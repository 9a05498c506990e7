//! Which word a cluster is given.

use super::tally::Means;
use super::{Tally, Vocabulary};

/// A word sets a cluster apart if its contrast is this large: the least at which words on labelled folders (groceries, clothes,
/// CIFAR-10, fungi) were right more often than not.
const CONTRAST: f64 = 0.14;
/// ... and if the classifier gives a general word this much of the cluster: below, single images make the mean.
const MASS: f64 = 0.125;
/// The same for a class alone, and for a kind of a word that stands out itself: what ImageNet does not know (a tomato) looks a
/// little like many classes, and its kind is right where no class is (strawberry, fruit).
const SPECIFIC_MASS: f64 = 0.25;
/// What holds this much is what the cluster shows, whether or not others show it too.
const MOST: f64 = 0.5;
/// Of two words one above the other the specific one is taken if it holds this part of the other's mass ...
const SPECIFIC: f64 = 0.5;
/// ... and a word takes over from that of the largest contrast only if it has this part of it.
const NEARLY: f64 = 0.75;

/// A word for a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The word; where two clusters have the same, `general (specific)` if that tells them apart.
    pub word: String,
    /// Whether it stands for several classes.
    pub general: bool,
    /// Its mass: mean probability in the cluster, places left out, 0 to 1.
    pub share: f32,
    /// Mean square root of its probability, less that of the other clusters, -1 to 1.
    pub contrast: f32,
    /// Whether the contrast chose it; if not, it is only what most of the cluster shows, as other clusters may.
    pub stands_out: bool,
    /// The next word that sets the cluster apart and is no kind of the first, nor the first of it.
    pub runner_up: Option<String>,
}

impl Tally<'_> {
    /// A word for each cluster, or none.
    ///
    /// With `p(w)` an image's probability of a word (for a general one the sum over its classes), the mass of a word in cluster c is the
    /// mean of `p(w)` over its images, and its contrast
    ///
    /// `d(w, c) = mean over c of sqrt p(w) - mean over the other clusters of (mean over each of sqrt p(w))`,
    ///
    /// the difference of Hellinger's coordinates: bounded, so that no smoothing is needed, and every other cluster counts alike
    /// whatever its size. Of the general words of mass 0.125 or more and the classes of 0.25 or more the one of the largest contrast is taken if that is 0.14 or more. It goes
    /// up to its more general word while it holds less than half of that word's mass and that word has three quarters of its contrast or
    /// more (a cluster of many kinds), else down while a more specific one holds half of the mass, 0.25 or more, and three quarters
    /// of the contrast. Two limits keep it to what the photographs are of: where one tree of words holds half of the mass or more, the
    /// word comes from that tree; and things are seen in places (a shop, a stage), so a place must hold half of the mass, and below
    /// that the mass of every other word is taken as a part of what is no place.
    ///
    /// Where nothing stands out, the most specific word that holds half of the mass is taken (`stands_out` is false), else none.
    /// Noise, and images of which the classifier knows nothing, change no word of others.
    #[must_use]
    pub fn suggest(&self) -> Vec<Option<Suggestion>> {
        let (words, mut means) = (self.vocabulary(), self.means());
        means.iter_mut().flatten().for_each(|means| without_places(words, &mut means.mass));
        let chooser = Chooser { words };
        let everywhere = Others::of(means.iter().flatten(), words.len());
        let chosen: Vec<Option<(usize, bool)>> = means
            .iter()
            .map(|own| own.as_ref().and_then(|own| chooser.choose(own, everywhere.contrasts(own).as_deref())))
            .collect();
        let suggestion = |own: &Means, (place, stands_out): (usize, bool)| {
            let word = words.word(place);
            let shown = |place: usize| words.word(place).to_owned();
            let is_alike = |choice: &Option<(usize, bool)>| choice.is_some_and(|(other, _)| words.word(other) == word);
            let alike =
                means.iter().zip(&chosen).filter(|(_, choice)| is_alike(choice)).filter_map(|(own, _)| own.as_ref());
            let apart = Others::of(alike, words.len()).contrasts(own).filter(|_| stands_out);
            let kind = apart.and_then(|apart| chooser.kind_of(place, own, &apart));
            let contrasts = everywhere.contrasts(own);
            Suggestion {
                word: kind.map_or_else(|| word.to_owned(), |kind| format!("{word} ({})", shown(kind))),
                general: place >= words.n_classes(),
                share: own.mass[place] as f32,
                contrast: contrasts.as_ref().map_or(0.0, |contrasts| contrasts[place]) as f32,
                stands_out,
                runner_up: contrasts.and_then(|contrasts| chooser.next_to(place, own, &contrasts)).map(shown),
            }
        };
        means.iter().zip(&chosen).map(|(own, choice)| Some(suggestion(own.as_ref()?, (*choice)?))).collect()
    }
}

/// Some clusters, each of which is held against the rest of them.
struct Others {
    /// Sums of the clusters' mean roots, by word.
    sums: Vec<f64>,
    n: usize,
}

impl Others {
    fn of<'a>(clusters: impl Iterator<Item = &'a Means>, n_words: usize) -> Self {
        let mut all = Self { sums: vec![0.0; n_words], n: 0 };
        for cluster in clusters {
            all.sums.iter_mut().zip(&cluster.root).for_each(|(sum, root)| *sum += root);
            all.n += 1;
        }
        all
    }

    /// Of each word in one of these clusters against the mean of the others; nothing where there is no other.
    fn contrasts(&self, own: &Means) -> Option<Vec<f64>> {
        let n_others = self.n.checked_sub(1).filter(|&n| n > 0)? as f64;
        Some(own.root.iter().zip(&self.sums).map(|(own, sum)| own - (sum - own) / n_others).collect())
    }
}

/// Masses given that an image is not of a place, unless most of the cluster is.
fn without_places(words: &Vocabulary, mass: &mut [f64]) {
    let places: f64 = (0..words.n_classes()).filter(|&class| words.is_place(class)).map(|class| mass[class]).sum();
    if places < MOST {
        let others = (0..words.len()).filter(|&word| !words.is_place(word));
        others.for_each(|word| mass[word] /= 1.0 - places);
    }
}

struct Chooser<'a> {
    words: &'a Vocabulary,
}

impl Chooser<'_> {
    /// The word and whether it stands out.
    fn choose(&self, own: &Means, contrasts: Option<&[f64]>) -> Option<(usize, bool)> {
        let standing = contrasts.and_then(|contrasts| self.standing_out(&own.mass, contrasts));
        standing.map(|place| (place, true)).or_else(|| self.most(&own.mass).map(|place| (place, false)))
    }

    fn standing_out(&self, mass: &[f64], contrasts: &[f64]) -> Option<usize> {
        let ruling = largest(self.roots().filter(|&root| mass[root] >= MOST), mass);
        let may =
            |&word: &usize| mass[word] >= self.least(word) && ruling.is_none_or(|root| self.words.covers(root, word));
        let mut word = largest((0..self.words.len()).filter(may), contrasts)?;
        if contrasts[word] < CONTRAST {
            return None;
        }
        let takes_over = |general: usize, word: usize| {
            mass[word] < SPECIFIC * mass[general] && contrasts[general] >= (NEARLY * contrasts[word]).max(CONTRAST)
        };
        let start = word;
        while let Some(general) = self.words.above(word).filter(|&general| takes_over(general, word)) {
            word = general;
        }
        if word == start {
            let has_most = |below: usize, word: usize| {
                mass[below] >= (SPECIFIC * mass[word]).max(self.least(below)).max(SPECIFIC_MASS)
                    && contrasts[below] >= NEARLY * contrasts[word]
            };
            while let Some(below) = largest(self.below(word), mass).filter(|&below| has_most(below, word)) {
                word = below;
            }
        }
        Some(word)
    }

    /// The mass without which a word says nothing.
    fn least(&self, word: usize) -> f64 {
        match word {
            place if self.words.is_place(place) => MOST,
            class if class < self.words.n_classes() => SPECIFIC_MASS,
            _ => MASS,
        }
    }

    /// The most specific word of at least [`MOST`] of the mass.
    fn most(&self, mass: &[f64]) -> Option<usize> {
        let mut word = largest(self.roots(), mass).filter(|&root| mass[root] >= MOST)?;
        while let Some(below) = largest(self.below(word), mass).filter(|&below| mass[below] >= MOST) {
            word = below;
        }
        Some(word)
    }

    /// A kind of `place` that sets one cluster apart from the others of that name.
    fn kind_of(&self, place: usize, own: &Means, contrasts: &[f64]) -> Option<usize> {
        let is_kind = |&word: &usize| {
            self.words.covers(place, word)
                && self.words.word(word) != self.words.word(place)
                && own.mass[word] >= self.least(word)
        };
        largest((0..self.words.len()).filter(is_kind), contrasts).filter(|&word| contrasts[word] >= CONTRAST)
    }

    fn next_to(&self, place: usize, own: &Means, contrasts: &[f64]) -> Option<usize> {
        let is_other = |&word: &usize| {
            !self.words.covers(place, word) && !self.words.covers(word, place) && own.mass[word] >= self.least(word)
        };
        largest((0..self.words.len()).filter(is_other), contrasts).filter(|&word| contrasts[word] >= CONTRAST)
    }

    fn roots(&self) -> impl Iterator<Item = usize> {
        (0..self.words.len()).filter(|&word| self.words.above(word).is_none())
    }

    fn below(&self, general: usize) -> impl Iterator<Item = usize> {
        (0..self.words.len()).filter(move |&word| self.words.above(word) == Some(general))
    }
}

/// The place of the largest value, the first of several.
fn largest(places: impl Iterator<Item = usize>, values: &[f64]) -> Option<usize> {
    places.max_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: &str = "pug\tdog\tanimal\nbeagle\tdog\tanimal\nhusky\tdog\tanimal\nrobin\tbird\tanimal\nwren\tbird\tanimal\n\
                         strawberry\tfruit\tfood\nlemon\tfruit\tfood\npizza\tfood\nbakery\tplace\nplow\nspoon\n";

    fn words() -> Vocabulary {
        Vocabulary::parse(KINDS).expect("words")
    }

    /// An image's probabilities from those that are not near to nothing; the rest is shared by all classes.
    fn row(words: &Vocabulary, given: &[(&str, f32)]) -> Vec<f32> {
        let rest = (1.0 - given.iter().map(|(_, p)| p).sum::<f32>()) / words.n_classes() as f32;
        let mut row = vec![rest; words.n_classes()];
        for (name, p) in given {
            let class = (0..row.len()).find(|&class| words.word(class) == *name).expect("a class");
            row[class] += p;
        }
        row
    }

    /// Suggestions for clusters of one to three images each; the first of a pair is the cluster.
    fn suggested(n_clusters: usize, images: &[(i32, &[(&str, f32)])]) -> Vec<Option<Suggestion>> {
        let words = words();
        let mut tally = Tally::new(n_clusters, &words);
        images.iter().for_each(|(cluster, given)| tally.add(*cluster, &row(&words, given)));
        tally.suggest()
    }

    fn said(suggestions: &[Option<Suggestion>]) -> Vec<&str> {
        suggestions.iter().map(|suggestion| suggestion.as_ref().map_or("-", |suggestion| &suggestion.word)).collect()
    }

    #[test]
    fn a_cluster_of_one_class_is_called_by_it_and_one_of_many_by_their_kind() {
        let found = suggested(
            3,
            &[
                (0, &[("pizza", 0.9)]),
                (1, &[("pug", 0.8)]),
                (1, &[("beagle", 0.8)]),
                (1, &[("husky", 0.8)]),
                (2, &[("robin", 0.9)]),
            ],
        );
        assert_eq!(said(&found), ["pizza", "dog", "robin"]);
        let dog = found[1].as_ref().expect("a word");
        assert!(dog.general && dog.stands_out && !found[0].as_ref().expect("a word").general);
        // 0.8, and the rest's three of eleven classes.
        assert!((dog.share - (0.8 + 0.2 * 3.0 / 11.0) / (1.0 - 0.2 / 11.0)).abs() <= 1e-5, "{}", dog.share);
    }

    #[test]
    fn what_all_clusters_show_names_none_of_them_unless_it_is_most_of_what_is_there() {
        let food: [(&str, f32); 2] = [("lemon", 0.4), ("strawberry", 0.3)];
        let found = suggested(2, &[(0, &food), (1, &food)]);
        assert_eq!(said(&found), ["fruit", "fruit"]);
        assert!(found.iter().flatten().all(|suggestion| !suggestion.stands_out && suggestion.contrast.abs() <= 1e-6));
        assert_eq!(said(&suggested(2, &[(0, &[("lemon", 0.1)]), (1, &[("plow", 0.1)])])), ["-", "-"]);
    }

    #[test]
    fn an_uncertain_class_gives_way_to_its_kind() {
        // Tomatoes: a little of each fruit.
        let tomato: [(&str, f32); 3] = [("strawberry", 0.15), ("lemon", 0.14), ("spoon", 0.15)];
        assert_eq!(said(&suggested(2, &[(0, &tomato), (1, &[("pug", 0.9)])])), ["fruit", "pug"]);
    }

    #[test]
    fn clusters_of_one_word_are_told_apart_by_a_kind_where_there_is_one() {
        let few: [(&str, f32); 3] = [("pug", 0.1), ("beagle", 0.35), ("husky", 0.35)];
        let pugs: [(&str, f32); 3] = [("pug", 0.4), ("beagle", 0.25), ("husky", 0.25)];
        let found = suggested(3, &[(0, &few), (1, &pugs), (2, &[("plow", 0.9)])]);
        assert_eq!(said(&found), ["dog", "dog (pug)", "plow"]);
        assert_eq!(said(&suggested(3, &[(0, &few), (1, &few), (2, &[("plow", 0.9)])])), ["dog", "dog", "plow"]);
    }

    #[test]
    fn things_are_seen_in_places_and_places_are_named_where_they_are_most() {
        let market: [(&str, f32); 2] = [("bakery", 0.45), ("lemon", 0.3)];
        let hall: [(&str, f32); 1] = [("bakery", 0.8)];
        let found = suggested(3, &[(0, &market), (1, &hall), (2, &[("pug", 0.9)])]);
        assert_eq!(said(&found), ["lemon", "bakery", "pug"]);
    }

    #[test]
    fn noise_and_empty_clusters_change_nothing() {
        let images: [(i32, &[(&str, f32)]); 2] = [(0, &[("pizza", 0.9)]), (2, &[("pug", 0.9)])];
        let found = suggested(3, &images);
        assert_eq!(said(&found), ["pizza", "-", "pug"]);
        let noise: (i32, &[(&str, f32)]) = (-1, &[("pizza", 1.0)]);
        assert_eq!(suggested(3, &[noise, images[0], noise, images[1]]), found);
        assert_eq!(suggested(0, &[noise]), []);
    }

    #[test]
    fn one_cluster_alone_is_called_by_what_most_of_it_shows() {
        let found = suggested(1, &[(0, &[("pug", 0.3), ("beagle", 0.3)])]);
        let only = found[0].as_ref().expect("a word");
        assert!(only.word == "dog" && !only.stands_out && only.contrast == 0.0, "{only:?}");
    }
}
