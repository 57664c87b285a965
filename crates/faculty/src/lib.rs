//! Faculty: several fine-tuned text classifiers and unlabelled text in, one classifier over all their labels out.
//!
//! This crate is the facade over the crates that do the work, and the home of the `faculty` binary. Its modules are
//! those crates; from the ground up:
//!
//! - [`core`]: labels and their join, random streams, errors, progress events, metrics
//! - [`text`]: data files, tokenisers, batches; [`hub`]: model references, configurations, weight files
//! - [`nn`]: encoders with taps and an explicit dropout plan; [`model`]: a classifier whole
//! - [`teacher`], [`uncertainty`], [`losses`], [`student`]: the parts of an amalgamation
//! - [`textgen`]: text where there is none
//! - [`methods`]: recipes named after papers; [`experiment`]: tables from TOML
//!
//! Two teachers of different labels, one student, no label read:
//!
//! ```
//! use faculty::core::{Aliases, LabelJoin, Silent, Stream};
//! use faculty::methods::{MethodSpec, MukiSpec, TransferSet, amalgamate};
//! use faculty::student::{StudentSpec, StudentStart, TrainRun, TrainSettings, build_student};
//! use faculty::teacher::{Ask, ClassifierTeacher, Teacher};
//! use faculty_testkit::{TinySpec, tiny_classifier_dir};
//!
//! # let scratch = tempfile::tempdir()?;
//! // Two model directories in the Hugging Face layout, here tiny random ones.
//! let bank = tiny_classifier_dir(scratch.path().join("bank"), &TinySpec::new(["balance", "transfer"]).seed(1));
//! let travel = tiny_classifier_dir(scratch.path().join("travel"), &TinySpec::new(["flight", "hotel"]).seed(2));
//! let device = faculty::nn::DeviceName::Cpu.open()?;
//! let teachers =
//!     [ClassifierTeacher::open("bank", &bank, &device)?, ClassifierTeacher::open("travel", &travel, &device)?];
//! let spaces: Vec<_> = teachers.iter().map(|teacher| (teacher.name(), teacher.labels())).collect();
//! let join = LabelJoin::build(&spaces, &Aliases::default())?;
//!
//! let texts: Vec<String> = ["pay the bill", "book a hotel", "what is my balance", "find a flight"].map(String::from).into();
//! let ask = Ask::default().with_passes(4, 1);
//! let outputs = teachers.iter().map(|teacher| teacher.outputs(&texts, &ask, &Silent)).collect::<Result<Vec<_>, _>>()?;
//!
//! let classifiers: Vec<_> = teachers.iter().map(ClassifierTeacher::classifier).collect();
//! let spec = StudentSpec::new(StudentStart::Teacher(0));
//! let start = Stream::new(1, "student");
//! let (mut student, _) = build_student(&spec, join.union(), &classifiers, start, &device, &Silent)?;
//! let tokens = student.tokenize(&texts, None)?;
//! let method = MethodSpec::Muki(MukiSpec { passes: 4, ..MukiSpec::default() });
//! let settings = TrainSettings { epochs: 1, ..TrainSettings::default() };
//! amalgamate(&method, &mut student, &tokens, TransferSet::new(&outputs, &join)?, &settings, TrainRun::new(1, &Silent))?;
//! assert_eq!(student.labels.names(), ["balance", "transfer", "flight", "hotel"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use faculty_core as core;
pub use faculty_experiment as experiment;
pub use faculty_hub as hub;
pub use faculty_losses as losses;
pub use faculty_methods as methods;
pub use faculty_model as model;
pub use faculty_nn as nn;
pub use faculty_student as student;
pub use faculty_teacher as teacher;
pub use faculty_text as text;
pub use faculty_textgen as textgen;
pub use faculty_uncertainty as uncertainty;
