//! What the owners of the teachers ship, fitted from each teacher's private texts: numbers over its features, no text.

use crate::data::TeacherTexts;
use faculty_core::{Error, Event, Observer, Result, Stream};
use faculty_teacher::{Ask, Teacher, TeacherCache, TeacherOutputs};
use faculty_uncertainty::{DensityRatio, OwnerStatistics, OwnerSummary, RatioSettings, SummarySettings};

/// One entry a teacher; empty if no row reads them.
#[derive(Default)]
pub(super) struct Owners {
    summaries: Vec<OwnerSummary>,
    ratios: Vec<DensityRatio>,
}

impl Owners {
    pub(super) fn statistics(&self) -> OwnerStatistics<'_> {
        OwnerStatistics { summaries: &self.summaries, ratios: &self.ratios }
    }

    /// Adds the next teacher's: from its features of the owner's texts, and of the transfer texts (what it said to `ask`) for
    /// the density ratio.
    ///
    /// # Errors
    /// Fails if the teacher was loaded, so that there are no private texts, or a covariance is singular.
    pub(super) fn add(
        &mut self,
        owner: &TeacherTexts,
        teacher: &dyn Teacher,
        cache: &TeacherCache,
        ask: &Ask,
        transfer: &TeacherOutputs,
        observer: &dyn Observer,
    ) -> Result<()> {
        if owner.texts.is_empty() {
            return Err(Error::input(format!("teacher `{}` was loaded, and its owner shipped no summary", owner.name))
                .key("row.method.gate.score")
                .expected("a score that needs nothing from owners, such as energy or mc-entropy"));
        }
        let Some(site) = ask.features else {
            return Err(Error::internal("a gate reads features, and none were asked for"));
        };
        let stage = format!("owner of {}: features", owner.name);
        observer.on(Event::Start { stage: &stage, total: owner.texts.len() as u64, unit: "texts" });
        let ask = Ask { passes: None, ..ask.clone() };
        let own = cache.outputs(teacher, &owner.texts.texts, &ask, observer)?;
        observer.on(Event::End { summary: "" });
        let (Some(own), Some(transfer)) = (&own.features, &transfer.features) else {
            return Err(Error::internal("features of an owner's texts were not computed"));
        };
        let summary = OwnerSummary::fit(&own.values, own.width, &owner.texts.labels, site, SummarySettings::default())?;
        if let Some(text) = summary.warning(&owner.name) {
            observer.on(Event::Warning { text: &text });
        }
        self.summaries.push(summary);
        let stream = Stream::new(1, "density ratio").fork(self.ratios.len() as u64);
        let settings = RatioSettings::default();
        self.ratios.push(DensityRatio::fit_sampled(&own.values, &transfer.values, own.width, settings, stream)?);
        Ok(())
    }
}
