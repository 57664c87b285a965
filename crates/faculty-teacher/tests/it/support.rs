//! A tiny teacher and texts.

use burn::tensor::Device;
use faculty_teacher::ClassifierTeacher;
use faculty_testkit::{TinySpec, tiny_classifier_dir};

pub const TEXTS: [&str; 6] = [
    "what is my balance",
    "book a flight to the airport please",
    "how long does the meal cook",
    "pay",
    "turn on the kitchen light and play music",
    "i want a new credit card with a higher limit",
];

pub fn texts() -> Vec<String> {
    TEXTS.iter().map(|&text| text.to_owned()).collect()
}

pub fn teacher(seed: u64, dropout: f32) -> (tempfile::TempDir, ClassifierTeacher) {
    let dir = tempfile::tempdir().unwrap();
    let spec = TinySpec { dropout, ..TinySpec::new(["balance", "flight", "recipe"]).seed(seed) };
    tiny_classifier_dir(dir.path(), &spec);
    let teacher = ClassifierTeacher::open("tiny", dir.path(), &Device::flex()).unwrap();
    (dir, teacher)
}
