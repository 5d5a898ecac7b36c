//! Random numbers of known distributions from a seed.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence, given by `n`.
    pub fn split(&self, n: u64) -> Self {
        let mut other = Self(self.0 ^ n.wrapping_mul(0xd134_2543_de82_ef95));
        other.bits();
        other
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Even in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Box and Muller (1958).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Mean one, variance `alpha`: Marsaglia and Tsang (2000).
    pub fn gamma(&mut self, alpha: f64) -> f64 {
        let shape = 1.0 / alpha;
        let boost = if shape < 1.0 { self.unit().max(1e-300).powf(1.0 / shape) } else { 1.0 };
        let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v * boost * alpha;
            }
        }
    }

    /// Knuth's method for small means, the normal for large ones.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u32;
        }
        let (limit, mut n, mut p) = ((-mean).exp(), 0, self.unit());
        while p > limit {
            n += 1;
            p *= self.unit();
        }
        n
    }

    /// How many of `n` happen.
    pub fn binomial(&mut self, n: u32, p: f64) -> u32 {
        if n < 30 { (0..n).map(|_| u32::from(self.chance(p))).sum() } else { self.poisson(f64::from(n) * p).min(n) }
    }
}
