//! Numbers as Ortto keeps them: whole, those with a fraction in thousandths.

/// A number of a row times 1,000, rounded half away from zero; `None` where it is too large. Source: ORTTO_API 4.
pub(super) fn thousandths(number: &str) -> Option<i64> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    // Where the decimal point of the thousandths stands in the digits.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(3)?;
    let digit = |at: i32| -> i64 {
        let byte = usize::try_from(at).ok().and_then(|at| digits.as_bytes().get(at));
        byte.map_or(0, |byte| i64::from(byte.wrapping_sub(b'0')))
    };
    let mut value: i64 = 0;
    if digits.bytes().any(|byte| byte != b'0') {
        for at in 0..point {
            value = value.checked_mul(10)?.checked_add(digit(at))?;
        }
        value = value.checked_add(i64::from(digit(point) >= 5))?;
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_thousandths_without_passing_through_a_float() {
        let of = |number| thousandths(number);
        assert_eq!([of("12.5"), of("-0.0005"), of("0"), of("1.0005")], [12_500, -1, 0, 1_001].map(Some));
        assert_eq!([of("1e3"), of("25e-4"), of("9007199254740.993")], [1_000_000, 3, 9_007_199_254_740_993].map(Some));
        assert_eq!([of("1e300"), of("99999999999999999999")], [None, None]);
        assert_eq!(of("1e-300"), Some(0));
    }
}
