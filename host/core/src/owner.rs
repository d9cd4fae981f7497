//! Owners of requests. Fairness applies to them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The owner of requests: a component instance, or all that share a name. Served tokens are counted
/// for each owner, and waiting requests of equal priority are served so that each owner gets its
/// share.
///
/// Two owners are equal if their names are.
#[derive(Debug, Clone)]
pub struct Owner {
    name: Arc<str>,
    weight: u32,
    // `Some` for an anonymous owner. After the last clone is dropped, no owner can have its name.
    life: Option<Arc<()>>,
}

/// A weak reference to an owner, for data that is kept for it. It does not keep the owner alive.
#[derive(Debug, Clone)]
pub struct OwnerRef {
    name: Arc<str>,
    life: Option<Weak<()>>,
}

impl OwnerRef {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a later process may have an owner with this name.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.life.is_none()
    }

    /// Whether no owner can have this name any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.life
            .as_ref()
            .is_some_and(|life| life.strong_count() == 0)
    }
}

impl Owner {
    /// Maximum of a weight.
    pub const MAX_WEIGHT: u32 = 1000;

    /// A new anonymous owner with a generated name (`guest-1`, `guest-2`, ...) and weight 1.
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

    /// The owner with this name, with weight 1.
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            weight: 1,
            life: None,
        }
    }

    /// The same owner with another weight. While there is more demand than capacity, an owner of
    /// weight 2 gets twice the tokens of an owner of weight 1. From 1 to
    /// [`MAX_WEIGHT`](Self::MAX_WEIGHT), which the caller must check; 0 counts as 1.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight.max(1);
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// A weak reference, which does not keep the owner alive.
    #[must_use]
    pub fn to_ref(&self) -> OwnerRef {
        OwnerRef {
            name: Arc::clone(&self.name),
            life: self.life.as_ref().map(Arc::downgrade),
        }
    }

    /// The shared name.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        &self.name
    }
}
