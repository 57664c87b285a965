//! AdamW by rows against AdamW over the whole table: equal bits.

use burn::tensor::{DType, Device, Tensor, TensorData};
use faculty_core::Stream;
use faculty_nn::fused::{AdamWConfig, AdamWStep, RowGradient, SparseAdamW, SparseAdamWState, adamw};

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn floats(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn table(values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn normals(stream: Stream, count: usize) -> Vec<f32> {
    (0..count as u64).map(|index| stream.normal_at(index) as f32).collect()
}

/// Values with zeros of both signs and numbers near the smallest among them.
fn start(rows: usize, width: usize) -> Vec<f32> {
    let mut values = normals(Stream::new(1, "start"), rows * width);
    for (index, value) in values.iter_mut().enumerate() {
        match index % 23 {
            3 => *value = 0.0,
            9 => *value = -0.0,
            15 => *value *= 1e-39,
            _ => {}
        }
    }
    values
}

/// Rate of a step: warm-up from 0, then down to 0.
fn rate(step: usize, steps: usize) -> f64 {
    let (step, steps) = (step as f64, steps as f64);
    1e-2 * (step / 5.0).min((steps - step) / steps)
}

fn at(config: AdamWConfig, lr: f64, time: i32) -> AdamWStep {
    AdamWStep {
        lr,
        beta1: config.beta1,
        beta2: config.beta2,
        eps: config.epsilon,
        weight_decay: config.weight_decay,
        bias_correction1: 1.0 - config.beta1.powi(time),
        bias_correction2: 1.0 - config.beta2.powi(time),
    }
}

/// The gradient of a step: some rows of the first three quarters of the table, small or large.
fn gradient(seed: u64, step: usize, rows: usize, width: usize) -> RowGradient {
    let stream = Stream::new(seed, "gradient").fork(step as u64);
    let mut touched: Vec<u32> = (0..3).map(|pick| stream.below_at(pick, rows as u64 * 3 / 4) as u32).collect();
    touched.sort_unstable();
    touched.dedup();
    let scale = [1.0, 1e-3, 1e-20][step % 3];
    let values = normals(stream.fork(1), touched.len() * width).into_iter().map(|value| value * scale).collect();
    RowGradient::new(touched, values, width).unwrap()
}

fn assert_equal(config: AdamWConfig, rows: usize, width: usize, steps: usize) {
    let shape = [rows, width];
    let mut dense = table(start(rows, width), shape);
    let mut sparse = dense.clone();
    let mut optimizer = SparseAdamW::new(config, rows, width);
    let (mut m, mut v) = (None, None);
    for step in 0..steps {
        let lr = rate(step, steps);
        let gradient = gradient(9, step, rows, width);
        // What the forward pass of this step would read.
        sparse = optimizer.refresh(sparse, gradient.rows()).unwrap();
        let (expected, actual) = (floats(dense.clone()), floats(sparse.clone()));
        for row in gradient.rows() {
            let at = *row as usize * width..(*row as usize + 1) * width;
            assert_eq!(bits(&actual[at.clone()]), bits(&expected[at]), "row {row} before step {step}");
        }
        let whole = table(gradient.to_dense(rows), shape);
        let (next, next_m, next_v) = adamw(dense, whole, m, v, at(config, lr, step as i32 + 1));
        (dense, m, v) = (next, Some(next_m), Some(next_v));
        sparse = optimizer.step(lr, sparse, &gradient).unwrap();
        if step % 7 == 3 {
            optimizer = optimizer.restored(&optimizer.state()).unwrap();
        }
        if step == steps / 2 {
            sparse = optimizer.finish(sparse).unwrap();
            assert_eq!(bits(&floats(sparse.clone())), bits(&floats(dense.clone())), "in the middle");
        }
    }
    assert_eq!(optimizer.steps(), steps);
    sparse = optimizer.finish(sparse).unwrap();
    let expected = floats(dense);
    assert_eq!(bits(&floats(sparse.clone())), bits(&expected), "width {width}, {config:?}");
    sparse = optimizer.finish(sparse).unwrap();
    assert_eq!(bits(&floats(sparse)), bits(&expected), "nothing is made up for twice");
}

#[test]
fn trajectories_have_the_bits_of_the_dense_ones() {
    for weight_decay in [0.0, 0.01, 0.5] {
        for width in [1, 31, 32, 77] {
            assert_equal(AdamWConfig { weight_decay, ..AdamWConfig::default() }, 40, width, 60);
        }
    }
}

#[test]
fn moments_that_fade_below_the_normal_numbers_keep_their_bits() {
    // 0.5^150 and 0.9^1200 lie below the normal numbers of f32. Long before that, the moments stop changing parameters.
    let slow = AdamWConfig { epsilon: 1e-3, weight_decay: 0.0, ..AdamWConfig::default() };
    assert_equal(slow, 100, 64, 700);
    // Steps so large that parameters shrink to nothing, or change their sign.
    assert_equal(AdamWConfig { weight_decay: 60.0, ..AdamWConfig::default() }, 60, 64, 300);
    assert_equal(AdamWConfig { weight_decay: 130.0, ..AdamWConfig::default() }, 60, 64, 300);
    assert_equal(AdamWConfig { beta1: 0.5, beta2: 0.6, ..AdamWConfig::default() }, 60, 40, 300);
    assert_equal(AdamWConfig::default(), 600, 3, 1300);
}

#[test]
fn threads_change_no_bit() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (rows, width) = (300, 40);
            let mut optimizer = SparseAdamW::new(AdamWConfig::default(), rows, width);
            let mut sparse = table(start(rows, width), [rows, width]);
            for step in 0..20 {
                let touched: Vec<u32> = (0..rows as u32).filter(|row| row % 3 == step % 3).collect();
                let values = normals(Stream::new(3, "values").fork(u64::from(step)), touched.len() * width);
                let gradient = RowGradient::new(touched, values, width).unwrap();
                sparse = optimizer.step(1e-2, sparse, &gradient).unwrap();
            }
            bits(&floats(optimizer.finish(sparse).unwrap()))
        })
    };
    let one = on(1);
    assert!(on(2) == one && on(3) == one);
}

