//! `faculty data`.

use super::global::Session;
use super::output;
use clap::{Args, Subcommand};
use faculty_core::{Error, ErrorKind, Event, Observer, Result};
use faculty_experiment::{DataPlaces, DeclaredSet, Presence, Registry, check_set, get_set, presence};
use faculty_hub::Environment;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  faculty data list                                # names, sizes, licences, what is there
  faculty data get ag_news                         # fetch it, or say how to get it by hand
  faculty data check --data-dir /data/sets         # compare what is there with the declarations

A set is a folder NAME below the data folder: --data-dir, or FACULTY_DATA. Sets of your own are declared in sets.toml there.";

/// Data sets by name: list them, get them, check them.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Data {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Every declared set: classes, rows, licence, and whether it is there
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a set, or say how to get it by hand
    Get {
        /// The set
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Compare the sets that are there with their declarations: hashes, rows, counts of the labels
    Check {
        /// One set, which must then be there
        name: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
struct Place {
    /// The folder of data folders [env: FACULTY_DATA]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    fn open(&self) -> Result<(DataPlaces, Registry)> {
        let places = DataPlaces::new(self.data_dir.clone(), Path::new("."));
        let registry = Registry::load(&places)?;
        Ok((places, registry))
    }
}

impl Data {
    /// Lists, gets or checks.
    pub fn run(&self, session: &Session) -> Result<()> {
        match &self.what {
            What::List { place, json } => list(place, *json),
            What::Get { name, place } => {
                let (places, registry) = place.open()?;
                let set = registry.find(name)?;
                let dir = get_set(name, set, &places, &Environment::from_process(), &session.console)?;
                output::print(&format!("{name}: {} (as declared)", dir.display()))
            }
            What::Check { name: Some(name), place } => {
                let (places, registry) = place.open()?;
                check_one(name, registry.find(name)?, &places)
            }
            What::Check { name: None, place } => check_all(place, session),
        }
    }
}

fn list(place: &Place, as_json: bool) -> Result<()> {
    let (places, registry) = place.open()?;
    if as_json {
        let sets: Vec<_> = registry
            .sets()
            .map(|(name, set)| json!({"name": name, "set": set, "there": state(name, set, &places)}))
            .collect();
        return output::print_json(&sets);
    }
    let mut text = String::new();
    for (name, set) in registry.sets() {
        let splits: Vec<String> = set.splits().map(|(split, facts)| format!("{split} {}", facts.rows)).collect();
        let classes = match set.classes() {
            0 => "no labels".to_owned(),
            classes => format!("{classes} labels"),
        };
        let _ = writeln!(text, "{name}  {}", set.title);
        let _ = writeln!(text, "  rows       {} ({classes})", splits.join(", "));
        let _ = writeln!(text, "  licence    {}", set.licence);
        let _ = writeln!(text, "  made from  {}", set.source);
        if !set.note.is_empty() {
            let _ = writeln!(text, "  note       {}", set.note);
        }
        let _ = writeln!(text, "  here       {}\n", state(name, set, &places));
    }
    output::print(text.trim_end())
}

fn state(name: &str, set: &DeclaredSet, places: &DataPlaces) -> String {
    let folder = match presence(name, set, places) {
        Presence::Present(dir) => format!("in {}", dir.display()),
        Presence::Incomplete { dir, missing } => format!("in {}, without {}", dir.display(), missing.join(", ")),
        Presence::Absent => "no".to_owned(),
    };
    match (set.embedded, folder.as_str()) {
        (true, "no") => "no; a form of it is part of the program".to_owned(),
        (true, _) => format!("{folder}; a form of it is part of the program"),
        (false, _) => folder,
    }
}

fn check_one(name: &str, set: &DeclaredSet, places: &DataPlaces) -> Result<()> {
    let checked = check_set(name, set, places)?;
    let rows: Vec<String> = checked.rows.iter().map(|(split, rows)| format!("{split} {rows}")).collect();
    output::print(&format!("{name}: as declared ({})", rows.join(", ")))
}

/// Every set that is there; one that is wrong does not hide the others.
fn check_all(place: &Place, session: &Session) -> Result<()> {
    let (places, registry) = place.open()?;
    let (mut absent, mut wrong) = (Vec::new(), 0);
    for (name, set) in registry.sets() {
        session.console.check()?;
        if presence(name, set, &places) == Presence::Absent {
            absent.push(name);
            continue;
        }
        match check_one(name, set, &places) {
            Err(error) if matches!(error.kind(), ErrorKind::Input | ErrorKind::Io) => {
                wrong += 1;
                session.console.on(Event::Warning { text: &format!("{name}: {error}") });
            }
            done => done?,
        }
    }
    if !absent.is_empty() {
        output::print(&format!("absent: {} (`faculty data get NAME` says how to get one)", absent.join(", ")))?;
    }
    match wrong {
        0 => Ok(()),
        _ => Err(Error::check(format!("{wrong} sets are not what was declared"))),
    }
}
