//! Every loss against the contract of `AlignFeatures`.

use burn::tensor::Device;
use faculty_losses::features::{
    AlignSpec, AlignTraining, CflSettings, ContrastiveSettings, DfaSettings, MmdKernels, Trust,
};
use faculty_testkit::align_conformance;

fn conforms(spec: AlignSpec) {
    align_conformance(&|widths, stream| spec.build(widths, stream, &Device::flex()).unwrap());
}

#[test]
fn dfa_conforms() {
    conforms(AlignSpec::Dfa(DfaSettings::default()));
}

#[test]
fn cfl_conforms() {
    conforms(AlignSpec::Cfl(CflSettings::default()));
    conforms(AlignSpec::Cfl(CflSettings { kernels: MmdKernels::Fixed, ..CflSettings::default() }));
}

#[test]
fn contrastive_conforms() {
    conforms(AlignSpec::Contrastive(ContrastiveSettings::default()));
    let all = ContrastiveSettings { trust: Trust::Gate, mmd_weight: 1.0, memory: 4, ..ContrastiveSettings::default() };
    conforms(AlignSpec::Contrastive(all));
}

#[test]
fn as_released_conforms() {
    let training = AlignTraining { as_released: true, learning_rate: 1e-2, ..AlignTraining::default() };
    conforms(AlignSpec::Dfa(DfaSettings { training, ..DfaSettings::default() }));
    conforms(AlignSpec::Cfl(CflSettings { training, ..CflSettings::default() }));
}
