//! A method in a raw line.

use faculty_core::{Error, Result};
use faculty_methods::MethodSpec;
use serde::{Deserialize, Serialize};

/// A method with every setting, as the program that ran it names them. Raw lines outlive programs: a later one reads the lines of an
/// earlier one whatever has become of its settings, and the table needs the kind alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodRecord {
    /// As configuration names it.
    pub kind: String,
    /// Everything else.
    #[serde(flatten)]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl MethodRecord {
    /// # Errors
    /// Fails if the settings cannot be written as JSON.
    pub fn of(method: &MethodSpec) -> Result<Self> {
        // As text: a value would widen numbers of 32 bits, and a rate of 0.1 would be written as 0.10000000149011612.
        let written = serde_json::to_string(method).and_then(|text| serde_json::from_str(&text));
        written.map_err(|error| Error::internal("a method cannot be written down").source(error))
    }

    /// True of an analysis that knows the owner of every text.
    pub(crate) fn is_oracle(&self) -> bool {
        self.kind == "oracle"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::MethodRecord;
    use faculty_methods::MethodSpec;

    #[test]
    fn a_method_is_its_kind_and_settings_and_those_of_other_programs_are_read() {
        let record = MethodRecord::of(&MethodSpec::Uhc { temperature: 2.0 }).unwrap();
        assert_eq!((record.kind.as_str(), &record.settings["temperature"]), ("uhc", &2.0.into()));
        let line = r#"{"kind":"of-another-program","unheard_of":{"a":[1]}}"#;
        let other: MethodRecord = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&other).unwrap(), line);
        assert!(serde_json::from_str::<MethodRecord>("{}").is_err(), "a method has a kind");
    }
}
