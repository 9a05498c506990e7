//! CLIP's byte-pair tokenizer, its vocabulary read from the files beside the weights.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::encoder::FrozenError;

/// Words to numbers.
///
/// Text is put in lower case and cut into contractions, runs of letters, single digits and runs of other signs; each is
/// spelled in bytes, and pairs are joined in the order of the merges.
///
/// # Reference
/// Sennrich et al. 2016, arXiv:1508.07909; `CLIPTokenizer` of transformers, which also composes accents (NFC) first.
#[derive(Debug)]
pub(super) struct Tokenizer {
    vocabulary: HashMap<String, u32>,
    ranks: HashMap<(String, String), usize>,
    start: u32,
    pub(super) end: u32,
}

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

impl Tokenizer {
    /// Reads `vocab.json` and `merges.txt`, or `tokenizer.json`, in the folder of the weights.
    ///
    /// # Errors
    /// - none of them is there, or one is not what its name says
    pub(super) fn beside(weights: &Path) -> Result<Self, FrozenError> {
        let place = |name: &str| weights.with_file_name(name);
        let (vocabulary, merges, path) = if place("vocab.json").exists() && place("merges.txt").exists() {
            let vocabulary = json(&place("vocab.json"))?;
            let lines = fs_err::read_to_string(place("merges.txt"))?;
            let merges: Vec<String> =
                lines.lines().filter(|line| !line.starts_with("#version")).map(str::to_owned).collect();
            (vocabulary, merges, place("vocab.json"))
        } else if place("tokenizer.json").exists() {
            let file = json(&place("tokenizer.json"))?;
            let model = &file["model"];
            let merges: Vec<String> = model["merges"].as_array().into_iter().flatten().filter_map(merge_line).collect();
            (model["vocab"].clone(), merges, place("tokenizer.json"))
        } else {
            let folder = weights.parent().unwrap_or(Path::new("")).to_owned();
            return Err(FrozenError::NoVocabulary { folder });
        };
        Self::new(&vocabulary, &merges).map_err(|reason| FrozenError::Vocabulary { path, reason })
    }

    fn new(vocabulary: &Value, merges: &[String]) -> Result<Self, String> {
        let words = vocabulary.as_object().ok_or("no table of words and numbers")?;
        let number = |(word, id): (&String, &Value)| Some((word.clone(), u32::try_from(id.as_u64()?).ok()?));
        let vocabulary: HashMap<String, u32> = words.iter().filter_map(number).collect();
        let special = |word: &str| vocabulary.get(word).copied().ok_or(format!("{word} is not in it"));
        let (start, end) = (special(START)?, special(END)?);
        let pair = |(rank, line): (usize, &String)| {
            let (left, right) = line.split_once(' ')?;
            Some(((left.to_owned(), right.to_owned()), rank))
        };
        let ranks: HashMap<_, _> = merges.iter().enumerate().filter_map(pair).collect();
        Ok(Self { vocabulary, ranks, start, end })
    }

    /// Refuses a vocabulary with numbers beyond the weights' words.
    ///
    /// # Errors
    /// - the largest number is not below `n_words`
    pub(super) fn check(&self, n_words: usize, weights: &Path) -> Result<(), FrozenError> {
        match self.vocabulary.values().max() {
            Some(&largest) if largest as usize >= n_words => {
                let reason = format!("its largest number is {largest}, but the weights have {n_words} words");
                Err(FrozenError::Vocabulary { path: weights.with_file_name("vocab.json"), reason })
            }
            _ => Ok(()),
        }
    }

    /// Numbers of a text between those of start and end, at most `longest` in all.
    pub(super) fn encode(&self, text: &str, longest: usize) -> Vec<u32> {
        let lower: String = text.chars().flat_map(char::to_lowercase).collect();
        let mut tokens = vec![self.start];
        for word in words(&lower) {
            match self.vocabulary.get(word) {
                Some(id) if [START, END].contains(&word) => tokens.push(*id),
                // A sign that the vocabulary has no bytes for reads as CLIP's unknown word, which is its end.
                _ => {
                    let parts = self.spell(word);
                    tokens.extend(parts.iter().map(|part| self.vocabulary.get(part).copied().unwrap_or(self.end)));
                }
            }
        }
        tokens.truncate(longest.saturating_sub(1).max(1));
        tokens.push(self.end);
        tokens
    }

