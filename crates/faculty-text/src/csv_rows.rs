//! Rows of a CSV or TSV file with a header row.

use crate::collect::Collector;
use crate::columns::Columns;
use crate::decompress::{Source, empty, read_error};
use crate::lines::MAX_LINE_BYTES;
use crate::{Compression, RawLabel, ReadOptions};
use csv::{ByteRecord, ReaderBuilder};
use faculty_core::{Error, Result};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;

pub(crate) fn read(
    source: Source,
    delimiter: u8,
    path: &Path,
    compression: Compression,
    options: &ReadOptions,
    rows: &mut Collector<'_>,
) -> Result<()> {
    // Flexible, because a row with the wrong number of fields is reported here, with its line, and not an end.
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(QuoteWatch::new(source, delimiter));
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(|e| csv_error(path, compression, e))? {
        return Err(empty(path));
    }
    let header = header_of(&record, path, reader.get_mut().next_start())?;
    let columns = Columns::choose(path, &header, options)?;
    let text_at = position(&header, &columns.text, path)?;
    let pair_at = columns.pair.as_ref().map(|pair| position(&header, pair, path)).transpose()?;
    let label_at = columns.label.as_ref().map(|label| position(&header, label, path)).transpose()?;
    let places = Places { fields: header.len(), text: text_at, pair: pair_at, label: label_at };

    let mut last = None;
    while !rows.is_full() && reader.read_byte_record(&mut record).map_err(|e| csv_error(path, compression, e))? {
        // A row is judged when the next one is at hand: only the last one can have run into the end of the file.
        if let Some((line, row)) = last.replace((reader.get_mut().next_start(), record.clone())) {
            take(line, &row, &places, rows)?;
        }
    }
    if let Some(opened) = reader.get_ref().unclosed().filter(|_| reader.is_done()) {
        return Err(Error::input("a quote opened here is never closed, so the rows after it cannot be told apart")
            .file(path)
            .line(opened)
            .help("write a field that begins with a quote in quotes, and double the quotes within it"));
    }
    match last {
        Some((line, row)) if !rows.is_full() => take(line, &row, &places, rows),
        _ => Ok(()),
    }
}

fn header_of(record: &ByteRecord, path: &Path, line: u64) -> Result<Vec<String>> {
    record
        .iter()
        .map(|field| std::str::from_utf8(field).map(|name| name.trim().to_owned()))
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| {
            Error::input("the header row is not UTF-8")
                .file(path)
                .line(line)
                .expected("a header row with the names of the columns")
                .source(error)
        })
}

fn position(header: &[String], column: &str, path: &Path) -> Result<usize> {
    let mut at = header.iter().enumerate().filter(|(_, name)| *name == column).map(|(position, _)| position);
    match (at.next(), at.next()) {
        (Some(position), None) => Ok(position),
        (Some(_), Some(_)) => Err(Error::input(format!("two columns are called `{column}`")).file(path).line(1)),
        (None, _) => Err(Error::internal(format!("column `{column}` was chosen but is not there")).file(path)),
    }
}

/// Where in a row what stands.
struct Places {
    fields: usize,
    text: usize,
    pair: Option<usize>,
    label: Option<usize>,
}

fn take(line: u64, record: &ByteRecord, places: &Places, rows: &mut Collector<'_>) -> Result<()> {
    if let Some(error) = record.iter().find_map(|field| std::str::from_utf8(field).err()) {
        return rows.not_utf8(line, error);
    }
    if record.len() != places.fields {
        return rows.broken(line, format!("{} fields, the header has {}", record.len(), places.fields));
    }
    let field = |at: usize| record.get(at).map(String::from_utf8_lossy).unwrap_or_default();
    let label = places.label.and_then(|at| label_of(field(at).trim()));
    let second = places.pair.map(|at| field(at).into_owned());
    rows.text(line, field(places.text).into_owned(), second, label)
}

/// Digits are an integer; "007" is a name, because its digits would not come back from a number.
fn label_of(field: &str) -> Option<RawLabel> {
    if field.is_empty() {
        return None;
    }
    let digits = field.bytes().all(|byte| byte.is_ascii_digit()) && (field == "0" || !field.starts_with('0'));
    match field.parse() {
        Ok(index) if digits => Some(RawLabel::Index(index)),
        _ => Some(RawLabel::Name(field.to_owned())),
    }
}

fn csv_error(path: &Path, compression: Compression, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Error::input(error.to_string()).file(path).help("is a quote left open?")
        }
        csv::ErrorKind::Io(error) => read_error(path, compression, error),
        other => Error::input(format!("cannot be read as CSV: {other:?}")).file(path),
    }
}

/// Follows the stream by the rules of the `csv` crate, for two things the crate does not tell: an unclosed quote, which
/// it reads to the end of the file without a word (every row behind it would vanish in one field), and the true line
/// of a row after `\r\n` or blank lines.
struct QuoteWatch<R> {
    inner: R,
    delimiter: u8,
    state: State,
    line: u64,
    starts: VecDeque<u64>,
    opened: u64,
    quoted_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    RecordStart,
    FieldStart,
    Unquoted,
    Quoted,
    /// A quote inside a quoted field: its end, or the first of a doubled one.
    QuoteInQuoted,
}

impl<R> QuoteWatch<R> {
    fn new(inner: R, delimiter: u8) -> Self {
        let starts = VecDeque::new();
        Self { inner, delimiter, state: State::RecordStart, line: 1, starts, opened: 0, quoted_bytes: 0 }
    }

    /// The line on which the next row begins; to be asked once a row.
    fn next_start(&mut self) -> u64 {
        self.starts.pop_front().unwrap_or(self.line)
    }

    /// The line of a quote that is still open.
    fn unclosed(&self) -> Option<u64> {
        (self.state == State::Quoted).then_some(self.opened)
    }

    fn see(&mut self, byte: u8) {
        let line_end = byte == b'\n' || byte == b'\r';
        if self.state == State::RecordStart && !line_end {
            self.starts.push_back(self.line);
        }
        self.state = match self.state {
            State::Quoted if byte == b'"' => State::QuoteInQuoted,
            State::Quoted => {
                self.quoted_bytes += 1;
                State::Quoted
            }
            State::QuoteInQuoted if byte == b'"' => State::Quoted,
            State::RecordStart | State::FieldStart if byte == b'"' => {
                self.opened = self.line;
                self.quoted_bytes = 0;
                State::Quoted
            }
            _ if line_end => State::RecordStart,
            _ if byte == self.delimiter => State::FieldStart,
            _ => State::Unquoted,
        };
        self.line += u64::from(byte == b'\n');
    }
}

impl<R: Read> Read for QuoteWatch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for &byte in &buffer[..read] {
            self.see(byte);
        }
        if self.quoted_bytes > MAX_LINE_BYTES {
            let message = format!("the quoted field that begins on line {} is longer than 64 MiB", self.opened);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(read)
    }
}
