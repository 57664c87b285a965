//! Losses over a union of 90 labels, three teachers, batches of 32: value and gradient.
#![allow(missing_docs, clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use criterion::{Criterion, criterion_group, criterion_main};
use faculty_core::{Aliases, LabelJoin, LabelSpace, Stream};
use faculty_losses::{Amalgamate, GatedKl, JoinTensors, Uhc, VanillaKd};
use faculty_nn::{Gate, StudentView, TeacherView};

fn random(name: &str, rows: usize, columns: usize, device: &Device) -> Tensor<2> {
    let stream = Stream::new(1, name);
    let values: Vec<f32> = (0..(rows * columns) as u64).map(|index| stream.normal_at(index) as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

fn losses(criterion: &mut Criterion) {
    let device = Device::flex();
    let spaces: Vec<LabelSpace> =
        (0..3).map(|t| LabelSpace::new((0..30).map(|label| format!("intent {t}.{label}"))).unwrap()).collect();
    let names = ["a", "b", "c"];
    let parts: Vec<(&str, &LabelSpace)> = names.into_iter().zip(&spaces).collect();
    let join = JoinTensors::new(&LabelJoin::build(&parts, &Aliases::default()).unwrap(), &device);
    let view = |name| TeacherView::from_logits(random(name, 32, 30, &device));
    let teachers = names.map(view);
    let gate = Gate { weights: Tensor::full([32, 3], 1.0 / 3.0, &device), sample_weights: None };
    let mut group = criterion.benchmark_group("loss and gradient, 32 x 90");
    for loss in [
        &GatedKl::default() as &dyn Amalgamate,
        &VanillaKd::default() as &dyn Amalgamate,
        &Uhc::default() as &dyn Amalgamate,
    ] {
        group.bench_function(loss.name(), |bencher| {
            let logits = random("student", 32, 90, &device.clone().autodiff()).require_grad();
            let student = StudentView::new(logits);
            bencher.iter(|| loss.loss(&student, &teachers, &gate, &join).unwrap().total().backward());
        });
    }
    group.finish();
}

criterion_group!(benches, losses);
criterion_main!(benches);
