//! The lists of texts that students learn from: the task's transfer set, and one for every `[[text]]` that a row names.

use super::writing::Written;
use crate::access::GuardedTexts;
use crate::data::ExperimentData;
use crate::plan::Cell;
use crate::raw::CellStatus;
use faculty_core::{Error, LabelJoin, Result};
use faculty_methods::Intended;
use faculty_textgen::Commissioned;
use std::borrow::Cow;

/// The list of the task's own texts.
pub(super) const TASK: usize = 0;

/// Texts that students learn from.
pub(super) struct TextList {
    /// Of a `[[text]]`, its name.
    pub(super) name: Option<String>,
    pub(super) texts: Vec<String>,
    /// Classes of the union: the task's true ones, which are for ceilings and analyses, or those that texts were written
    /// for. Texts without a class stand behind the others.
    labels: Vec<usize>,
    /// Whom each text was written for; nothing of the task's own.
    intended: Option<Vec<Intended>>,
    /// Why nothing was written, if what writes is not on this machine.
    absence: Option<String>,
}

impl TextList {
    /// For progress displays: "transfer", or the list's name.
    pub(super) fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| "transfer".to_owned(), |name| format!("`{name}`"))
    }

    /// Of a list that was written: its name, and the classes that its first texts were written for, all those that have one.
    pub(super) fn written_for(&self) -> Option<(&str, &[usize])> {
        Some((self.name.as_deref()?, &self.labels))
    }
}

/// Texts, and whom they were written for.
pub(super) type Given<'a> = (Cow<'a, [String]>, Option<Cow<'a, [Intended]>>);

/// All lists; the first is the task's.
pub(super) struct StudentTexts {
    lists: Vec<TextList>,
}

impl StudentTexts {
    /// The task's texts, and behind them what was written, one list for every `[[text]]` in order.
    ///
    /// # Errors
    /// Fails if a text was written for a class that the join lacks.
    pub(super) fn new(data: &ExperimentData, join: &LabelJoin, written: Vec<Written>) -> Result<Self> {
        let (texts, labels) = (data.transfer_texts(), data.transfer.labels.clone());
        let mut lists = vec![TextList { name: None, texts, labels, intended: None, absence: None }];
        for Written { record, texts, absence, .. } in written {
            let class = |text: &Commissioned| {
                let (teacher, class) = text.class?;
                join.teachers().get(teacher)?.to_union().get(class).copied()
            };
            let labels: Vec<usize> = texts.iter().map_while(class).collect();
            if labels.len() < texts.len() && texts.iter().any(|text| text.class.is_some()) {
                return Err(Error::internal("a text was written for no class of the join"));
            }
            let intended = Some(texts.iter().map(|text| text.class).collect());
            let texts = texts.into_iter().map(|text| text.text).collect();
            lists.push(TextList { name: Some(record.name), texts, labels, intended, absence });
        }
        Ok(Self { lists })
    }

    pub(super) fn lists(&self) -> &[TextList] {
        &self.lists
    }

    /// The texts that the student of a cell learns from, and whom they were written for, where somebody wrote them.
    pub(super) fn given(&self, cell: &Cell, rows: Option<&[usize]>) -> Given<'_> {
        let TextList { texts, intended, .. } = &self.lists[cell.text];
        (super::rows::picked(texts, rows), intended.as_deref().map(|all| super::rows::picked(all, rows)))
    }

    /// Which texts of its list the student of a cell learns from, in their order; `None` = all of them. With `labelled`,
    /// only texts that have a class.
    pub(super) fn rows(&self, cell: &Cell, data: &ExperimentData, labelled: bool) -> Option<Vec<usize>> {
        match cell.text {
            TASK => data.training_rows(cell.drawn, cell.seed, labelled),
            list => {
                let TextList { texts, labels, .. } = &self.lists[list];
                (labelled && labels.len() < texts.len()).then(|| (0..labels.len()).collect())
            }
        }
    }

    /// The classes of the given texts of a cell's list, for the student that is trained: those of the task are behind the
    /// guard, and those that texts were written for are no secret.
    ///
    /// # Errors
    /// Fails if the row did not declare that it reads labels of the task.
    pub(super) fn labels_for(&self, cell: &Cell, rows: Option<&[usize]>) -> Result<Cow<'_, [usize]>> {
        let list = &self.lists[cell.text];
        if cell.text == TASK {
            GuardedTexts::new(&cell.name, cell.access, &list.texts, &list.labels).labels()?;
        }
        Ok(super::rows::labels(&list.labels, rows))
    }

    /// The same for analyses, whatever the row declared.
    pub(super) fn labels_of(&self, cell: &Cell, rows: Option<&[usize]>) -> Cow<'_, [usize]> {
        super::rows::labels(&self.lists[cell.text].labels, rows)
    }

    /// How the cell of a student ends that has nothing to learn from, and why: what writes its texts is not on this machine, or
    /// teachers believed none of those written for them.
    pub(super) fn absence(&self, cell: &Cell) -> Option<(CellStatus, String)> {
        let list = &self.lists[cell.text];
        let title = list.title();
        match &list.absence {
            Some(reason) => Some((CellStatus::NotRun, format!("nobody writes the texts {title} here: {reason}"))),
            None if list.texts.is_empty() => {
                Some((CellStatus::Failed, format!("no text was kept of {title}: its teachers believe none")))
            }
            None => None,
        }
    }

    /// # Errors
    /// Fails if the row did not declare that it reads text of the task, and asks for it.
    pub(super) fn check_access(&self, cell: &Cell) -> Result<()> {
        let list = &self.lists[cell.text];
        match cell.text {
            TASK => GuardedTexts::new(&cell.name, cell.access, &list.texts, &list.labels).texts().map(drop),
            _ => Ok(()),
        }
    }
}
