//! TensorBoard events: the three protobuf messages that scalars need, by hand.
//!
//! `Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5 }`,
//! `Summary { repeated Value value = 1 }`, `Value { string tag = 1; float simple_value = 2 }`
//! (`tensorboard/compat/proto/{event,summary}.proto`).

use super::record::framed;

/// What every event file begins with.
const VERSION: &str = "brain.Event:2";

/// A TensorBoard event file of scalars. TensorBoard shows every file with `tfevents` in its name.
#[derive(Debug, Clone)]
pub struct EventFile {
    bytes: Vec<u8>,
}

impl EventFile {
    /// A file with its first event, which names the version. Times are seconds since 1970.
    pub fn new(wall_time: f64) -> Self {
        let mut event = Message::default();
        event.double(1, wall_time);
        event.bytes(3, VERSION.as_bytes());
        Self { bytes: framed(&event.0) }
    }

    /// Appends the values of one step as one event. TensorBoard holds them as f32.
    pub fn scalars(&mut self, step: u64, wall_time: f64, values: &[(String, f64)]) {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut entry = Message::default();
            entry.bytes(1, tag.as_bytes());
            entry.float(2, *value as f32);
            summary.bytes(1, &entry.0);
        }
        let mut event = Message::default();
        event.double(1, wall_time);
        event.integer(2, step);
        event.bytes(5, &summary.0);
        self.bytes.extend(framed(&event.0));
    }

    /// The content of the file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A protobuf message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    /// A zero is what a reader takes for granted, and is left out.
    fn integer(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.key(field, 0);
            self.varint(value);
        }
    }

    /// As [`Message::integer`].
    fn double(&mut self, field: u64, value: f64) {
        if value.to_bits() != 0 {
            self.key(field, 1);
            self.0.extend(value.to_le_bytes());
        }
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    /// One of several that a value may be, and so written even if it is 0.
    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}
