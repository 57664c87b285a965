//! What of a method works beside its losses.

use crate::Recipe;
use crate::aligned::Aligned;
use crate::anchors::AnchorLearner;
use crate::backward::Backward;
use crate::blocks::Blocks;
use crate::companion::{Companion, CompanionSetup};
use crate::guessing::GuessLearner;
use crate::rewriting::RewritingLearner;
use crate::tails::Tails;
use faculty_core::{Error, Result};

/// The companions of a recipe, in the order in which their losses are summed. `blocks` are prepared before the gate, which may be
/// theirs.
///
/// # Errors
/// As the companions' own; also of embeddings to be guessed for a task of pairs.
pub(super) fn companions<'a>(
    recipe: &Recipe,
    blocks: Option<Blocks<'a>>,
    setup: CompanionSetup<'_, 'a>,
) -> Result<Vec<Box<dyn Companion + 'a>>> {
    let mut companions: Vec<Box<dyn Companion + 'a>> = Vec::new();
    if let Some(spec) = &recipe.align {
        companions.push(Box::new(Aligned::new(spec, recipe, setup)?));
    }
    if let Some(spec) = recipe.backward {
        companions.push(Box::new(Backward::new(spec, setup)?));
    }
    if let Some(spec) = recipe.guessing {
        if setup.transfer.has_pairs() {
            let error = Error::input("the task is one of pairs, and guessed embeddings are single texts");
            return Err(error.key("guessing").expected("a method that reads text"));
        }
        companions.push(Box::new(GuessLearner::new(spec, recipe.gate(), setup)?));
    }
    if let Some(spec) = recipe.anchors {
        companions.push(Box::new(AnchorLearner::new(spec, setup)?));
    }
    if let Some(spec) = &recipe.rewriting {
        companions.push(Box::new(RewritingLearner::new(spec.clone(), setup)?));
    }
    if let Some(blocks) = blocks {
        companions.push(Box::new(blocks));
    }
    if let Some(spec) = recipe.tails {
        companions.push(Box::new(Tails::new(spec, setup)?));
    }
    Ok(companions)
}
