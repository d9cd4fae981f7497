//! Tests of what is found in templates, and of the shapes that follow.

mod describing;
mod finding;
mod shaping;
mod templates;

use super::*;
use crate::ChatTemplate;
use crate::template::TokenNames;

fn template(source: &str) -> ChatTemplate {
    let names = TokenNames {
        bos: "<s>".to_owned(),
        eos: "</s>".to_owned(),
        ..TokenNames::default()
    };
    ChatTemplate::with_names(source, None, names, false)
}
