//! Whether, and how long, a model thinks before it answers.

/// How much a model thinks before it answers, where its template lets that be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// Not at all.
    Off,
    /// As its template has it when it thinks.
    On,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}
