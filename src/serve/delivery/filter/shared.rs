//! The filters that are in use, by what they were asked for.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{Budget, Compiled, Filter, Wanted};
use crate::limits::{FILTER_COMPILING_BYTES, FILTERS_BYTES};
use crate::serve::http::refusal::Refusal;

/// All filters, shared by the clients that ask for the same.
#[derive(Debug)]
pub struct Filters {
    budget: Arc<Budget>,
    known: Mutex<HashMap<Wanted, Weak<Compiled>>>,
}

impl Default for Filters {
    fn default() -> Filters {
        Filters {
            budget: Arc::new(Budget::new(FILTERS_BYTES)),
            known: Mutex::default(),
        }
    }
}

impl Filters {
    /// The filter that `wanted` describes, if another client uses it now.
    pub fn known(&self, wanted: &Wanted) -> Option<Filter> {
        self.known.lock().get(wanted)?.upgrade().map(Filter)
    }

    /// The same, compiled where nobody uses it. Blocks for as long as compiling takes.
    pub fn compiled(&self, wanted: &Wanted) -> Result<Filter, Refusal> {
        if let Some(filter) = self.known(wanted) {
            return Ok(filter);
        }
        let share = self.budget.take(FILTER_COMPILING_BYTES).ok_or_else(|| {
            Refusal::unavailable("the filters of all clients take too much memory; try again later")
        })?;
        let filter = Filter::compile(wanted, share)?;
        let mut known = self.known.lock();
        known.retain(|_, filter| filter.strong_count() > 0);
        known.insert(wanted.clone(), Arc::downgrade(&filter.0));
        Ok(filter)
    }

    /// Bytes that the filters take.
    pub fn bytes(&self) -> usize {
        self.budget.taken()
    }
}
