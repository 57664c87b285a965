//! Opening a data file: decompression, the byte-order mark, and honest errors for broken streams.

use crate::Compression;
use faculty_core::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::BlockDecodingStrategy;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

const BUFFER: usize = 1 << 16;

/// An open data file: decompressed, without its byte-order mark.
pub(crate) type Source = BufReader<Box<dyn Read>>;

/// Refuses what is not there, and directories.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::io("open", path, error))?;
    match metadata.is_dir() {
        true => Err(Error::input("is a directory").file(path).expected("a text file")),
        false => Ok(()),
    }
}

/// Opens `path` and looks at its first bytes.
pub(crate) fn open(path: &Path, compression: Compression) -> Result<Source> {
    check_file(path)?;
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut raw = BufReader::with_capacity(BUFFER, file);
    let head = raw.fill_buf().map_err(|e| Error::io("read", path, e))?;
    if head.is_empty() {
        return Err(empty(path));
    }
    if compression == Compression::None {
        refuse_undeclared_compression(path, head)?;
    }
    let reader: Box<dyn Read> = match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => Box::new(MultiGzDecoder::new(raw)),
        Compression::Zstd => Box::new(ZstdFrames::new(raw)),
    };
    let mut source = BufReader::with_capacity(BUFFER, reader);
    skip_byte_order_mark(path, compression, &mut source)?;
    Ok(source)
}

/// The error for a file without any usable row.
pub(crate) fn empty(path: &Path) -> Error {
    Error::input("empty text file").file(path).expected("at least one text")
}

/// The error for a failed read: a broken stream if the file is compressed.
pub(crate) fn read_error(path: &Path, compression: Compression, error: io::Error) -> Error {
    match compression {
        Compression::None => Error::io("read", path, error),
        Compression::Gzip | Compression::Zstd => {
            let name = if compression == Compression::Gzip { "gzip" } else { "Zstandard" };
            Error::input(format!("the {name} stream is broken: {error}"))
                .file(path)
                .help("the file may be cut short; fetch or compress it again")
                .source(error)
        }
    }
}

fn refuse_undeclared_compression(path: &Path, head: &[u8]) -> Result<()> {
    let (name, extension) = match head {
        [0x1f, 0x8b, ..] => ("gzip", ".gz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("Zstandard", ".zst"),
        _ => return Ok(()),
    };
    Err(Error::input(format!("is not UTF-8 text but {name} data"))
        .file(path)
        .line(1)
        .help(format!("rename the file to end in {extension}, behind the extension of its format")))
}

/// Drops a UTF-8 mark; refuses UTF-16, which would otherwise fail line by line.
fn skip_byte_order_mark(path: &Path, compression: Compression, source: &mut Source) -> Result<()> {
    let head = source.fill_buf().map_err(|e| read_error(path, compression, e))?;
    match head {
        [] => Err(empty(path)),
        [0xef, 0xbb, 0xbf, ..] => {
            source.consume(3);
            Ok(())
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(Error::input("is UTF-16, not UTF-8")
            .file(path)
            .line(1)
            .help("convert it, for example with: iconv -f UTF-16 -t UTF-8")),
        _ => Ok(()),
    }
}

/// All frames of a Zstandard file, one behind the other; skippable frames are skipped, checksums are compared.
struct ZstdFrames<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Starts the next frame; false at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let wanted = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(wanted), &mut io::sink())? < wanted {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    fn check_sum(&self) -> io::Result<()> {
        match self.decoder.get_checksum_from_data() {
            Some(stored) if self.decoder.get_calculated_checksum() != Some(stored) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "checksum mismatch"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.in_frame = true;
            }
            while self.decoder.can_collect() < buffer.len() && !self.decoder.is_finished() {
                let missing = buffer.len() - self.decoder.can_collect();
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(missing))
                    .map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.check_sum()?;
            self.in_frame = false;
        }
    }
}
