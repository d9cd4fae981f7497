//! The name of a model in the log.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// The name of a model in the log: the first name under which it was granted, and until then the
/// name in its file. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct LogName(Arc<Names>);

#[derive(Debug)]
struct Names {
    in_file: Box<str>,
    granted: OnceLock<Arc<str>>,
}

impl LogName {
    /// Sets the name under which the model is granted. Only the first one has an effect.
    pub(crate) fn grant(&self, name: &Arc<str>) {
        self.0.granted.get_or_init(|| Arc::clone(name));
    }
}

impl From<&str> for LogName {
    fn from(in_file: &str) -> Self {
        Self(Arc::new(Names {
            in_file: in_file.into(),
            granted: OnceLock::new(),
        }))
    }
}

impl Deref for LogName {
    type Target = str;

    fn deref(&self) -> &str {
        let Names { in_file, granted } = &*self.0;
        granted.get().map_or(in_file, |name| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcomer 16.
    #[test]
    fn a_model_is_called_by_its_first_grant() {
        let name = LogName::from("the name in the file");
        let of_the_worker = name.clone();
        assert_eq!(&*of_the_worker, "the name in the file");
        for granted in ["default", "small"] {
            name.grant(&granted.into());
            assert_eq!(&*of_the_worker, "default");
        }
    }
}
