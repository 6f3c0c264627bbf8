//! Hashes under a key, for what must not be guessed from its hash: a number of a patient, a path.

use sha2::{Digest, Sha256};

use super::hex;

/// The first half of HMAC-SHA256 (RFC 2104) of a text, in 32 hexadecimal digits.
pub fn keyed_hash(key: &[u8], text: &str) -> String {
    hex(&hmac(key, text.as_bytes())[..16])
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    match key.len() {
        0..=64 => block[..key.len()].copy_from_slice(key),
        _ => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5C)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn the_keyed_hash_is_hmac_sha256() {
        let told = |key: &[u8], text: &[u8]| hex(&hmac(key, text));
        assert_eq!(
            told(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            told(&[0xAA; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
