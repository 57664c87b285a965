//! From values to positions, and the round values that an axis names.

/// A linear map from values to positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Maps `low` to the position `from` and `high` to `to` (which may lie before `from`). An empty range is widened,
    /// and one that is not finite is [0, 1].
    pub fn new((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let (low, high) = match (low, high) {
            _ if !low.is_finite() || !high.is_finite() => (0.0, 1.0),
            _ if low == high => {
                let half = (0.05 * low.abs()).max(0.5);
                (low - half, high + half)
            }
            _ if low > high => (high, low),
            ends => ends,
        };
        Self { low, high, from, to }
    }

    /// A scale over all finite `values` that begins and ends at round values, about `ticks` of them.
    pub fn nice(values: impl IntoIterator<Item = f64>, ticks: usize, positions: (f64, f64)) -> Self {
        let ends = values.into_iter().filter(|value| value.is_finite());
        let ends =
            ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let scale = Self::new(ends, positions);
        let step = tick_step(scale.high - scale.low, ticks);
        // A value that is a tick but for rounding needs no further tick beyond it.
        let (low, high) = ((scale.low / step + 1e-9).floor() * step, (scale.high / step - 1e-9).ceil() * step);
        Self::new((low, high), positions)
    }

    /// The values at the ends, the lower one first.
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The position of `value`; outside values stick to the nearer end, and what is no number to the lower one.
    pub fn place(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        let share = if share.is_nan() { 0.0 } else { share };
        self.from + share * (self.to - self.from)
    }

    /// True if `value` lies between the ends, rounding aside.
    pub fn holds(&self, value: f64) -> bool {
        let slack = 1e-6 * (self.high - self.low);
        self.low - slack <= value && value <= self.high + slack
    }

    /// Round values within the scale, about `wanted` of them, and the step between them.
    pub fn ticks(&self, wanted: usize) -> (Vec<f64>, f64) {
        let step = tick_step(self.high - self.low, wanted);
        // The ends of a nice scale are ticks although a division may have rounded them away.
        let slack = 1e-9 * step;
        let first = ((self.low - slack) / step).ceil();
        let count = ((self.high + slack) / step - first).floor();
        let count = if count.is_finite() && count >= 0.0 { count as usize + 1 } else { 0 };
        ((0..count).map(|index| (first + index as f64) * step).collect(), step)
    }
}

/// The step 1, 2 or 5 times a power of ten that cuts `span` into about `wanted` parts; 1 if there is no span.
pub fn tick_step(span: f64, wanted: usize) -> f64 {
    let rough = span / wanted.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powi(rough.log10().floor() as i32);
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= rough * (1.0 - 1e-9));
    times.unwrap_or(10.0) * power
}

/// A tick's value with as many decimals as the step needs.
pub fn tick_label(value: f64, step: f64) -> String {
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
    let label = format!("{value:.decimals$}");
    // A tick just below zero is zero.
    match label.trim_start_matches('-').chars().all(|character| matches!(character, '0' | '.')) {
        true => label.trim_start_matches('-').to_owned(),
        false => label,
    }
}

/// Moves labels apart: positions in the order given, each as near as possible below where it is wanted, at least `gap`
/// apart and within `low..=high`. Where there is no room for all, the gap shrinks.
pub fn move_apart(wanted: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let gap = match wanted.len() {
        0 | 1 => gap,
        count => gap.min((high - low) / (count - 1) as f64),
    };
    let mut places = vec![low; wanted.len()];
    let mut free_from = low;
    for &index in &order {
        places[index] = wanted[index].max(free_from).max(low);
        free_from = places[index] + gap;
    }
    let mut free_to = high;
    for &index in order.iter().rev() {
        places[index] = places[index].min(free_to);
        free_to = places[index] - gap;
    }
    places
}
