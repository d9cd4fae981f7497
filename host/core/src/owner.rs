//! Who asks: the unit of fairness.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Who asks: a component instance, or all that go by one name. Served tokens are counted for each
/// owner, and waiting requests of equal priority are served so that each gets its share.
///
/// Two owners are the same when their names are.
#[derive(Debug, Clone)]
pub struct Owner {
    name: Arc<str>,
    weight: u32,
    // Of an owner like no other: when the last clone is gone, nobody can come by that name again.
    life: Option<Arc<()>>,
}

/// An owner as those know it who keep something for it: they don't keep it alive.
#[derive(Debug, Clone)]
pub struct OwnerRef {
    name: Arc<str>,
    life: Option<Weak<()>>,
}

impl OwnerRef {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether somebody may come by this name after the process has ended.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.life.is_none()
    }

    /// Whether nobody can come by this name any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.life
            .as_ref()
            .is_some_and(|life| life.strong_count() == 0)
    }
}

impl Owner {
    /// Upper end of an owner's weight.
    pub const MAX_WEIGHT: u32 = 1000;

    /// An owner like no other, with a name made for it (`guest-1`, `guest-2`, ...) and weight 1.
    #[must_use]
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("guest-{number}");
        Self {
            name: name.into(),
            weight: 1,
            life: Some(Arc::new(())),
        }
    }

    /// The owner of that name, with weight 1.
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            weight: 1,
            life: None,
        }
    }

    /// The same owner with another weight: an owner of weight 2 gets twice the tokens of one of
    /// weight 1 while both want more than there is. From 1 to [`MAX_WEIGHT`](Self::MAX_WEIGHT),
    /// which is the caller's to check; 0 counts as 1.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight.max(1);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The owner as those know it who keep something for it: this keeps nothing alive.
    #[must_use]
    pub fn to_ref(&self) -> OwnerRef {
        OwnerRef {
            name: Arc::clone(&self.name),
            life: self.life.as_ref().map(Arc::downgrade),
        }
    }

    /// Its name, shared.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        &self.name
    }
}
