//! `mynah:llm/settings` of version 0.1.

use mynah_settings::{Memory, Output, Priority, Result, Sampling, Scheduling, Settings, Stopping};

use super::llm::settings as wit;

/// The settings of a request or a context, checked.
pub(super) fn read(settings: wit::Settings, max_priority: Priority) -> Result<Settings> {
    let settings = Settings::from(settings);
    settings.check_up_to(max_priority)?;
    Ok(settings)
}

impl From<wit::Settings> for Settings {
    fn from(settings: wit::Settings) -> Self {
        let wit::Settings {
            sampling,
            stopping,
            memory,
            scheduling,
            output,
        } = settings;
        Self {
            sampling: sampling.map(Sampling::from).unwrap_or_default(),
            stopping: stopping.map(Stopping::from).unwrap_or_default(),
            memory: memory.map(Memory::from).unwrap_or_default(),
            scheduling: scheduling.map(Scheduling::from).unwrap_or_default(),
            output: output.map(Output::from).unwrap_or_default(),
            ..Self::default()
        }
    }
}
