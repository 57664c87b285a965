//! What of a recipe makes no sense.

use super::Recipe;
use crate::Rewriting;
use faculty_core::{Error, Result};

impl Recipe {
    /// # Errors
    /// Fails if a setting is out of range or parts do not fit each other; the error names the key.
    pub fn check(&self, teachers: usize) -> Result<()> {
        if let Some(gate) = self.gate() {
            gate.check(teachers).map_err(|error| error.help("in the method's gate"))?;
        }
        if self.needs_passes() && self.passes.count == 0 {
            return Err(Error::input("is 0")
                .key("passes.count")
                .expected("at least 1, or a score that needs no passes"));
        }
        if !(0.0..1.0).contains(&self.passes.dropout) {
            return Err(Error::input(format!("is {}", self.passes.dropout))
                .key("passes.dropout")
                .expected("0 to below 1"));
        }
        if self.losses.is_empty() {
            return Err(Error::input("is empty").key("losses").expected("at least one loss over the union"));
        }
        for weighted in &self.losses {
            weighted.loss.build()?;
            check_factor("losses.weight", weighted.weight)?;
            if self.gate().is_none() && self.blocks.is_none() && weighted.loss.reads_gate() {
                return Err(Error::input(format!("the loss `{}` reads a gate", weighted.loss.name()))
                    .key("gate")
                    .expected("a gate, not \"none\""));
            }
        }
        check_factor("align_weight", self.align_weight)?;
        self.backward.map_or(Ok(()), |backward| backward.check())?;
        self.anchors.map_or(Ok(()), |anchors| anchors.check())?;
        self.rewriting.as_ref().map_or(Ok(()), Rewriting::check)?;
        self.check_guessing()?;
        self.check_blocks()?;
        self.check_renewal()?;
        let rounds = &self.rounds;
        if rounds.count == 0 {
            return Err(Error::input("is 0").key("rounds.count").expected("at least 1"));
        }
        if !(0.0..=1.0).contains(&rounds.student_share) {
            let error = Error::input(format!("is {}", rounds.student_share)).key("rounds.student_share");
            return Err(error.expected("0 to 1"));
        }
        if rounds.count > 1 && self.gate().is_none() {
            return Err(Error::input("there is no gate to re-weight").key("rounds.count").expected("1, or a gate"));
        }
        if rounds.count > 1 && rounds.student_share > 0.0 && self.gate().is_some_and(|gate| gate.cap.is_some()) {
            return Err(Error::input("a student that re-weighs the teachers knows of no cap")
                .key("cap")
                .expected("no cap, or rounds.count = 1"));
        }
        Ok(())
    }

    /// Guessed embeddings stand in place of all texts.
    fn check_guessing(&self) -> Result<()> {
        let Some(guessing) = self.guessing else { return Ok(()) };
        guessing.check()?;
        guessing.check_gate(self.gate())?;
        if self.rounds.count > 1 {
            let error = Error::input("a student of guessed embeddings has no texts to weigh teachers on");
            return Err(error.key("rounds.count").expected("1"));
        }
        for (key, is_there) in [
            ("align", self.align.is_some()),
            ("backward", self.backward.is_some()),
            ("anchors", self.anchors.is_some()),
            ("rewriting", self.rewriting.is_some()),
            ("renew", self.renew.is_some()),
        ] {
            if is_there {
                let error = Error::input("reads texts, and guessed embeddings stand in their place").key(key);
                return Err(error.expected(format!("one of `{key}` and `guessing`")));
            }
        }
        Ok(())
    }

    /// Block-wise amalgamation brings a gate of its own; it and tails ask the student themselves.
    fn check_blocks(&self) -> Result<()> {
        if let Some(tails) = self.tails {
            tails.check()?;
            if self.blocks.is_some() || self.guessing.is_some() {
                let error = Error::input("another part asks the student itself about the batch").key("tails");
                return Err(error.expected("no `blocks` and no `guessing` beside `tails`"));
            }
        }
        let Some(blocks) = self.blocks else { return Ok(()) };
        blocks.check()?;
        if self.gate().is_some() {
            let error = Error::input("blocks weigh the teachers themselves").key("gate");
            return Err(error.expected("\"none\" beside `blocks`"));
        }
        if self.guessing.is_some() {
            let error = Error::input("guessed embeddings have no texts whose hidden states could meet");
            return Err(error.key("blocks").expected("one of `blocks` and `guessing`"));
        }
        Ok(())
    }

    /// Of a renewal every part of the training has a gate of its own.
    fn check_renewal(&self) -> Result<()> {
        let Some(renewal) = self.renew else { return Ok(()) };
        renewal.check()?;
        match self.rounds.count > 1 {
            true => Err(Error::input("rounds go on with the gate of the texts before")
                .key("renew")
                .expected("rounds.count = 1 beside `renew`")),
            false => Ok(()),
        }
    }
}

fn check_factor(key: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::input(format!("is {value}")).key(key).expected("0 or a positive number"))
}
