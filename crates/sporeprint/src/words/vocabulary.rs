//! The words: a name for each class, and the general words above it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// ImageNet-1k's classes in their order.
const IMAGENET: &str = include_str!("imagenet.txt");

/// The general word of places, in which things are seen.
const PLACE: &str = "place";

/// A forest of words. The first `n_classes` are the classes in the order of the classifier's outputs; general words follow,
/// each after the words above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    /// The next more general word of each.
    above: Vec<Option<usize>>,
    n_classes: usize,
}

/// Why a text is no vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// A cell without a word.
    #[error("class {class}: found an empty word, expected `name<TAB>general<TAB>more general`")]
    Empty {
        /// Its place, from 0.
        class: usize,
    },
    /// A general word with two words above it.
    #[error("class {class}: found {general:?} below {found}, expected {expected} as for the classes before")]
    Ambiguous {
        /// Its place, from 0.
        class: usize,
        /// The word.
        general: String,
        /// What stands above it here.
        found: String,
        /// What stood above it first.
        expected: String,
    },
    /// Two classes of one name, which nobody could tell apart.
    #[error("class {class}: found the name {name:?} again, expected one of its own")]
    Twice {
        /// Its place, from 0.
        class: usize,
        /// The name.
        name: String,
    },
}

impl Vocabulary {
    /// Reads one class a line: its name, then general words from near to far, tabs between them. Empty lines and those that begin
    /// with `#` do not count. A class may be called as the word above it (`mushroom`).
    ///
    /// # Errors
    /// - a word is empty, a class's name is there twice, or a general word stands below different ones
    pub fn parse(text: &str) -> Result<Self, VocabularyError> {
        let lines: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|line| line.split('\t').map(str::trim).collect())
            .collect();
        let n_classes = lines.len();
        let mut words: Vec<String> = Vec::new();
        for (class, line) in lines.iter().enumerate() {
            if line.iter().any(|word| word.is_empty()) {
                return Err(VocabularyError::Empty { class });
            }
            words.push(line[0].to_owned());
        }
        let mut seen = BTreeMap::new();
        if let Some((class, name)) = words.iter().enumerate().find(|&(class, name)| seen.insert(name, class).is_some())
        {
            return Err(VocabularyError::Twice { class, name: name.clone() });
        }
        let mut above: Vec<Option<usize>> = vec![None; n_classes];
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (class, line) in lines.iter().enumerate() {
            let mut parent = None;
            for &general in line[1..].iter().rev() {
                let place = *places.entry(general).or_insert_with(|| {
                    words.push(general.to_owned());
                    above.push(parent);
                    words.len() - 1
                });
                if above[place] != parent {
                    let named =
                        |word: Option<usize>| word.map_or("nothing".to_owned(), |word| format!("{:?}", words[word]));
                    let (found, expected) = (named(parent), named(above[place]));
                    return Err(VocabularyError::Ambiguous { class, general: general.to_owned(), found, expected });
                }
                parent = Some(place);
            }
            above[class] = parent;
        }
        Ok(Self { words, above, n_classes })
    }

    /// The 1000 classes of ImageNet-1k.
    pub fn imagenet() -> &'static Self {
        static WORDS: LazyLock<Vocabulary> =
            LazyLock::new(|| Vocabulary::parse(IMAGENET).expect("a test parses the same text"));
        &WORDS
    }

    /// Classes, the first of the words.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Classes and general words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// A word.
    ///
    /// # Panics
    /// - if there is no such place
    #[must_use]
    pub fn word(&self, place: usize) -> &str {
        &self.words[place]
    }

    /// The next more general word.
    ///
    /// # Panics
    /// - if there is no such place
    #[must_use]
    pub fn above(&self, place: usize) -> Option<usize> {
        self.above[place]
    }

    /// Whether `general` is `place` or a word above it.
    pub(super) fn covers(&self, general: usize, place: usize) -> bool {
        std::iter::successors(Some(place), |&word| self.above[word]).any(|word| word == general)
    }

    /// Whether it is somewhere that things are, by a general word of that name.
    pub(super) fn is_place(&self, word: usize) -> bool {
        std::iter::successors(Some(word), |&word| self.above[word]).any(|word| self.words[word] == PLACE)
    }

    /// Sums over the classes below each word, from values of the classes.
    ///
    /// # Shapes
    /// - classes: `[n_classes]`, the result `[len]`
    pub(super) fn totals(&self, classes: &[f32]) -> Vec<f64> {
        let mut totals: Vec<f64> = classes.iter().copied().map(f64::from).collect();
        totals.resize(self.len(), 0.0);
        for (class, &value) in classes.iter().enumerate() {
            let value = f64::from(value);
            let mut word = self.above[class];
            while let Some(place) = word {
                totals[place] += value;
                word = self.above[place];
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_has_a_thousand_classes_in_the_order_of_their_synsets() {
        let words = Vocabulary::parse(IMAGENET).expect("a vocabulary");
        assert_eq!(words.n_classes(), 1000);
        // Places that other programs' lists agree on.
        for (class, name) in [
            (0, "tench"),
            (1, "goldfish"),
            (151, "Chihuahua"),
            (281, "tabby"),
            (404, "airliner"),
            (610, "T-shirt"),
            (817, "sports car"),
            (948, "apple"),
            (954, "banana"),
            (963, "pizza"),
            (992, "agaric"),
            (999, "toilet paper"),
        ] {
            assert_eq!(words.word(class), name);
        }
        let ends_in = |class: usize, root: &str| {
            let top = std::iter::successors(Some(class), |&word| words.above(word)).last().expect("itself");
            words.word(top) == root
        };
        assert!((0..398).all(|class| ends_in(class, "animal")));
        assert!((398..1000).all(|class| !ends_in(class, "animal")));
        assert!((991..998).all(|class| ends_in(class, "fungus")));
        assert!((151..269).all(|class| words.covers(dog(&words), class)) && !words.covers(dog(&words), 269));
    }

    fn dog(words: &Vocabulary) -> usize {
        (0..words.len()).find(|&word| words.word(word) == "dog").expect("a word")
    }

    #[test]
    fn sums_climb_to_every_general_word() {
        let words =
            Vocabulary::parse("# three\npug\tdog\tanimal\n\nbeagle\tdog\tanimal\nrobin\tanimal\n").expect("words");
        let totals = words.totals(&[0.5, 0.25, 0.125]);
        let named: Vec<(&str, f64)> = (0..words.len()).map(|word| (words.word(word), totals[word])).collect();
        assert_eq!(named, [("pug", 0.5), ("beagle", 0.25), ("robin", 0.125), ("animal", 0.875), ("dog", 0.75)]);
    }

    #[test]
    fn texts_that_contradict_themselves_are_refused_with_the_class() {
        let said = |text: &str| Vocabulary::parse(text).expect_err("refused").to_string();
        assert!(said("a\tb\tc\nd\tb\te\n").contains("class 1: found \"b\" below \"e\", expected \"c\""));
        assert!(said("a\tb\tc\nd\tb\n").contains("below nothing"));
        assert!(said("a\t\tc\n").contains("class 0: found an empty word"));
        assert!(said("a\tb\na\tb\n").contains("class 1: found the name \"a\" again"));
    }
}
