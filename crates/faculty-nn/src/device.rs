//! Devices by name: `cpu`, `wgpu[:n]`, `cuda[:n]`.

use burn::tensor::Device;
use faculty_core::{Error, ErrorKind, Result, nearest};
use std::fmt;
use std::str::FromStr;

/// A device as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceName {
    /// The CPU (Burn's Flex backend with Faculty's kernels).
    #[default]
    Cpu,
    /// A GPU through WebGPU (Vulkan, Metal or DirectX); the number counts adapters.
    Wgpu(Option<usize>),
    /// An NVIDIA GPU through CUDA.
    Cuda(usize),
}

impl FromStr for DeviceName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, index) = match text.split_once(':') {
            Some((kind, index)) => {
                let index = index.parse::<usize>().map_err(|_| {
                    Error::input(format!("`{index}` is not a device number"))
                        .key("--device")
                        .expected("for example cuda:0")
                })?;
                (kind, Some(index))
            }
            None => (text, None),
        };
        match (kind, index) {
            ("cpu", None) => Ok(Self::Cpu),
            ("wgpu", index) => Ok(Self::Wgpu(index)),
            ("cuda", index) => Ok(Self::Cuda(index.unwrap_or(0))),
            _ => {
                let error = Error::input(format!("unknown device `{text}`"))
                    .key("--device")
                    .expected("cpu, wgpu[:n] or cuda[:n]");
                Err(match nearest(kind, ["cpu", "wgpu", "cuda"]) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                })
            }
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu(None) => f.write_str("wgpu"),
            Self::Wgpu(Some(index)) => write!(f, "wgpu:{index}"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceName {
    /// Opens the device.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Device`] if this build has no such backend, or this machine no such device.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Wgpu(index) => open_wgpu(index),
            Self::Cuda(index) => open_cuda(index),
        }
    }
}

#[cfg(any(not(feature = "wgpu"), not(feature = "cuda")))]
fn not_built(name: &str) -> Error {
    Error::new(ErrorKind::Device, format!("this build has no `{name}` backend"))
        .key("--device")
        .help(format!("build with `cargo build --release -p faculty --features {name}`, or use --device cpu"))
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn absent(name: &str, found: usize, why: &str) -> Error {
    Error::new(ErrorKind::Device, format!("device `{name}` is not available: {found} found{why}"))
        .key("--device")
        .help("check the driver, choose another number, or use --device cpu")
}

#[cfg(not(feature = "wgpu"))]
fn open_wgpu(_: Option<usize>) -> Result<Device> {
    Err(not_built("wgpu"))
}

#[cfg(feature = "wgpu")]
fn open_wgpu(index: Option<usize>) -> Result<Device> {
    use burn::tensor::{DeviceKind, DeviceType};
    let name = DeviceName::Wgpu(index).to_string();
    // The driver stack panics where it finds no adapter: look first, and answer with an error.
    let found = std::panic::catch_unwind(|| Device::enumerate(DeviceType::Wgpu).into_vec())
        .map_err(|_| absent(&name, 0, " (the Vulkan/Metal/DX12 loader could not be started)"))?;
    if found.is_empty() || index.is_some_and(|index| index >= found.len()) {
        return Err(absent(&name, found.len(), ""));
    }
    Ok(match index {
        None => Device::wgpu(DeviceKind::DefaultDevice),
        Some(index) => found[index].clone(),
    })
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(_: usize) -> Result<Device> {
    Err(not_built("cuda"))
}

#[cfg(feature = "cuda")]
fn open_cuda(index: usize) -> Result<Device> {
    use burn::tensor::DeviceType;
    let name = DeviceName::Cuda(index).to_string();
    // The CUDA libraries are opened at run time, and a missing one is a panic: look first, and answer with an error.
    let found = std::panic::catch_unwind(|| Device::enumerate(DeviceType::Cuda).into_vec())
        .map_err(|_| absent(&name, 0, " (libcuda or NVRTC could not be opened)"))?;
    if index >= found.len() {
        return Err(absent(&name, found.len(), ""));
    }
    Ok(Device::cuda(index))
}
