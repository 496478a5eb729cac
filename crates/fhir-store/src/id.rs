//! Ids that the server gives.
//!
//! An id is one AES block in 26 characters of base 32: a mark, the bucket of the person whose data
//! it is, the time and random bits, enciphered with a key of the database, so that equal buckets
//! and times don't show. Whoever has the key reads the bucket back.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use fhir_model::{Id, Instant};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;
const MARK: u16 = 0x4b31;

/// Part of a person's hash that places data; also the distribution key on PostgreSQL.
pub(crate) type Bucket = u16;

/// The bucket of a person.
pub(crate) fn bucket(person: i64) -> Bucket {
    let bytes = person.to_be_bytes();
    let [first, second, ..] = bytes;
    u16::from_be_bytes([first, second])
}

/// Makes and reads ids.
pub(crate) struct IdCipher {
    cipher: Aes128,
}

impl IdCipher {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { cipher: Aes128::new(&Array::from(key)) }
    }

    pub(crate) fn encipher(&self, bucket: Bucket, now: Instant, random: u64) -> Id {
        let plain = (u128::from(MARK) << 112)
            | (u128::from(bucket) << 96)
            | (u128::from((now.0 / 1000).cast_unsigned() & 0xffff_ffff_ffff) << 48)
            | u128::from(random & 0xffff_ffff_ffff);
        let mut block = Array::from(plain.to_be_bytes());
        self.cipher.encrypt_block(&mut block);
        let number = u128::from_be_bytes(block.into());
        let text: String = (0..LENGTH)
            .rev()
            .filter_map(|place| {
                let digit = usize::try_from((number >> (5 * place)) & 31).ok()?;
                ALPHABET.get(digit).map(|byte| char::from(*byte))
            })
            .collect();
        #[expect(clippy::expect_used, reason = "26 characters of the alphabet above are an id")]
        text.parse().expect("an enciphered id is a legal id")
    }

    /// The bucket inside an id that this database gave; `None` for any other id, but for one in
    /// 65,536 of those that only look alike.
    pub(crate) fn decipher(&self, id: &Id) -> Option<Bucket> {
        let text = id.as_str().as_bytes();
        if text.len() != LENGTH || text.first().is_none_or(|byte| !(b'0'..=b'7').contains(byte)) {
            return None;
        }
        let mut number: u128 = 0;
        for byte in text {
            let digit = ALPHABET.iter().position(|letter| letter == byte)?;
            number = (number << 5) | u128::try_from(digit).ok()?;
        }
        let mut block = Array::from(number.to_be_bytes());
        self.cipher.decrypt_block(&mut block);
        let [mark1, mark2, bucket1, bucket2, ..] = <[u8; 16]>::from(block);
        (u16::from_be_bytes([mark1, mark2]) == MARK).then(|| u16::from_be_bytes([bucket1, bucket2]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_their_bucket_and_hide_it() {
        let cipher = IdCipher::new([3; 16]);
        let now = Instant(1_790_000_000_000_000);
        let one = cipher.encipher(77, now, 1);
        let other = cipher.encipher(77, now, 2);
        assert_eq!(one.as_str().len(), 26);
        assert_eq!(cipher.decipher(&one), Some(77));
        assert_eq!(cipher.decipher(&other), Some(77));
        let common =
            one.as_str().bytes().zip(other.as_str().bytes()).take_while(|(a, b)| a == b).count();
        assert!(common < 8, "{one} {other}");
        assert_eq!(IdCipher::new([4; 16]).decipher(&one), None);
        assert_eq!(cipher.decipher(&"example".parse().unwrap()), None);
    }
}
