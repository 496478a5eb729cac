//! A decimal as a whole number and a power of ten, for arithmetic elsewhere.

use super::Decimal;

impl Decimal {
    /// The decimal `mantissa x 10^scale`, written to the last digit of the mantissa.
    #[must_use]
    pub fn from_parts(mantissa: i128, scale: i64) -> Self {
        let written = mantissa.unsigned_abs().to_string();
        let digits = written.bytes().map(|digit| digit - b'0').skip_while(|digit| *digit == 0);
        Self { negative: mantissa < 0, digits: digits.collect(), scale, is_bare_exponent: false }
    }

    /// The written digits as a whole number: `-1.20` gives -120. `None` where there are more than
    /// an `i128` holds.
    #[must_use]
    pub fn mantissa(&self) -> Option<i128> {
        let size = self.digits.iter().try_fold(0_i128, |value, digit| {
            value.checked_mul(10)?.checked_add(i128::from(*digit))
        })?;
        Some(if self.negative { -size } else { size })
    }

    /// The power of ten of the last written digit: `1.20` gives -2.
    #[must_use]
    pub const fn scale(&self) -> i64 {
        self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written_zeros_count() {
        let parts = |text: &str| {
            let decimal: Decimal = text.parse().unwrap();
            (decimal.mantissa(), decimal.scale())
        };
        assert_eq!(parts("-1.20"), (Some(-120), -2));
        assert_eq!(parts("0.00"), (Some(0), -2));
        assert_eq!(parts("5e3"), (Some(5), 3));
        assert_eq!(parts(&"9".repeat(40)).0, None);
    }

    proptest! {
        #[test]
        fn parts_make_the_same_decimal(mantissa in any::<i128>(), scale in -50_i64..50) {
            let decimal = Decimal::from_parts(mantissa, scale);
            prop_assert_eq!(decimal.mantissa(), Some(mantissa));
            prop_assert_eq!(decimal.scale(), scale);
        }
    }
}
