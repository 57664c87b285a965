//! What a text is worth to a generator.

use super::PrefixSpec;

/// Smallest probability whose logarithm is taken.
const FLOOR: f64 = 1e-12;

/// The reward of every text ([`PrefixSpec`]): `written_for` are the classes that texts are drawn for, `intended` those of the texts, `teacher` and `student` probabilities over the
/// teacher's classes, `[texts, classes]` row-major, `drift` their log G(x) - log p_LM(x).
pub fn rewards(
    spec: &PrefixSpec,
    written_for: &[usize],
    intended: &[usize],
    teacher: &[f32],
    student: Option<&[f32]>,
    drift: &[f64],
) -> Vec<f64> {
    let texts = intended.len().max(1);
    let classes = teacher.len() / texts;
    let log = |p: f64| p.max(FLOOR).ln();
    let mut mean = vec![0.0; classes];
    for row in teacher.chunks_exact(classes.max(1)) {
        mean.iter_mut().zip(row).for_each(|(mean, &p)| *mean += f64::from(p) / texts as f64);
    }
    let one = |(text, (&class, &drift)): (usize, (&usize, &f64))| {
        let row = &teacher[text * classes..(text + 1) * classes];
        let hit = log(f64::from(row[class]));
        let balance: f64 = written_for.iter().map(|&class| f64::from(row[class]) * log(mean[class])).sum();
        let unknown = student.map_or(0.0, |student| {
            let own = &student[text * classes..(text + 1) * classes];
            row.iter().zip(own).map(|(&p, &q)| f64::from(p) * (log(f64::from(p)) - log(f64::from(q)))).sum()
        });
        hit - spec.balance * balance - spec.fluency * drift + spec.adversary * unknown
    };
    intended.iter().zip(drift).enumerate().map(one).collect()
}
