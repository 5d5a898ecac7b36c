//! The formulas.

/// Lower end of Wilson's interval for a share: `hits` of `n` at `z` standard deviations.
///
/// Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference".
pub(super) fn wilson_lower(hits: f64, n: f64, z: f64) -> f64 {
    if n <= 0.0 {
        return 0.0;
    }
    let p = hits / n;
    let z2 = z * z;
    let centre = p + z2 / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - spread) / (1.0 + z2 / n)).max(0.0)
}

/// How much better "the rate is higher" explains a count than "as expected": the log likelihood ratio of two negative
/// binomials with dispersion `r = 1/alpha`, the first with its mean at the count. Zero when `n` is not above `mu`.
///
/// I = n ln(n/mu) − (n + r) ln((n + r)/(mu + r)).
pub(super) fn excess_score(n: f64, mu: f64, alpha: f64) -> f64 {
    if n <= mu || mu <= 0.0 {
        return 0.0;
    }
    let r = 1.0 / alpha.max(1e-6);
    n * (n / mu).ln() - (n + r) * ((n + r) / (mu + r)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3
    }

    #[test]
    fn wilson_against_known_values() {
        // 95 % intervals of Newcombe (1998), table I: 81 of 263 and 15 of 148.
        assert!(near(wilson_lower(81.0, 263.0, 1.959_964), 0.2553));
        assert!(near(wilson_lower(15.0, 148.0, 1.959_964), 0.0624));
        assert_eq!(wilson_lower(0.0, 0.0, 3.29), 0.0);
        assert_eq!(wilson_lower(0.0, 100.0, 3.29), 0.0);
        assert!(wilson_lower(10.0, 10.0, 3.29) < 0.5);
    }

    #[test]
    fn the_score_grows_with_the_excess_and_shrinks_with_unrest() {
        assert_eq!(excess_score(10.0, 10.0, 0.1), 0.0);
        assert_eq!(excess_score(5.0, 10.0, 0.1), 0.0);
        // Nearly Poisson: n ln(n/mu) - (n - mu) = 20 ln 2 - 10.
        assert!((excess_score(20.0, 10.0, 1e-6) - (20.0 * 2f64.ln() - 10.0)).abs() < 0.01);
        assert!(excess_score(100.0, 10.0, 0.1) > excess_score(50.0, 10.0, 0.1));
        assert!(excess_score(100.0, 10.0, 0.1) > excess_score(100.0, 10.0, 0.5));
        // By hand: 200 ln 2 - 210 ln(210/110) with r = 10.
        assert!(near(excess_score(200.0, 100.0, 0.1), 200.0 * 2f64.ln() - 210.0 * (210f64 / 110.0).ln()));
    }
}
