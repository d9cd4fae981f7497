//! `mynah:llm/settings` of version 0.2.

use mynah_settings::{
    FormStart, Memory, Output, Priority, Reasoning, Result, Sampling, Scheduling, Settings,
    Stopping, Thinking,
};

use super::llm::settings as wit;

/// The settings of a request or a context, checked.
pub(super) fn read(settings: wit::Settings, max_priority: Priority) -> Result<Settings> {
    let wit::Settings {
        sampling,
        stopping,
        memory,
        scheduling,
        reasoning,
        output,
        further,
    } = settings;
    let settings = Settings {
        sampling: sampling.map(Sampling::from).unwrap_or_default(),
        stopping: stopping.map(Stopping::from).unwrap_or_default(),
        memory: memory.map(Memory::from).unwrap_or_default(),
        scheduling: scheduling.map(Scheduling::from).unwrap_or_default(),
        reasoning: reasoning.map(Reasoning::from).unwrap_or_default(),
        output: output.map(Output::from).unwrap_or_default(),
    };
    settings.check_up_to(max_priority)?;
    match further {
        Some(document) => settings.with_further(&document, max_priority),
        None => Ok(settings),
    }
}

impl From<wit::Reasoning> for Reasoning {
    fn from(reasoning: wit::Reasoning) -> Self {
        Self {
            thinking: reasoning.thinking.map(Thinking::from),
            budget: reasoning.budget,
            form_start: reasoning.form_start.map(FormStart::from),
        }
    }
}

impl From<wit::Thinking> for Thinking {
    fn from(thinking: wit::Thinking) -> Self {
        match thinking {
            wit::Thinking::Off => Self::Off,
            wit::Thinking::On => Self::On,
            wit::Thinking::Low => Self::Low,
            wit::Thinking::Medium => Self::Medium,
            wit::Thinking::High => Self::High,
        }
    }
}

impl From<wit::FormStart> for FormStart {
    fn from(start: wit::FormStart) -> Self {
        match start {
            wit::FormStart::FirstToken => Self::FirstToken,
            wit::FormStart::AfterReasoning => Self::AfterReasoning,
        }
    }
}
