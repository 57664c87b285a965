//! From an experiment file to a configuration: defaults, extended files, file, tier, environment, `--set`, in this order.

use crate::extends::expand;
use crate::schema::ExperimentFile;
use crate::unknown::{describe, line_of};
use config::{Config, ConfigError, Environment, File, FileFormat, Map};
use faculty_core::{Error, Result, nearest};
use std::collections::BTreeMap;
use std::path::Path;

/// What overrides an experiment file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The name of a `[tier.<name>]` table.
    pub tier: Option<String>,
    /// Environment variables (`FACULTY__STUDENT__TRAIN__EPOCHS=2`); others are ignored.
    pub environment: BTreeMap<String, String>,
    /// `--set student.train.epochs=2`: dotted keys (`row[0].name`) and TOML values.
    pub set: Vec<String>,
}

impl Overrides {
    /// The `FACULTY__...` variables of this process.
    pub fn process_environment() -> BTreeMap<String, String> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect()
    }
}

const PREFIX: &str = "FACULTY__";

/// Reads, layers and checks an experiment file.
///
/// # Errors
/// Fails if the file or one that it `extends` cannot be read or is no TOML, a key is unknown (in any tier; the nearest valid name is suggested),
/// a value has the wrong type, the tier does not exist, or [`ExperimentFile::validate`] objects. The error names the
/// layer: the file with its line, the tier, the environment or `--set`.
pub fn load_experiment(path: &Path, overrides: &Overrides) -> Result<ExperimentFile> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    parse_experiment(path, &text, overrides)
}

/// [`load_experiment`] from text; `path` names it in errors.
///
/// # Errors
/// As [`load_experiment`].
pub fn parse_experiment(path: &Path, text: &str, overrides: &Overrides) -> Result<ExperimentFile> {
    let expanded = expand(path, text)?;
    // Lines of a file that stands on others are not those of any of them.
    let has_lines = expanded.is_none();
    let text = expanded.as_deref().unwrap_or(text);
    let file: ExperimentFile = toml::from_str(text).map_err(|error| {
        let line = error.span().filter(|_| has_lines).map(|span| line_of(text, span.start));
        let described = describe(&error, path);
        match line {
            Some(line) => described.line(line),
            None => described,
        }
    })?;
    read(&base_layers(path, text)?, path)?;
    file.validate().map_err(|error| error.file(path))?;
    // Every tier is checked whenever the file is read, so that a mistake in `paper` shows in the first smoke run.
    for name in file.tier.keys() {
        let (_, tiered) = apply_tier(path, text, &file, name)?;
        tiered.validate().map_err(|error| blame(&format!("[tier.{name}]"), &error.file(path)))?;
    }
    let (mut layers, mut experiment) = match &overrides.tier {
        Some(tier) => apply_tier(path, text, &file, tier)?,
        None => (base_layers(path, text)?, file),
    };
    for (name, value) in overrides.environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let variable = Environment::with_prefix("FACULTY")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("table.seeds")
            .source(Some(Map::from_iter([(name.clone(), value.clone())])));
        let layer = Config::builder().add_source(variable).build().map_err(|error| config_error(path, &error))?;
        layers = merge(path, layers, layer)?;
        experiment = read(&layers, path).map_err(|error| blame(&format!("environment variable {name}"), &error))?;
    }
    for assignment in &overrides.set {
        layers = assign(layers, assignment)?;
        experiment = read(&layers, path).map_err(|error| blame(&format!("--set {assignment}"), &error))?;
    }
    experiment.tier = BTreeMap::new();
    experiment.validate().map_err(|error| error.file(path))?;
    Ok(experiment)
}

fn base_layers(path: &Path, text: &str) -> Result<Config> {
    Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .build()
        .map_err(|error| config_error(path, &error))
}

fn apply_tier(path: &Path, text: &str, file: &ExperimentFile, tier: &str) -> Result<(Config, ExperimentFile)> {
    let Some(table) = file.tier.get(tier) else {
        let names: Vec<&str> = file.tier.keys().map(String::as_str).collect();
        let error = Error::input(format!("there is no tier `{tier}`"))
            .file(path)
            .key("--tier")
            .expected(if names.is_empty() { "no tier: the file has none".to_owned() } else { names.join(" or ") });
        return Err(match nearest(tier, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        });
    };
    let written = toml::to_string(table).map_err(|error| Error::internal("a tier cannot be written").source(error))?;
    let layers = merge(path, base_layers(path, text)?, base_layers(path, &written)?)?;
    let experiment = read(&layers, path).map_err(|error| blame(&format!("[tier.{tier}]"), &error))?;
    Ok((layers, experiment))
}

fn merge(path: &Path, under: Config, over: Config) -> Result<Config> {
    Config::builder().add_source(under).add_source(over).build().map_err(|error| config_error(path, &error))
}

/// Sets one key in place, so that `row[1].method.passes` reaches into a list, which a layer of its own would replace.
fn assign(layers: Config, assignment: &str) -> Result<Config> {
    let Some((key, value)) = assignment.split_once('=') else {
        return Err(Error::input(format!("`{assignment}` is no assignment"))
            .key("--set")
            .expected("key=value, for example student.train.epochs=2"));
    };
    let (key, value) = (key.trim(), value.trim());
    // A value that is no TOML is a bare string: `--set student.init=minilm-l3` needs no quotes.
    let value = match toml::from_str::<toml::Table>(&format!("value = {value}")) {
        Ok(mut table) => table.remove("value").unwrap_or_else(|| toml::Value::String(value.to_owned())),
        Err(_) => toml::Value::String(value.to_owned()),
    };
    Config::builder()
        .add_source(layers)
        .set_override(key, to_config(value))
        .and_then(|builder| builder.build())
        .map_err(|error| Error::input(format!("`{key}` is no key: {error}")).key("--set"))
}

fn to_config(value: toml::Value) -> config::Value {
    match value {
        toml::Value::String(value) => value.into(),
        toml::Value::Integer(value) => value.into(),
        toml::Value::Float(value) => value.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(value) => value.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(to_config).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, to_config(value))).collect::<Map<String, config::Value>>().into()
        }
    }
}

/// Types are checked by TOML's own rules: the lenient ones of `config` would round `epochs = 1.5`.
fn read(layers: &Config, path: &Path) -> Result<ExperimentFile> {
    let merged: toml::Value = layers.clone().try_deserialize().map_err(|error| config_error(path, &error))?;
    merged.try_into().map_err(|error| describe(&error, path))
}

/// An error with the layer that brought it about.
fn blame(layer: &str, error: &Error) -> Error {
    Error::input(format!("{layer}: {error}"))
}

fn config_error(path: &Path, error: &ConfigError) -> Error {
    Error::input(error.to_string()).file(path)
}