#[test]
fn other_owners_of_the_table_keep_theirs() {
    let values = start(6, 4);
    let original = table(values.clone(), [6, 4]);
    let mut optimizer = SparseAdamW::new(AdamWConfig::default(), 6, 4);
    let gradient = RowGradient::new(vec![2], vec![1.0; 4], 4).unwrap();
    let changed = optimizer.step(0.1, original.clone(), &gradient).unwrap();
    assert_eq!(bits(&floats(original)), bits(&values));
    assert_ne!(bits(&floats(changed)), bits(&values));
}

#[test]
fn what_does_not_fit_is_refused() {
    let new = || SparseAdamW::new(AdamWConfig::default(), 6, 4);
    let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &Device::flex());
    assert!(new().refresh(zeros([6, 4]), &[0, 5]).is_ok());
    assert!(new().refresh(zeros([6, 4]), &[0, 6]).is_err());
    assert!(new().refresh(zeros([6, 4]), &[3, 1]).is_err());
    assert!(new().refresh(zeros([6, 4]), &[3, 3]).is_err());
    assert!(new().refresh(zeros([5, 4]), &[0]).is_err());
    assert!(new().finish(zeros([6, 4]).cast(DType::F64)).is_err());
    assert!(new().step(0.1, zeros([6, 4]), &RowGradient::new(vec![0], vec![0.0; 3], 3).unwrap()).is_err());
    assert!(new().step(0.1, zeros([6, 4]), &RowGradient::new(vec![9], vec![0.0; 4], 4).unwrap()).is_err());
}

#[test]
fn a_state_that_contradicts_itself_is_refused() {
    let mut optimizer = SparseAdamW::new(AdamWConfig::default(), 6, 4);
    let mut sparse = table(start(6, 4), [6, 4]);
    for row in [2, 4] {
        let gradient = RowGradient::new(vec![row], vec![1.0; 4], 4).unwrap();
        sparse = optimizer.step(0.1, sparse, &gradient).unwrap();
    }
    let whole = optimizer.state();
    assert_eq!((&whole.rows[..], &whole.steps[..], &whole.touched[..]), (&[2, 4][..], &[1, 2][..], &[2, 4][..]));
    assert_eq!(whole.history.len(), 2 * SparseAdamWState::STEP_NUMBERS);
    let fresh = SparseAdamW::new(AdamWConfig::default(), 6, 4);
    assert_eq!(fresh.restored(&whole).unwrap().state(), whole);
    let changed = |change: &dyn Fn(&mut SparseAdamWState)| {
        let mut state = whole.clone();
        change(&mut state);
        fresh.restored(&state)
    };
    assert!(changed(&|state| state.rows[1] = 6).is_err(), "a row outside");
    assert!(changed(&|state| state.touched.swap(0, 1)).is_err(), "rows out of order");
    assert!(changed(&|state| state.steps[0] = 3).is_err(), "a row ahead of its history");
    assert!(changed(&|state| state.steps.truncate(1)).is_err());
    assert!(changed(&|state| state.m.truncate(7)).is_err());
    assert!(changed(&|state| state.v.push(1.0)).is_err());
    assert!(changed(&|state| state.history.truncate(9)).is_err());
    assert!(SparseAdamW::new(AdamWConfig::default(), 6, 3).restored(&whole).is_err(), "another width");
    assert!(SparseAdamW::new(AdamWConfig::default(), 4, 4).restored(&whole).is_err(), "another table");
}
