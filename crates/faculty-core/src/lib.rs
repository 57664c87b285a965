//! The ground floor of Faculty: labels and their join, random streams, errors, progress events, statistics, small linear systems.
//!
//! Nothing here knows Burn, a weight format or the network. A first look:
//!
//! ```
//! use faculty_core::{Aliases, LabelJoin, LabelSpace};
//!
//! let bank = LabelSpace::new(["balance", "transfer"])?;
//! let travel = LabelSpace::new(["book_flight", "transfer"])?;
//! let join = LabelJoin::build(&[("bank", &bank), ("travel", &travel)], &Aliases::default())?;
//! assert_eq!(join.union().names(), ["balance", "transfer", "book_flight"]);
//! assert_eq!(join.teacher(1).to_union(), [2, 1]);
//! # Ok::<(), faculty_core::Error>(())
//! ```

mod cholesky;
mod error;
mod files;
mod hash;
mod join;
mod labels;
mod lock;
pub mod metrics;
mod normal_form;
mod observe;
mod pairs;
pub mod statistics;
mod stream;
mod suggest;
mod tensors;

pub use cholesky::Cholesky;
pub use error::{Error, ErrorKind, Result};
pub use files::{StagedDir, sync_folder, write_atomically, write_atomically_with};
pub use hash::{ContentHash, hash_bytes, hash_file, hash_text, short_hash};
pub use join::{Aliases, LabelJoin, Overlap, TeacherLabels};
pub use labels::LabelSpace;
pub use lock::{try_lock, wait_for_lock};
pub use normal_form::normal_form;
pub use observe::{Event, Observer, Silent, Unseen};
pub use pairs::{PAIR_SEPARATOR, is_pair, join_pair, one_text, pair_fault, readable, split_pair};
pub use stream::{Stream, mix64};
pub use suggest::{nearest, one_of};
pub use tensors::{NamedTensor, NamedTensors};
