//! Ctrl-C: the first asks the work to stop at the next step, the second ends the program.

use faculty_core::{Error, Result};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// True once the user pressed Ctrl-C (or the program was asked to terminate).
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Installs the handler.
///
/// # Errors
/// Fails if the operating system refuses.
pub fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        let mut stderr = std::io::stderr();
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            let _ = writeln!(stderr, "stopped at once");
            #[allow(clippy::exit, reason = "the second Ctrl-C means: now, whatever the main thread is doing")]
            std::process::exit(130);
        }
        let _ = writeln!(stderr, "\nstopping after this step; press Ctrl-C again to stop at once");
    })
    .map_err(|error| Error::internal("cannot listen for Ctrl-C").source(error))
}
