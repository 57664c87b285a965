//! A panic is a fault of Faculty: the user sees one sentence and exit code 1, not a trace.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// The first panic that nobody has caught yet. Some panics are caught on purpose (a driver that is not there), so the hook
/// only takes notes.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `program`; a panic becomes a message on stderr and exit code 1.
pub fn catch(program: fn() -> ExitCode) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        tracing::debug!("panic: {message}{place}\n{}", std::backtrace::Backtrace::capture());
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{message}{place}"));
    }));
    catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|_| {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let what = last.unwrap_or_else(|| "no message".to_owned());
        let help = "this is a fault of faculty, not of your input; run again with RUST_LOG=debug RUST_BACKTRACE=1 and \
                    report what it prints";
        let _ = writeln!(std::io::stderr(), "error: internal error: {what}\n  help: {help}");
        ExitCode::from(1)
    })
}
