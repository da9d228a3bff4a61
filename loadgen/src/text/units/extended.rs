//! The numbers in which wrk calculates.

use std::ops::{Add, Div, Mul};

/// A number that is not negative in the extended precision of x86: 64 bits of mantissa, rounded to nearest, ties to
/// even.
///
/// That is `long double` in C, and wrk calculates in it. With `f64`, one in twenty figures in milliseconds would end in
/// another digit: 885 us lie a little above 0.885 ms in the one and a little below in the other, and read 0.89 or 0.88.
// The order of the fields makes the order of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::text) struct Extended {
    exponent: i32,
    /// Its highest bit is set unless the number is 0.
    mantissa: u64,
}

impl Extended {
    pub(in crate::text) const ZERO: Self = Self { exponent: i32::MIN, mantissa: 0 };

    /// `integer` x 2^`exponent`; a little more, by less than 2^`exponent`, if `is_more`. Then `integer` must have more
    /// than 64 bits.
    fn rounded(integer: u128, exponent: i32, is_more: bool) -> Self {
        let bits = 128 - integer.leading_zeros();
        if bits == 0 {
            return Self::ZERO;
        }
        if bits <= 64 {
            let missing = 64 - bits;
            return Self { exponent: exponent.saturating_sub_unsigned(missing), mantissa: (integer as u64) << missing };
        }
        let surplus = bits - 64;
        let exponent = exponent.saturating_add_unsigned(surplus);
        match u64::try_from(without_bits(integer, surplus, is_more)) {
            Ok(mantissa) => Self { exponent, mantissa },
            // It was rounded up to the next power of two.
            Err(_) => Self { exponent: exponent.saturating_add(1), mantissa: 1 << 63 },
        }
    }

    /// Both mantissas for one exponent, that exponent, and whether the second one is a little more than that. The first
    /// number must not be the smaller one.
    fn aligned(self, smaller: Self) -> (u128, u128, i32, bool) {
        const ROOM: u32 = 62;
        let (first, second) = (u128::from(self.mantissa) << ROOM, u128::from(smaller.mantissa) << ROOM);
        let distance = self.exponent.abs_diff(smaller.exponent);
        let moved = second.checked_shr(distance).unwrap_or(0);
        let is_more = moved.checked_shl(distance).unwrap_or(0) != second;
        (first, moved, self.exponent.saturating_sub_unsigned(ROOM), is_more)
    }

    /// 0 where `other` is the larger one.
    pub(in crate::text) fn saturating_sub(self, other: Self) -> Self {
        if other >= self {
            return Self::ZERO;
        }
        let (first, second, exponent, is_more) = self.aligned(other);
        Self::rounded(first - second - u128::from(is_more), exponent, is_more)
    }

    pub(in crate::text) fn distance(self, other: Self) -> Self {
        self.max(other).saturating_sub(self.min(other))
    }

    pub(in crate::text) fn square_root(self) -> Self {
        // Half of the exponent has to be a whole number.
        let shift = if self.exponent % 2 == 0 { 64 } else { 63 };
        let square = u128::from(self.mantissa) << shift;
        let root = square.isqrt();
        let rest = square - root * root;
        // One more bit of the root, which is set where the square of another half still fits in.
        Self::rounded((root << 1) + u128::from(rest > root), self.exponent.saturating_sub(shift) / 2 - 1, rest > 0)
    }

    /// Rounded as by C's `printf`: what lies exactly in the middle goes to the even digit.
    pub(in crate::text) fn to_decimals(self, decimals: usize) -> String {
        let power = 10u128.pow(decimals as u32);
        let all = u128::from(self.mantissa) * power;
        let distance = self.exponent.unsigned_abs();
        let rounded = match self.exponent {
            0.. => 1u128.checked_shl(distance).and_then(|shifted| all.checked_mul(shifted)).unwrap_or(u128::MAX),
            -127..0 => without_bits(all, distance, false),
            _ => 0,
        };
        match decimals {
            0 => rounded.to_string(),
            _ => format!("{}.{:0decimals$}", rounded / power, rounded % power),
        }
    }
}

/// `integer` without its last `bits`, 1 to 127 of them, rounded to nearest, ties to even. `is_more` is that of
/// [`Extended::rounded`].
fn without_bits(integer: u128, bits: u32, is_more: bool) -> u128 {
    let (kept, dropped, half) = (integer >> bits, integer & ((1 << bits) - 1), 1 << (bits - 1));
    let is_up = dropped > half || (dropped == half && (is_more || kept % 2 == 1));
    kept + u128::from(is_up)
}

impl From<u128> for Extended {
    fn from(integer: u128) -> Self {
        Self::rounded(integer, 0, false)
    }
}

impl From<u64> for Extended {
    fn from(integer: u64) -> Self {
        u128::from(integer).into()
    }
}

