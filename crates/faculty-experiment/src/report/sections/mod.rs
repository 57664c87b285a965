//! The sections of the page, a file each. A section without anything to show is left out.

mod calibration;
mod cost;
mod curves;
mod differences;
mod gates;
mod opening;
mod out_of_scope;
mod provenance;
mod results;
mod slices;
mod texts;
mod training;

pub(super) use calibration::calibration;
pub(super) use cost::cost;
pub(super) use differences::differences;
pub(super) use gates::gates;
pub(super) use opening::{failures, opening};
pub(super) use out_of_scope::out_of_scope;
pub(super) use provenance::provenance;
pub(super) use results::results;
pub(super) use slices::slices;
pub(super) use texts::texts;
pub(super) use training::training;
