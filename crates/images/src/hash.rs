//! Fingerprints of pictures and files: a perceptual one for near-duplicates, an exact one for copies.

use serde::{Deserialize, Serialize};

use super::resize::{Filter, resize};
use super::rgb::RgbView;

/// 256-bit difference hash of a picture; similar pictures differ in few bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DHash(pub [u64; 4]);

impl DHash {
    /// Number of bits that differ, 0 to 256. Re-saved and resized copies are a few apart, unrelated pictures near 128.
    pub fn distance(&self, other: &DHash) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// Whether the picture is flat: fewer than 16 bits are set, so that it resembles other flat ones whatever their colour.
    pub fn is_flat(&self) -> bool {
        self.weight() < 16
    }

    /// Number of bits set.
    pub fn weight(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// Difference hash: the picture resized to 17 x 16 grey values; one bit per neighbouring pair in a row, set where the
/// right one is darker by more than one level (so that coding noise in flat areas sets nothing).
///
/// # Panics
/// - when a side of the picture is 0
/// # Reference
/// Krawetz 2013, "Kind of like that" (dHash). Differs: 16 x 16 bits instead of 8 x 8, and the dead zone.
pub fn dhash(picture: RgbView<'_>) -> DHash {
    let small = resize(picture, 17, 16, Filter::Bilinear);
    let mut words = [0u64; 4];
    for y in 0..16 {
        let row: Vec<u32> = small.view().row(y).chunks_exact(3).map(luma).collect();
        for (x, pair) in row.windows(2).enumerate() {
            // Weights of luma sum to 1000.
            let darker = pair[0] > pair[1] + 1_000;
            words[(y * 16 + x) / 64] |= u64::from(darker) << ((y * 16 + x) % 64);
        }
    }
    DHash(words)
}

fn luma(rgb: &[u8]) -> u32 {
    299 * u32::from(rgb[0]) + 587 * u32::from(rgb[1]) + 114 * u32::from(rgb[2])
}

/// 64-bit XXH64 hash of a file's bytes with a seed, for exact copies and for the fingerprint of a cache.
///
/// # Reference
/// Collet, "xxHash fast digest algorithm", specification 0.1.1, XXH64.
pub fn content_hash(bytes: &[u8], seed: u64) -> u64 {
    const P: [u64; 5] = [
        0x9e37_79b1_85eb_ca87,
        0xc2b2_ae3d_27d4_eb4f,
        0x1656_67b1_9e37_79f9,
        0x85eb_ca77_c2b2_ae63,
        0x27d4_eb2f_1656_67c5,
    ];
    let round = |acc: u64, lane: u64| acc.wrapping_add(lane.wrapping_mul(P[1])).rotate_left(31).wrapping_mul(P[0]);
    let stripes = bytes.chunks_exact(32);
    let tail = stripes.remainder();
    let mut hash = seed.wrapping_add(P[4]);
    if bytes.len() >= 32 {
        let mut acc =
            [seed.wrapping_add(P[0]).wrapping_add(P[1]), seed.wrapping_add(P[1]), seed, seed.wrapping_sub(P[0])];
        for stripe in stripes {
            for (acc, lane) in acc.iter_mut().zip(stripe.chunks_exact(8)) {
                *acc = round(*acc, little_endian(lane));
            }
        }
        hash = [1, 7, 12, 18].iter().zip(acc).fold(0u64, |sum, (&bits, acc)| sum.wrapping_add(acc.rotate_left(bits)));
        for acc in acc {
            hash = (hash ^ round(0, acc)).wrapping_mul(P[0]).wrapping_add(P[3]);
        }
    }
    hash = hash.wrapping_add(bytes.len() as u64);
    let words = tail.chunks_exact(8);
    let mut rest = words.remainder();
    for word in words {
        hash = (hash ^ round(0, little_endian(word))).rotate_left(27).wrapping_mul(P[0]).wrapping_add(P[3]);
    }
    if rest.len() >= 4 {
        let word = little_endian(&rest[..4]);
        hash = (hash ^ word.wrapping_mul(P[0])).rotate_left(23).wrapping_mul(P[1]).wrapping_add(P[2]);
        rest = &rest[4..];
    }
    for &byte in rest {
        hash = (hash ^ u64::from(byte).wrapping_mul(P[4])).rotate_left(11).wrapping_mul(P[0]);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(P[1]);
    hash = (hash ^ (hash >> 29)).wrapping_mul(P[2]);
    hash ^ (hash >> 32)
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RgbImage;
    use sporeprint_cluster::Rng;

    /// Smooth random picture: a coarse grid of colours, enlarged.
    fn picture(seed: u64) -> RgbImage {
        let mut rng = Rng::new(seed);
        let coarse = RgbImage::new(9, 9, (0..9 * 9 * 3).map(|_| rng.next_u64() as u8).collect());
        resize(coarse.view(), 160, 120, Filter::Bilinear)
    }

    /// Values of the reference implementation (`xxhash` 3.5 for Python).
    #[test]
    fn content_hash_equals_the_published_one() {
        assert_eq!(content_hash(b"", 0), 0xef46_db37_51d8_e999);
        assert_eq!(content_hash(b"a", 0), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(content_hash(b"abc", 0), 0x44bc_2cf5_ad77_0999);
        let long = b"Nobody inspects the spammish repetition";
        assert_eq!(content_hash(long, 0), 0xfbce_a83c_8a37_8bf1);
        assert_ne!(content_hash(long, 0), content_hash(long, 1));
    }

    #[test]
    fn resized_copies_are_near_and_others_far() {
        let first = picture(1);
        let half = resize(first.view(), 80, 60, Filter::Bilinear);
        assert!(dhash(first.view()).distance(&dhash(half.view())) <= 6);
        assert!(dhash(first.view()).distance(&dhash(picture(2).view())) >= 60);
    }
}
