//! A cap on what one teacher can say in total.

use faculty_core::{Error, Result};

/// Lowers the mean weight of every teacher to at most `cap`; weights are `[texts, teachers]` row-major.
///
/// Where teacher i weighs more than `cap` on average, its weights shrink by one factor for all texts, and what they lose
/// goes to the teachers below the cap, text by text: in proportion to their weights, or in equal parts where they have
/// none. Rows keep their sums. Rows of zeros (dropped texts) take no part in the mean. A mitigation for a teacher that
/// nobody should learn from: with N teachers a cap of 1/N is the uniform mean, 1 changes nothing.
///
/// # Errors
/// Fails unless `cap` is in \[1 / teachers, 1\].
pub fn cap_mean_weights(weights: &mut [f32], teachers: usize, cap: f64) -> Result<()> {
    let least = 1.0 / teachers.max(1) as f64;
    // 1/3 written with few digits is meant as 1/3.
    if !(least - 1e-3..=1.0).contains(&cap) {
        return Err(Error::input(format!("is {cap}")).key("cap").expected(format!("{least:.3} to 1")));
    }
    let cap = cap.max(least);
    let mut free = vec![true; teachers];
    // Each round takes one teacher out of the game at least, so there are no more rounds than teachers.
    for _ in 1..teachers {
        let means = means(weights, teachers);
        let over: Vec<usize> = (0..teachers).filter(|&teacher| free[teacher] && means[teacher] > cap).collect();
        if over.is_empty() {
            break;
        }
        over.iter().for_each(|&teacher| free[teacher] = false);
        let open = free.iter().filter(|free| **free).count();
        if open == 0 {
            break;
        }
        for row in weights.chunks_exact_mut(teachers) {
            let mut excess = 0.0;
            for &teacher in &over {
                let lowered = f64::from(row[teacher]) * cap / means[teacher];
                excess += f64::from(row[teacher]) - lowered;
                row[teacher] = lowered as f32;
            }
            let base: f64 = (0..teachers).filter(|&teacher| free[teacher]).map(|teacher| f64::from(row[teacher])).sum();
            for teacher in (0..teachers).filter(|&teacher| free[teacher]) {
                let share = if base > 0.0 { f64::from(row[teacher]) / base } else { 1.0 / open as f64 };
                row[teacher] = (f64::from(row[teacher]) + excess * share) as f32;
            }
        }
    }
    Ok(())
}

/// Mean weights over the rows that are not dropped.
fn means(weights: &[f32], teachers: usize) -> Vec<f64> {
    let (mut sums, mut rows) = (vec![0.0; teachers], 0_usize);
    for row in weights.chunks_exact(teachers).filter(|row| row.iter().any(|weight| *weight > 0.0)) {
        sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += f64::from(*weight));
        rows += 1;
    }
    sums.iter_mut().for_each(|sum| *sum /= rows.max(1) as f64);
    sums
}
