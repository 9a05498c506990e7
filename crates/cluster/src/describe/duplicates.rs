//! Copies of the same photograph: re-saved, resized, slightly edited.

use crate::error::{Error, Result};
use crate::lanes;
use crate::neighbors::Neighbors;
use crate::rows::RowsView;
use std::collections::BTreeMap;

/// Perceptual hashes, one of `words` 64-bit words per image (1 for a 64-bit dHash, 4 for a 256-bit one).
#[derive(Debug, Clone, Copy)]
pub struct Hashes<'a> {
    bits: &'a [u64],
    words: usize,
}

impl<'a> Hashes<'a> {
    /// Views `bits` as hashes of `words` words.
    ///
    /// # Shapes
    /// - bits: `[n, words]`
    /// # Errors
    /// - `bits` is not a whole number of hashes
    pub fn new(bits: &'a [u64], words: usize) -> Result<Self> {
        if words == 0 || !bits.len().is_multiple_of(words) {
            return Err(Error::Shape { len: bits.len(), dim: words });
        }
        Ok(Self { bits, words })
    }

    fn len(&self) -> usize {
        self.bits.len() / self.words
    }

    fn of(&self, row: usize) -> &'a [u64] {
        &self.bits[row * self.words..(row + 1) * self.words]
    }

    fn difference(&self, a: usize, b: usize) -> u32 {
        self.of(a).iter().zip(self.of(b)).map(|(x, y)| (x ^ y).count_ones()).sum()
    }
}

/// When two images count as copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DuplicateRule {
    /// Least cosine of their codes.
    pub min_similarity: f32,
    /// Bits of the perceptual hash that may differ, where hashes are given.
    pub max_bits: u32,
}

impl Default for DuplicateRule {
    /// Cosine 0.95, 6 of 64 bits: a re-saved JPEG stays inside, the next frame of a burst mostly does not.
    fn default() -> Self {
        Self { min_similarity: 0.95, max_bits: 6 }
    }
}

/// Finds copies: `duplicate_of[i]` is the first image that image `i` is a copy of, none for the first of a group and for
/// images without copies.
///
/// Two images are copies when their codes are similar enough and, where hashes are given, their hashes too. Every copy
/// matches the first of its group directly, so groups do not grow by chains of small changes. Pairs come from the nearest
/// neighbours of the codes and from equal parts of the hashes, so copies are found in folders with many of them.
///
/// # Shapes
/// - rows: `[n, dim]`, near: of the rows among themselves, `[n, k]`, some ten each and in any metric; hashes: `[n, words]`,
///   result: `[n]`
/// # Errors
/// - another number of hashes or of lists of neighbours than rows
pub fn near_duplicates(
    rows: RowsView<'_>,
    near: &Neighbors,
    hashes: Option<Hashes<'_>>,
    rule: DuplicateRule,
) -> Result<Vec<Option<u32>>> {
    let n = rows.len();
    if let Some(hashes) = hashes.filter(|hashes| hashes.len() != n) {
        return Err(Error::Length { what: "perceptual hashes", found: hashes.len(), expected: n });
    }
    if n < 2 {
        return Ok(vec![None; n]);
    }
    if near.len() != n {
        return Err(Error::Length { what: "lists of neighbours", found: near.len(), expected: n });
    }
    let similarity = |a: u32, b: u32| {
        let (a, b) = (rows.row(a as usize), rows.row(b as usize));
        lanes::dispatch(|| lanes::dot(a, b) * lanes::inverse_length(a) * lanes::inverse_length(b))
    };
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for row in 0..n as u32 {
        let found = near.indices_of(row as usize).iter().map(|&j| ordered(row, j));
        pairs.extend(found.filter(|&(a, b)| similarity(a, b) >= rule.min_similarity));
    }
    if let Some(hashes) = hashes {
        pairs.retain(|&(a, b)| hashes.difference(a as usize, b as usize) <= rule.max_bits);
        pairs.extend(similar_hashes(hashes, rule.max_bits));
    }
    pairs.sort_unstable_by_key(|&(a, b)| (b, a));
    pairs.dedup();
    let mut first_of: Vec<Option<u32>> = vec![None; n];
    for (first, copy) in pairs {
        if first_of[first as usize].is_none()
            && first_of[copy as usize].is_none()
            && similarity(first, copy) >= rule.min_similarity
        {
            first_of[copy as usize] = Some(first);
        }
    }
    Ok(first_of)
}

