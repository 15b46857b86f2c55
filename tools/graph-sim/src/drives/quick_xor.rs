//! Microsoft's quickXorHash: each byte is XORed into a 160-bit ring, 11 bits further on; the length
//! goes into the end.

use base64::{Engine, engine::general_purpose::STANDARD};

const WIDTH_BITS: usize = 160;
const SHIFT_BITS: usize = 11;

pub(crate) fn hash_base64(bytes: &[u8]) -> String {
    let mut ring = [0_u8; WIDTH_BITS / 8];
    // Byte i lands at bit 11*i mod 160. The positions repeat every 160 bytes, so bytes 160 apart
    // are folded first.
    let mut folded = [0_u8; WIDTH_BITS];
    for chunk in bytes.chunks(WIDTH_BITS) {
        for (f, b) in folded.iter_mut().zip(chunk) {
            *f ^= b;
        }
    }
    for (i, b) in folded.iter().enumerate() {
        let bit = i * SHIFT_BITS % WIDTH_BITS;
        let wide = u16::from(*b) << (bit % 8);
        ring[bit / 8] ^= wide as u8;
        ring[(bit / 8 + 1) % ring.len()] ^= (wide >> 8) as u8;
    }
    for (r, l) in ring[12..].iter_mut().zip((bytes.len() as u64).to_le_bytes()) {
        *r ^= l;
    }
    STANDARD.encode(ring)
}
