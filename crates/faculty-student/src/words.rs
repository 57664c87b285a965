//! The word table in training: rows in place of a dense gradient and optimizer step.

use burn::module::Param;
use burn::tensor::Tensor;
use faculty_core::Result;
use faculty_nn::fused::{AdamWConfig, RowGradients, SparseAdamW, SparseAdamWState, supports_embeddings};
use faculty_nn::{SequenceClassifier, TokenInput};

/// A word table that autodiff and the module's optimizer leave alone, because a batch reads few of its rows. Weights are
/// equal bytes to those of the dense way.
pub(crate) struct Words {
    optimizer: SparseAdamW,
    collector: RowGradients,
}

impl Words {
    /// Takes the table of `network` over, if it is to be trained and there are kernels for it.
    pub(crate) fn take(mut network: SequenceClassifier, config: AdamWConfig) -> (SequenceClassifier, Option<Self>) {
        let embeddings = &network.encoder.embeddings;
        let table = embeddings.words.val();
        // Without another gradient in the embeddings there would be no backward step to leave that of the words.
        let others = embeddings.norm.gamma.val().is_require_grad() || embeddings.norm.beta.val().is_require_grad();
        if !(table.is_require_grad() && others && supports_embeddings(embeddings)) {
            return (network, None);
        }
        let [rows, width] = table.dims();
        network.encoder.embeddings.words = network.encoder.embeddings.words.set_require_grad(false);
        (network, Some(Self { optimizer: SparseAdamW::new(config, rows, width), collector: RowGradients::new() }))
    }

    /// Before a forward pass: what `input` reads is up to date, and its gradient will come here.
    pub(crate) fn before(
        &mut self,
        network: SequenceClassifier,
        input: TokenInput,
    ) -> Result<(SequenceClassifier, TokenInput)> {
        let rows = input.word_rows();
        let network = with_table(network, |table| self.optimizer.refresh(table, &rows))?;
        Ok((network, input.collecting(&self.collector)))
    }

    /// After a backward pass: the step of the rows that it reached.
    pub(crate) fn step(&mut self, rate: f64, network: SequenceClassifier) -> Result<SequenceClassifier> {
        match self.collector.take() {
            Some(gradient) => with_table(network, |table| self.optimizer.step(rate, table, &gradient)),
            None => Ok(network),
        }
    }

    /// The network with its whole table up to date; training goes on from it as if nothing had been.
    pub(crate) fn catch_up(&mut self, network: SequenceClassifier) -> Result<SequenceClassifier> {
        with_table(network, |table| self.optimizer.finish(table))
    }

    /// Where the optimizer of the table is; the table itself is the network's, as it is.
    pub(crate) fn state(&self) -> SparseAdamWState {
        self.optimizer.state()
    }

    /// Goes back to a state, with the table of that time.
    pub(crate) fn restore(&mut self, state: &SparseAdamWState) -> Result<()> {
        self.optimizer = self.optimizer.restored(state)?;
        Ok(())
    }

    /// The network with its whole table up to date and wanting gradients again.
    pub(crate) fn give_back(mut self, network: SequenceClassifier) -> Result<SequenceClassifier> {
        let mut network = self.catch_up(network)?;
        network.encoder.embeddings.words = network.encoder.embeddings.words.set_require_grad(true);
        Ok(network)
    }
}

/// Changes the table in place: `change` gets the only handle of its memory (unless somebody outside holds another).
fn with_table(
    mut network: SequenceClassifier,
    change: impl FnOnce(Tensor<2>) -> Result<Tensor<2>>,
) -> Result<SequenceClassifier> {
    let (id, table, mapper) = network.encoder.embeddings.words.consume();
    let table = Tensor::from_inner(change(table.inner())?);
    network.encoder.embeddings.words = Param::from_mapped_value(id, table, mapper);
    Ok(network)
}