/// Exact. Neither sign nor infinity are known here.
impl From<f64> for Extended {
    fn from(number: f64) -> Self {
        const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
        let bits = number.to_bits();
        let (exponent, fraction) = ((bits >> MANTISSA & 0x7ff) as i32, bits & ((1 << MANTISSA) - 1));
        let (mantissa, exponent) = if exponent == 0 { (fraction, 1) } else { (fraction | 1 << MANTISSA, exponent) };
        Self::rounded(mantissa.into(), exponent - 1023 - MANTISSA as i32, false)
    }
}

impl Add for Extended {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (first, second, exponent, is_more) = self.max(other).aligned(self.min(other));
        Self::rounded(first + second, exponent, is_more)
    }
}

impl Mul for Extended {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let product = u128::from(self.mantissa) * u128::from(other.mantissa);
        Self::rounded(product, self.exponent.saturating_add(other.exponent), false)
    }
}

impl Div for Extended {
    type Output = Self;

    /// # Panics
    /// Panics when `other` is 0.
    fn div(self, other: Self) -> Self {
        const MORE: u32 = 32;
        let divisor = u128::from(other.mantissa);
        let all = u128::from(self.mantissa) << 64;
        let rest = (all % divisor) << MORE;
        let quotient = ((all / divisor) << MORE) + rest / divisor;
        let exponent = self.exponent.saturating_sub(other.exponent).saturating_sub(64 + MORE as i32);
        Self::rounded(quotient, exponent, !rest.is_multiple_of(divisor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Extended = number(1 << 63, -63);
    const LAST: u64 = u64::MAX;

    const fn number(mantissa: u64, exponent: i32) -> Extended {
        Extended { exponent, mantissa }
    }

    #[test]
    fn results_are_those_of_long_double() {
        let of = |integer: u64| Extended::from(integer);
        for (result, expected) in [
            (of(LAST) + of(1), number(1 << 63, 1)),
            (ONE + number(1 << 63, -127), ONE),
            (number(1 << 63 | 1, -63) + number(1 << 63, -127), number(1 << 63 | 2, -63)),
            (number(1 << 63 | 1, -63) + number(LAST, -128), number(1 << 63 | 1, -63)),
            (ONE.saturating_sub(number(1 << 63, -127)), number(LAST, -64)),
            (ONE.saturating_sub(number(3 << 62, -128)), number(LAST, -64)),
            (ONE.saturating_sub(number(1 << 63, -128)), ONE),
            (ONE.saturating_sub(number(1 << 63, -133)), ONE),
            (of(3).saturating_sub(of(4)), Extended::ZERO),
            (of(3).distance(of(4)), ONE),
            (of(LAST) * of(LAST), number(LAST - 1, 64)),
            (of(1) / of(3), number(0xaaaa_aaaa_aaaa_aaab, -65)),
            (of(2) / of(3), number(0xaaaa_aaaa_aaaa_aaab, -64)),
            (of(2).square_root(), number(0xb504_f333_f9de_6484, -63)),
            (of(8).square_root(), number(0xb504_f333_f9de_6484, -62)),
            (of(144).square_root(), of(12)),
            (0.1.into(), number(0xcccc_cccc_cccc_d000, -67)),
            (1e6.into(), of(1_000_000)),
        ] {
            assert_eq!(result, expected);
        }
    }

    #[test]
    fn nothing_changes_nothing() {
        let (none, third) = (Extended::ZERO, ONE / 3u64.into());
        assert_eq!((none + third, third + none, none + none), (third, third, none));
        assert_eq!((third.distance(none), third.distance(third)), (third, none));
        assert_eq!((none * third, none / third, none.square_root()), (none, none, none));
        assert_eq!((Extended::from(0u64), Extended::from(0.0)), (none, none));
    }

    #[test]
    fn the_order_is_that_of_the_numbers() {
        let third = ONE / 3u64.into();
        let ascending = [Extended::ZERO, f64::MIN_POSITIVE.into(), third, third + third, ONE, 3u64.into(), 4u64.into()];
        assert!(ascending.is_sorted_by(|first, second| first < second), "{ascending:?}");
    }

    #[test]
    fn the_last_digit_is_that_of_printf() {
        for (thousandths, text) in [
            (0u64, "0.00"),
            (4, "0.00"),
            (125, "0.12"),
            (375, "0.38"),
            (855, "0.86"),
            (885, "0.88"),
            (995, "1.00"),
            (1005, "1.00"),
            (1115, "1.12"),
            (1235, "1.24"),
            (2675, "2.67"),
            (999_994, "999.99"),
        ] {
            assert_eq!((Extended::from(thousandths) / 1000u64.into()).to_decimals(2), text);
        }
        for (halves, text) in [(1u64, "0"), (3, "2"), (5, "2"), (7, "4"), (8, "4")] {
            assert_eq!((Extended::from(halves) / 2u64.into()).to_decimals(0), text);
        }
        assert_eq!(Extended::from(f64::MIN_POSITIVE).to_decimals(2), "0.00");
        assert_eq!(Extended::from(LAST).to_decimals(2), "18446744073709551615.00");
    }
}