    /// A word in the vocabulary's pieces.
    fn spell(&self, word: &str) -> Vec<String> {
        let mut parts: Vec<String> = word.bytes().map(|byte| letter(byte).to_string()).collect();
        if let Some(last) = parts.last_mut() {
            last.push_str("</w>");
        }
        loop {
            let rank = |pair: &[String]| self.ranks.get(&(pair[0].clone(), pair[1].clone())).copied();
            let Some(best) = parts.windows(2).filter_map(rank).min() else { return parts };
            let mut joined: Vec<String> = Vec::with_capacity(parts.len());
            let mut at = 0;
            while at < parts.len() {
                if parts.get(at..at + 2).and_then(rank) == Some(best) {
                    joined.push(format!("{}{}", parts[at], parts[at + 1]));
                    at += 2;
                } else {
                    joined.push(parts[at].clone());
                    at += 1;
                }
            }
            parts = joined;
        }
    }
}

/// Contractions, runs of letters, single digits, and runs of other signs; white space parts them and vanishes.
///
/// CLIP's pattern is `'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+`. Vowel signs count as letters here, which
/// keeps words of Indic scripts whole where the pattern cuts them.
fn words(text: &str) -> Vec<&str> {
    const WHOLE: [&str; 9] = [START, END, "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
    let is_letter = |c: char| c.is_alphabetic() && !c.is_numeric();
    let is_sign = |c: char| !c.is_whitespace() && !c.is_numeric() && !is_letter(c);
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let run = |belongs: &dyn Fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let length = if let Some(whole) = WHOLE.iter().find(|whole| rest.starts_with(**whole)) {
            whole.len()
        } else if is_letter(first) {
            run(&is_letter)
        } else if first.is_numeric() {
            first.len_utf8()
        } else {
            run(&is_sign)
        };
        let (word, after) = rest.split_at(length);
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// The visible letter that stands for a byte: itself where it can be seen, one from 256 on otherwise.
fn letter(byte: u8) -> char {
    let visible = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if visible(byte) {
        return char::from(byte);
    }
    let hidden_before = (0..byte).filter(|b| !visible(*b)).count() as u32;
    char::from_u32(256 + hidden_before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// `tokenizer.json` writes a merge as one text or, since 2024, as two.
fn merge_line(merge: &Value) -> Option<String> {
    match merge {
        Value::String(line) => Some(line.clone()),
        Value::Array(pair) => Some(format!("{} {}", pair.first()?.as_str()?, pair.get(1)?.as_str()?)),
        _ => None,
    }
}

fn json(path: &PathBuf) -> Result<Value, FrozenError> {
    let text = fs_err::read_to_string(path)?;
    serde_json::from_str(&text)
        .map_err(|error| FrozenError::Vocabulary { path: path.clone(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_the_numbers_that_transformers_gives_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference/transformers");
        let tokenizer = Tokenizer::beside(&folder.join("clip/model.safetensors")).expect("a vocabulary");
        let texts = fs_err::read_to_string(folder.join("clip_texts.json")).expect("texts");
        let texts: Value = serde_json::from_str(&texts).expect("JSON");
        for text in texts.as_array().expect("a list") {
            let expected: Vec<u32> = text["tokens"]
                .as_array()
                .expect("numbers")
                .iter()
                .map(|t| t.as_u64().expect("a number") as u32)
                .collect();
            let text = text["text"].as_str().expect("a text");
            assert_eq!(tokenizer.encode(text, 24), expected, "{text:?}");
        }
    }

    #[test]
    fn a_folder_without_a_vocabulary_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Tokenizer::beside(&folder.path().join("model.safetensors")).expect_err("nothing there").to_string();
        assert!(error.contains("vocab.json") && error.contains(&folder.path().display().to_string()), "{error}");
    }
}
