//! A backend that runs a script, for tests without a model.
//!
//! It is an example of a backend, and `mynah-wasi` and `mynah` use it in their tests. Embedders can
//! use it in their own tests with the feature `testing`:
//!
//! ```
//! use mynah_core::testing::Scripted;
//! use mynah_core::{Event, Owner, Prompt};
//! use mynah_settings::Settings;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> mynah_core::Result<()> {
//! let model = Scripted::saying("Hello there!").into_model();
//! let mut session = model.session(Owner::unique())?;
//! let mut generation = session.start(Prompt::Text("Hi".into()), Settings::default()).await?;
//! let events = generation.next().await?;
//! assert_eq!(events.first(), Some(&Event::Text("Hello there!".into())));
//! # Ok(())
//! # }
//! ```

mod backend;
mod messages;
mod scripted;
mod source;
mod step;

pub use messages::{check_messages, error_messages};
pub use scripted::Scripted;
pub use source::{EchoLoader, ScriptedSource};
pub use step::{Gate, Step};
