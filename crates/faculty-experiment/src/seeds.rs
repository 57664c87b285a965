//! Seeds as a user writes them: `3`, `1,2,5`, `1..=5`, `1..6`.

use faculty_core::{Error, Result};

/// More seeds than anyone means.
const MOST: u64 = 1000;

/// Parses a list of seeds and ranges, separated by commas.
///
/// ```
/// use faculty_experiment::parse_seeds;
/// assert_eq!(parse_seeds("1..=3,7")?, [1, 2, 3, 7]);
/// # Ok::<(), faculty_core::Error>(())
/// ```
///
/// # Errors
/// Fails if a part is no number or range, a range is empty, or a seed stands twice.
pub fn parse_seeds(text: &str) -> Result<Vec<u64>> {
    let mut seeds = Vec::new();
    for part in text.split(',').map(str::trim) {
        let range = match part.split_once("..") {
            None => {
                let seed = number(part)?;
                seed..seed.saturating_add(1)
            }
            Some((first, last)) => match last.strip_prefix('=') {
                Some(last) => number(first)?..number(last)?.saturating_add(1),
                None => number(first)?..number(last)?,
            },
        };
        if range.is_empty() || range.end - range.start > MOST {
            return Err(Error::input(format!("`{part}` holds {} seeds", range.end.saturating_sub(range.start)))
                .key("--seeds")
                .expected(format!("1 to {MOST} seeds")));
        }
        for seed in range {
            if seeds.contains(&seed) {
                return Err(Error::input(format!("seed {seed} stands twice")).key("--seeds"));
            }
            seeds.push(seed);
        }
    }
    Ok(seeds)
}

fn number(text: &str) -> Result<u64> {
    text.trim().parse().map_err(|_| {
        Error::input(format!("`{text}` is no seed")).key("--seeds").expected("for example 1, 1..=5 or 1,2,7")
    })
}
