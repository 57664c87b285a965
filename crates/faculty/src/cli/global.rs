//! Options of every command, and what they set up.

use crate::interrupt;
use crate::progress::{Console, Detail};
use burn::tensor::Device;
use clap::{ArgAction, Args};
use faculty_core::{Error, Result};
use faculty_nn::DeviceName;
use tracing_subscriber::EnvFilter;

/// Options of every command.
#[derive(Args)]
pub struct GlobalOptions {
    /// Where to compute: cpu, wgpu[:n] or cuda[:n] (the last two if they are built in)
    #[arg(long, global = true, env = "FACULTY_DEVICE", default_value = "cpu", value_name = "DEVICE")]
    device: DeviceName,
    /// Threads of the CPU; by default one a core
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// Log what happens to stderr; twice for more. RUST_LOG refines it (RUST_LOG=faculty_text=trace)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Warnings and errors alone on stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// No progress display
    #[arg(long, global = true)]
    no_progress: bool,
}

/// What a command works with.
pub struct Session {
    /// The device the user named.
    pub device_name: DeviceName,
    /// Threads of the CPU.
    pub threads: usize,
    /// Progress, notes, Ctrl-C.
    pub console: Console,
}

impl Session {
    /// Sets up logging, threads and Ctrl-C.
    ///
    /// # Errors
    /// Fails if the thread pool cannot be made.
    pub fn start(options: &GlobalOptions) -> Result<Self> {
        start_log(options);
        faculty_nn::fused::check_cpu_setting()?;
        if options.threads == Some(0) {
            return Err(Error::input("is 0").key("--threads").expected("at least 1"));
        }
        let mut pool = rayon::ThreadPoolBuilder::new();
        if let Some(threads) = options.threads {
            pool = pool.num_threads(threads);
        }
        pool.build_global().map_err(|error| Error::internal("cannot start threads").source(error))?;
        interrupt::listen()?;
        let detail = match (options.quiet, options.no_progress) {
            (true, _) => Detail::Quiet,
            (false, true) => Detail::NoProgress,
            (false, false) => Detail::Full,
        };
        Ok(Self { device_name: options.device, threads: rayon::current_num_threads(), console: Console::new(detail) })
    }

    /// Opens the device.
    ///
    /// # Errors
    /// Fails if this build or this machine does not have it.
    pub fn device(&self) -> Result<Device> {
        self.device_name.open()
    }
}

fn start_log(options: &GlobalOptions) {
    let level = match options.verbose {
        _ if options.quiet => "error",
        0 => "warn",
        1 => "info,faculty=debug",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // A second subscriber in one process is refused; the first one then stays.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
