//! Recognises what a file called `.safetensors` really is, so that the error says what to do.

/// What the first bytes of a file that is not safetensors look like: a phrase and advice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// For example "a PyTorch pickle".
    pub(crate) what: &'static str,
    /// What to do about it.
    pub(crate) help: &'static str,
}

/// How to convert a pickle; shared with directories that hold only `pytorch_model.bin`.
pub(crate) const CONVERT_PICKLE: &str = "a pickle can run code when it is opened, so it is refused; convert it with \
     safetensors: model.save_pretrained(DIR, safe_serialization=True) in transformers";

/// Names the format of a file by its first bytes, or `None` if it is none of the usual ones.
///
/// Call it only once the file is known not to be safetensors: `80 02` also begins every safetensors file whose header
/// has 640 bytes.
pub(crate) fn recognise(head: &[u8]) -> Option<Foreign> {
    const EXPORT: &str = "export the model as safetensors: model.save_pretrained(DIR, safe_serialization=True)";
    let found = |what, help| Some(Foreign { what, help });
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    match head {
        [0x80, 2..=5, ..] => found("a pickle; pickle is refused", CONVERT_PICKLE),
        [b'P', b'K', 3, 4, ..] => found("a zip archive, as torch.save writes; pickle is refused", CONVERT_PICKLE),
        [b'G', b'G', b'U', b'F', ..] => found("a GGUF file", EXPORT),
        [0x89, b'H', b'D', b'F', ..] => found("an HDF5 file, as Keras writes", EXPORT),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => found("a NumPy array", EXPORT),
        // Protocol buffer of ONNX: field 1 (ir_version) as a varint below 16, then field 2 (producer_name) as text.
        [8, 1..=15, 0x12, ..] => found("an ONNX model", EXPORT),
        [0x1f, 0x8b, ..] => found("a gzip archive", "unpack it first"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => found("a Zstandard archive", "unpack it first"),
        _ if text.starts_with("version https://git-lfs") => {
            found("a Git LFS pointer, not the weights themselves", "run `git lfs pull` in the repository")
        }
        _ if text.starts_with("<!doctype") || text.starts_with("<html") => {
            found("a web page", "the download failed: fetch the file again")
        }
        _ => None,
    }
}
