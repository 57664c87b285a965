//! A training written down, and taken up again.

use super::{CurvePoint, Position, TrainReport, Trainer};
use crate::checkpoint::{SavedEpoch, SavedPoint, SavedProbe, Tensors, TrainState};
use crate::clock::Clock;
use crate::learner::Learner;
use crate::{Checkpoints, EpochLog, ProbePoint};
use faculty_core::{Error, Event, Result, hash_bytes};

impl Trainer<'_> {
    /// Writes a checkpoint, if this training has any and there is something new. One that cannot be written is a warning:
    /// the one before it is still there.
    pub(super) fn write(
        &self,
        learner: &Learner,
        report: &TrainReport,
        at: Position,
        clock: &mut Clock,
        fingerprint: Option<&str>,
    ) {
        let (Some(checkpoints), Some(fingerprint)) = (self.run.checkpoints, fingerprint) else { return };
        if checkpoints.policy().is_never() || clock.is_written(report.steps) {
            return;
        }
        let written = self.objective.save_state().and_then(|objective| {
            let tensors = learner.state();
            let state = TrainState {
                fingerprint: fingerprint.to_owned(),
                step: report.steps,
                texts: report.texts,
                epoch: at.epoch,
                batch: at.batch,
                seconds: clock.seconds(),
                curve: report.curve.iter().map(SavedPoint::from).collect(),
                epochs: report.epochs.iter().map(SavedEpoch::from).collect(),
                probes: report.probes.iter().map(SavedProbe::from).collect(),
                optimizer_steps: tensors.steps,
                words: tensors.words,
                objective: objective.values,
            };
            let tensors =
                Tensors { network: tensors.network, optimizer: tensors.optimizer, objective: objective.tensors };
            checkpoints.write(&state, tensors)
        });
        clock.tried_to_write();
        match written {
            Ok(()) => clock.wrote(report.steps),
            Err(error) => {
                let text = format!("no checkpoint was written at update {}: {error}", report.steps);
                self.run.observer.on(Event::Warning { text: &text });
            }
        }
    }

    /// The training as its newest sound checkpoint has it.
    pub(super) fn resume(
        &mut self,
        checkpoints: &Checkpoints,
        fingerprint: &str,
        learner: &Learner,
    ) -> Result<Option<(Learner, TrainReport, Position)>> {
        let Some(saved) = checkpoints.newest(fingerprint, self.run.observer) else { return Ok(None) };
        let restored = learner
            .restored(self.classifier, self.settings, &saved)
            .and_then(|learner| Ok((learner, saved.objective()?)));
        let (learner, tensors) = match restored {
            Ok(restored) => restored,
            Err(error) => {
                let text = format!("a checkpoint cannot be used, the training starts from its beginning: {error}");
                self.run.observer.on(Event::Warning { text: &text });
                return Ok(None);
            }
        };
        let state = saved.state;
        self.objective
            .load_state(state.objective, &tensors)
            .map_err(|error| error.file(checkpoints.dir()).help("remove the folder to start the training anew"))?;
        let report = TrainReport {
            steps: state.step,
            texts: state.texts,
            seconds: state.seconds,
            curve: state.curve.into_iter().map(CurvePoint::from).collect(),
            epochs: state.epochs.into_iter().map(EpochLog::from).collect(),
            counts: Vec::new(),
            probes: state.probes.into_iter().map(ProbePoint::from).collect(),
        };
        self.run.observer.on(Event::Skip { units: report.texts as u64, reason: "from a checkpoint" });
        Ok(Some((learner, report, Position { epoch: state.epoch, batch: state.batch })))
    }

    /// SHA-256 of what determines this training, as far as it is known here.
    pub(super) fn fingerprint(&self, checkpoints: &Checkpoints) -> Result<String> {
        let texts: Vec<u8> = self
            .tokens
            .identities
            .iter()
            .zip(&self.tokens.rows)
            .flat_map(|(identity, row)| identity.to_le_bytes().into_iter().chain(row.ids.len().to_le_bytes()))
            .collect();
        let first: Vec<u8> = (self.plan)(0).iter().flatten().flat_map(|row| row.to_le_bytes()).collect();
        let mut determines = serde_json::json!({
            "key": checkpoints.key(),
            "settings": self.settings,
            "precision": format!("{:?}", self.settings.precision.resolve()),
            "seed": self.run.seed,
            "noise": self.run.noise,
            "steps": self.steps,
            "texts": hash_bytes(&texts),
            "first_pass": hash_bytes(&first),
            "model": self.classifier.config.to_hf(self.classifier.labels.names()),
        });
        // Other points would leave gaps in what was found; none are as if there were no probe.
        if let Some(points) = self.run.probe.map(|probe| probe.points()).filter(|&points| points > 0) {
            determines["probes"] = points.into();
        }
        if let Some(part) = &self.run.part {
            determines["passes"] = serde_json::json!([part.from, part.to]);
        }
        let json = serde_json::to_vec(&determines)
            .map_err(|error| Error::internal("the settings of a training cannot be written").source(error))?;
        Ok(hash_bytes(&json))
    }
}
