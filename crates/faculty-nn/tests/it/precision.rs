//! Which precision takes effect where.

use faculty_nn::{DeviceName, Precision, PrecisionChoice, fused};

#[test]
fn names_are_read_and_a_wrong_one_suggests_the_nearest() {
    for name in ["f32", "bf16", "auto"] {
        assert_eq!(name.parse::<PrecisionChoice>().unwrap().to_string(), name);
    }
    let error = "bf17".parse::<PrecisionChoice>().unwrap_err().to_string();
    assert!(error.contains("f32, bf16 or auto") && error.contains("did you mean `bf16`?"), "{error}");
}

#[test]
fn on_the_cpu_bf16_is_what_was_asked_for_and_auto_what_is_fast() {
    let fast = fused::bf16_is_fast();
    assert_eq!(PrecisionChoice::F32.on(DeviceName::Cpu), (Precision::F32, None));
    let (precision, warning) = PrecisionChoice::Bf16.on(DeviceName::Cpu);
    assert_eq!((precision, warning.is_some()), (Precision::Bf16, !fast));
    let best = if fast { Precision::Bf16 } else { Precision::F32 };
    assert_eq!(PrecisionChoice::Auto.on(DeviceName::Cpu), (best, None));
    assert_eq!(fused::features().contains(&"avx512_bf16"), fast);
}

#[test]
fn a_gpu_computes_in_f32_and_an_explicit_bf16_is_answered_with_a_warning() {
    for device in [DeviceName::Wgpu(None), DeviceName::Cuda(0)] {
        let (precision, warning) = PrecisionChoice::Bf16.on(device);
        assert_eq!(precision, Precision::F32);
        assert!(warning.unwrap().contains("no effect on a GPU"));
        for choice in [PrecisionChoice::F32, PrecisionChoice::Auto] {
            assert_eq!(choice.on(device), (Precision::F32, None));
        }
    }
}
