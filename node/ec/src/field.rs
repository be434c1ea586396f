//! The finite fields that codes calculate in: addition is XOR, multiplication goes modulo a polynomial.

use std::sync::LazyLock;

/// A field of 2^8 or 2^16 elements. Elements are kept as `u16` in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// GF(2^8) modulo 0x11d: one byte an element.
    Bits8,
    /// GF(2^16) modulo 0x1100b: two bytes an element, the lower one first.
    Bits16,
}

/// Powers of the generator 2, and which power each element is.
struct Powers {
    exp: Vec<u16>,
    log: Vec<u32>,
}

impl Powers {
    fn new(bits: u32, polynomial: u32) -> Self {
        let order = (1_u32 << bits) - 1;
        let mut powers =
            Self { exp: Vec::with_capacity(2 * order as usize), log: vec![0; order as usize + 1] };
        let mut element = 1_u32;
        for power in 0..order {
            powers.exp.push(element as u16);
            powers.log[element as usize] = power;
            element <<= 1;
            if element > order {
                element ^= polynomial;
            }
        }
        // twice, so that the sum of two logarithms needs no modulo
        powers.exp.extend_from_within(..);
        powers
    }
}

static POWERS_8: LazyLock<Powers> = LazyLock::new(|| Powers::new(8, 0x11d));
static POWERS_16: LazyLock<Powers> = LazyLock::new(|| Powers::new(16, 0x1100b));

impl Field {
    /// Bytes of an element.
    pub fn word_len(self) -> usize {
        match self {
            Self::Bits8 => 1,
            Self::Bits16 => 2,
        }
    }

    fn powers(self) -> &'static Powers {
        match self {
            Self::Bits8 => &POWERS_8,
            Self::Bits16 => &POWERS_16,
        }
    }

    /// The product of two elements.
    pub fn multiply(self, a: u16, b: u16) -> u16 {
        if a == 0 || b == 0 {
            return 0;
        }
        let powers = self.powers();
        powers.exp[(powers.log[a as usize] + powers.log[b as usize]) as usize]
    }

    /// What times `a` is 1. `a` is not 0.
    pub fn invert(self, a: u16) -> u16 {
        let powers = self.powers();
        let order = powers.exp.len() as u32 / 2;
        powers.exp[(order - powers.log[a as usize]) as usize]
    }

    /// Adds `factor` times the words of `from` to those of `to`. Both are as long, in whole words.
    pub fn add_product(self, to: &mut [u8], from: &[u8], factor: u16) {
        match (factor, self) {
            (0, _) => {}
            (1, _) => to.iter_mut().zip(from).for_each(|(to, from)| *to ^= from),
            (_, Self::Bits8) => {
                let products = self.products(factor, 0);
                to.iter_mut().zip(from).for_each(|(to, from)| *to ^= products[*from as usize] as u8);
            }
            (_, Self::Bits16) => {
                let (low, high) = (self.products(factor, 0), self.products(factor, 8));
                for (to, from) in to.chunks_exact_mut(2).zip(from.chunks_exact(2)) {
                    let product = low[from[0] as usize] ^ high[from[1] as usize];
                    let sum = u16::from_le_bytes([to[0], to[1]]) ^ product;
                    to.copy_from_slice(&sum.to_le_bytes());
                }
            }
        }
    }

    /// `factor` times each byte that stands `shift` bits up in a word.
    fn products(self, factor: u16, shift: u32) -> [u16; 256] {
        let mut products = [0; 256];
        for bit in 0..8 {
            let product = self.multiply(factor, 1 << (bit + shift));
            for lower in 0..1 << bit {
                products[(1 << bit) + lower] = products[lower] ^ product;
            }
        }
        products
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Multiplication as it is defined: shift and add.
    fn slowly(a: u32, b: u32, bits: u32, polynomial: u32) -> u16 {
        let (mut product, mut a) = (0, a);
        for bit in 0..bits {
            if b >> bit & 1 == 1 {
                product ^= a;
            }
            a <<= 1;
            if a >> bits == 1 {
                a ^= polynomial;
            }
        }
        product as u16
    }

    #[test]
    fn every_element_of_the_small_field() {
        for a in 0..256 {
            for b in 0..256 {
                assert_eq!(Field::Bits8.multiply(a, b), slowly(a.into(), b.into(), 8, 0x11d));
            }
        }
    }

    proptest! {
        #[test]
        fn the_large_field(a: u16, b: u16) {
            prop_assert_eq!(Field::Bits16.multiply(a, b), slowly(a.into(), b.into(), 16, 0x1100b));
            prop_assert!(a == 0 || Field::Bits16.multiply(a, Field::Bits16.invert(a)) == 1);
        }

        #[test]
        fn runs_of_words_are_words(factor: u16, words in prop::collection::vec(any::<(u16, u16)>(), 0..20)) {
            let bytes = |pick: fn(&(u16, u16)) -> u16| words.iter().flat_map(|w| pick(w).to_le_bytes()).collect::<Vec<_>>();
            let (mut to, from) = (bytes(|w| w.0), bytes(|w| w.1));
            Field::Bits16.add_product(&mut to, &from, factor);
            let expected = words.iter().map(|w| w.0 ^ Field::Bits16.multiply(factor, w.1));
            prop_assert_eq!(to, expected.flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        }
    }
}
