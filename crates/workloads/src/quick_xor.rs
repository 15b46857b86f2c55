use base64::{Engine, engine::general_purpose::STANDARD};

/// Microsoft's quickXorHash, fed piece by piece: a 160-bit register into which each byte goes 11
/// bits further on; at the end the length goes into the last 64 bits. (Microsoft, "Code snippet:
/// QuickXorHash algorithm".)
#[derive(Debug, Clone, Default)]
pub struct QuickXor {
    register: [u8; 20],
    bit: usize,
    length: u64,
}

impl QuickXor {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let (index, shift) = (self.bit / 8, self.bit % 8);
            self.register[index] ^= byte << shift;
            if shift > 0 {
                self.register[(index + 1) % 20] ^= byte >> (8 - shift);
            }
            self.bit += 11;
            if self.bit >= 160 {
                self.bit -= 160;
            }
        }
        self.length += bytes.len() as u64;
    }

    /// The hash as Graph writes it.
    pub fn finish(mut self) -> String {
        for (r, l) in self.register[12..].iter_mut().zip(self.length.to_le_bytes()) {
            *r ^= l;
        }
        STANDARD.encode(self.register)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_whole_agree_and_every_byte_counts() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| (n * 7) as u8).collect();
        let hash = |pieces: &[&[u8]]| {
            let mut h = QuickXor::default();
            pieces.iter().for_each(|p| h.update(p));
            h.finish()
        };
        let whole = hash(&[&bytes]);
        assert_eq!(whole, hash(&[&bytes[..3], &bytes[3..500], &bytes[500..]]));
        let mut other = bytes.clone();
        other[999] ^= 1;
        assert_ne!(whole, hash(&[&other]));
        assert_eq!(hash(&[]), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    }
}