fn ordered(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

/// Pairs of images whose hashes differ in at most `max_bits` bits.
///
/// Of `max_bits + 1` parts of two such hashes one is equal, so only images that share a part are compared. Images with equal
/// hashes are compared through the first of them: thousands of blank pictures stay cheap.
fn similar_hashes(hashes: Hashes<'_>, max_bits: u32) -> Vec<(u32, u32)> {
    let mut same: BTreeMap<&[u64], Vec<u32>> = BTreeMap::new();
    for row in 0..hashes.len() {
        same.entry(hashes.of(row)).or_default().push(row as u32);
    }
    let mut pairs: Vec<(u32, u32)> =
        same.values().flat_map(|rows| rows[1..].iter().map(|&row| (rows[0], row))).collect();
    let n_bits = hashes.words * 64;
    // Parts of more than 32 bits would not split the images any further.
    let n_parts = (max_bits as usize + 1).clamp(2, n_bits);
    for part in 0..n_parts {
        let (start, end) = (part * n_bits / n_parts, (part + 1) * n_bits / n_parts);
        let mut buckets: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (hash, rows) in &same {
            buckets.entry(bits_between(hash, start, end.min(start + 64))).or_default().push(rows[0]);
        }
        for bucket in buckets.values() {
            for (i, &a) in bucket.iter().enumerate() {
                let close = bucket[i + 1..].iter().filter(|&&b| hashes.difference(a as usize, b as usize) <= max_bits);
                for (first, other) in close.map(|&b| ordered(a, b)) {
                    pairs.extend(same[hashes.of(other as usize)].iter().map(|&row| (first, row)));
                }
            }
        }
    }
    pairs
}

/// Bits `start..end` of a hash, at most 64 of them.
fn bits_between(hash: &[u64], start: usize, end: usize) -> u64 {
    (start..end).fold(0, |value, bit| (value << 1) | (hash[bit / 64] >> (bit % 64) & 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::rows::Codes;

    fn noise(n: usize) -> Vec<f32> {
        let mut rng = Rng::seed_from_u64(9);
        (0..n * 16).map(|_| rng.normal() as f32).collect()
    }

    fn near(rows: &Codes) -> Neighbors {
        crate::nearest_others(rows.view(), 10, crate::Metric::Cosine).unwrap()
    }

    #[test]
    fn copies_point_to_the_first_of_their_group() {
        let mut data = noise(60);
        for copy in [20, 33, 59] {
            data.copy_within(5 * 16..6 * 16, copy * 16);
            data[copy * 16] += 0.01;
        }
        let rows = Codes::new(data, 16).unwrap();
        let found = near_duplicates(rows.view(), &near(&rows), None, DuplicateRule::default()).unwrap();
        for (row, first) in found.into_iter().enumerate() {
            assert_eq!(first, [20, 33, 59].contains(&row).then_some(5), "{row}");
        }
    }

    #[test]
    fn hashes_must_agree_where_they_are_given() {
        let mut data = noise(30);
        data.copy_within(0..32, 10 * 16);
        let rows = Codes::new(data, 16).unwrap();
        let mut rng = Rng::seed_from_u64(2);
        for words in [1, 4] {
            let mut bits: Vec<u64> = (0..30 * words).map(|_| rng.next_u64()).collect();
            bits.copy_within(0..words, 10 * words);
            bits[10 * words] ^= 0b1011 << 40;
            let hashes = Hashes::new(&bits, words).unwrap();
            let found = near_duplicates(rows.view(), &near(&rows), Some(hashes), DuplicateRule::default()).unwrap();
            // Rows 1 and 11 have equal codes but different hashes.
            assert_eq!((found[10], found[11]), (Some(0), None), "{words} words");
            assert_eq!(found.iter().flatten().count(), 1);
        }
    }

    #[test]
    fn many_equal_images_form_one_group_beyond_the_neighbours_looked_at() {
        let rows = Codes::new(noise(1).repeat(300), 16).unwrap();
        let bits = vec![0_u64; 300];
        let hashes = Hashes::new(&bits, 1).unwrap();
        let found = near_duplicates(rows.view(), &near(&rows), Some(hashes), DuplicateRule::default()).unwrap();
        assert_eq!(found[0], None);
        assert!(found[1..].iter().all(|&first| first == Some(0)));
    }

    #[test]
    fn pairs_by_parts_are_all_pairs() {
        let mut rng = Rng::seed_from_u64(5);
        let base: Vec<u64> = (0..20).map(|_| rng.next_u64()).collect();
        let mut bits = Vec::new();
        for i in 0..200 {
            let flips = (0..rng.below(8)).fold(0_u64, |flips, _| flips | 1 << rng.below(64));
            bits.push(base[i % 20] ^ flips);
        }
        let hashes = Hashes::new(&bits, 1).unwrap();
        let mut found = similar_hashes(hashes, 6);
        found.sort_unstable();
        found.dedup();
        let all = (0..200_u32).flat_map(|a| (a + 1..200).map(move |b| (a, b)));
        let expected: Vec<_> = all.filter(|&(a, b)| hashes.difference(a as usize, b as usize) <= 6).collect();
        let first_with = |row: u32| (0..200).find(|&other| bits[other] == bits[row as usize]).unwrap() as u32;
        for (a, b) in expected {
            let (first_a, first_b) = (first_with(a), first_with(b));
            // The lower of the two groups of equal hashes stands for all its rows.
            let pair = if first_a <= first_b { (first_a, b) } else { (first_b, a) };
            assert!(found.contains(&pair), "{pair:?}");
        }
    }
}
