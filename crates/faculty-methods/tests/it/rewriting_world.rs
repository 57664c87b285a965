//! A student, its teachers, a generator that rewrites, and texts.

use crate::sentences::sentences;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use faculty_core::{Aliases, LabelJoin, NamedTensor, Stream};
use faculty_methods::{GeneratorStep, Rewriting, TextRewriter};
use faculty_model::{Classifier, MaskedModel, Tokens};
use faculty_nn::DropoutPlan;
use faculty_testkit::{TinySpec, tiny_classifier_dir};
use std::path::Path;

/// A student over four labels, two teachers of two each (one of them wider), a generator, and texts.
pub struct World {
    pub dir: tempfile::TempDir,
    pub student: Classifier,
    pub teachers: Vec<Classifier>,
    pub generator: MaskedModel,
    pub join: LabelJoin,
    pub tokens: Tokens,
}

pub const TEXTS: usize = 6;

/// A masked language model below `dir/generator`.
pub fn tiny_generator(dir: &Path) -> MaskedModel {
    let base = tiny_classifier_dir(dir.join("base"), &TinySpec { gain: 3.0, ..TinySpec::new(["a", "b"]).seed(7) });
    let mut model = MaskedModel::start_from(base, Stream::new(7, "head"), &Device::flex()).unwrap();
    // Fresh words are short vectors, and as an output layer they could tell no token from another.
    let words = model.network.encoder.embeddings.words.val().mul_scalar(6.0);
    model.network.encoder.embeddings.words = Param::from_tensor(words);
    let target = dir.join("generator");
    std::fs::create_dir_all(&target).unwrap();
    model.write_into(&target).unwrap();
    MaskedModel::open(target, &Device::flex()).unwrap()
}

pub fn world() -> World {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let open = |name: &str, spec: TinySpec| {
        Classifier::open(tiny_classifier_dir(dir.path().join(name), &TinySpec { gain: 6.0, ..spec }), &device).unwrap()
    };
    let student = open("student", TinySpec::new(["a", "b", "c", "d"]).seed(1));
    let wide = TinySpec { hidden: 48, ..TinySpec::new(["c", "d"]).seed(3) };
    let teachers = vec![open("one", TinySpec::new(["a", "b"]).seed(2)), open("two", wide)];
    let parts = [("one", &teachers[0].labels), ("two", &teachers[1].labels)];
    let join = LabelJoin::build(&parts, &Aliases::default()).unwrap();
    let generator = tiny_generator(dir.path());
    let tokens = student.tokenize(&sentences(TEXTS, 4), None).unwrap();
    World { student, teachers, generator, join, tokens, dir }
}

/// Without dropout and balance: what is computed is a formula.
pub fn plain() -> Rewriting {
    Rewriting {
        mask_rate: 0.4,
        student_dropout: false,
        generator_dropout: false,
        balance_weight: 0.0,
        ..Rewriting::default()
    }
}

pub fn rows() -> Vec<usize> {
    (0..TEXTS).collect()
}

impl World {
    pub fn rewriter(&self, spec: Rewriting) -> TextRewriter {
        let teachers: Vec<&Classifier> = self.teachers.iter().collect();
        TextRewriter::new(spec, &self.generator, &self.student, &teachers, &self.join, 1).unwrap()
    }

    pub fn weights(&self) -> Tensor<2> {
        let rows = [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [1.0, 0.0], [0.3, 0.7], [0.0, 0.0]];
        Tensor::from_floats(rows, &Device::flex())
    }

    pub fn learn(&self, rewriter: &mut TextRewriter, step: usize) -> GeneratorStep {
        let network = &self.student.network;
        let found = rewriter.learn(network, &self.tokens, &rows(), &self.weights(), &DropoutPlan::Off, step);
        found.unwrap().unwrap()
    }
}

pub fn weights_of(rewriter: &TextRewriter, world: &World) -> Vec<NamedTensor> {
    rewriter.generator().valid().export(&world.generator.config).unwrap()
}
