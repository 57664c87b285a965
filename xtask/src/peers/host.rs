//! When and on what was measured, in words that name no machine.

use std::time::{SystemTime, UNIX_EPOCH};

/// "2core-xeon-avx512-amx": cores, family and widest instructions of the processor.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default().to_lowercase();
    let line = |name: &str| info.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    let (model, flags) = (line("model name"), line("flags"));
    let families = ["xeon", "epyc", "ryzen", "core", "neoverse", "apple"];
    let family = families.into_iter().find(|family| model.contains(family)).unwrap_or(std::env::consts::ARCH);
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    let mut name = format!("{cores}core-{family}");
    for (flag, word) in [("avx512f", "-avx512"), ("avx2", "-avx2")] {
        if has(flag) {
            name.push_str(word);
            break;
        }
    }
    if has("amx_bf16") {
        name.push_str("-amx");
    }
    name
}

/// "2026-11-21T22:45:08", in UTC.
pub fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    stamp(seconds)
}

/// The proleptic Gregorian date of a Unix time (Hinnant, "chrono-compatible low-level date algorithms").
fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::stamp;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(stamp(0), "1970-01-01T00:00:00");
        assert_eq!(stamp(951_827_696), "2000-02-29T12:34:56");
        assert_eq!(stamp(1_795_300_000), "2026-11-21T22:26:40");
    }
}
