//! Where a parser puts what it has read: events, and what is known of the calls.

use mynah_core::{Event, Tools};

use super::super::parameters::{Kind, Parameters};

/// Largest number of calls in an answer. More of them stay text.
const MAX_CALLS: u32 = 256;

/// Largest length of an id in bytes. The model writes it.
const MAX_ID: usize = 128;

/// The events so far.
#[derive(Debug)]
pub(super) struct Sink {
    events: Vec<Event>,
    tools: Vec<(String, Parameters)>,
    seed: u64,
    started: u32,
    /// Whether the call that started last has not ended.
    is_open: bool,
    /// Whether the model, and not the seed, chose its id: it must not choose it again.
    ids: Vec<String>,
    incomplete: Vec<u32>,
}

impl Sink {
    pub(super) fn new(tools: &Tools, seed: u64) -> Self {
        let tools = tools.list.iter();
        let known = |tool: &mynah_core::Tool| (tool.name.clone(), Parameters::of(tool));
        Self {
            events: Vec::new(),
            tools: tools.map(known).collect(),
            seed,
            started: 0,
            is_open: false,
            ids: Vec::new(),
            incomplete: Vec::new(),
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether a tool's name begins with this.
    pub(super) fn may_be_name(&self, beginning: &str) -> bool {
        self.tools
            .iter()
            .any(|(name, _)| name.starts_with(beginning))
    }

    /// What kind of value an argument of the call is that started last.
    pub(super) fn kind(&self, tool: &str, argument: &str) -> Kind {
        let tool = self.tools.iter().find(|(name, _)| name == tool);
        tool.map_or(Kind::Unknown, |(_, parameters)| parameters.kind(argument))
    }

    pub(super) fn text(&mut self, text: &str) {
        match self.events.last_mut() {
            _ if text.is_empty() => {}
            Some(Event::Text(last)) => last.push_str(text),
            _ => self.events.push(Event::Text(text.to_owned())),
        }
    }

    pub(super) fn reasoning(&mut self, text: &str) {
        match self.events.last_mut() {
            _ if text.is_empty() => {}
            Some(Event::Reasoning(last)) => last.push_str(text),
            _ => self.events.push(Event::Reasoning(text.to_owned())),
        }
    }

    /// Begins a call, unless there is no such tool.
    pub(super) fn start(&mut self, name: &str, id: Option<&str>) -> bool {
        let is_known = self.tools.iter().any(|(known, _)| known == name);
        if !is_known || self.started >= MAX_CALLS {
            return false;
        }
        let index = self.started;
        let is_usable = |id: &&str| {
            let is_new = !self.ids.iter().any(|used| used == id);
            !id.is_empty() && id.len() <= MAX_ID && is_new
        };
        let id = match id.filter(is_usable) {
            Some(id) => id.to_owned(),
            None => self.generated(),
        };
        self.ids.push(id.clone());
        let name = name.to_owned();
        self.events.push(Event::ToolCallStart { index, id, name });
        self.started += 1;
        self.is_open = true;
        true
    }

    /// An id that this answer does not have yet.
    fn generated(&self) -> String {
        let ids = (u64::from(self.started)..).map(|number| generated(self.seed, number));
        let mut new = ids.filter(|id| !self.ids.contains(id));
        new.next().unwrap_or_default()
    }

    /// More arguments of the call that started last.
    pub(super) fn arguments(&mut self, more: &str) {
        let index = self.started.saturating_sub(1);
        match self.events.last_mut() {
            _ if more.is_empty() => {}
            Some(Event::ToolCallArguments { text, index: of }) if *of == index => {
                text.push_str(more);
            }
            _ => self.events.push(Event::ToolCallArguments {
                index,
                text: more.to_owned(),
            }),
        }
    }

    pub(super) fn has_open_call(&self) -> bool {
        self.is_open
    }

    /// The call that started last has all its arguments.
    pub(super) fn complete(&mut self) {
        self.is_open = false;
    }

    /// The call that started last will not have all its arguments.
    pub(super) fn give_up(&mut self) {
        if std::mem::take(&mut self.is_open) {
            self.incomplete.push(self.started.saturating_sub(1));
        }
    }

    pub(super) fn started(&self) -> u32 {
        self.started
    }

    pub(super) fn incomplete(self) -> Vec<u32> {
        self.incomplete
    }
}

/// Nine letters and digits, as the strictest templates want ids.
fn generated(seed: u64, number: u64) -> String {
    const SIGNS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    // SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
    let mut bits = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    let sign = |_| {
        let at = usize::try_from(bits % 62).unwrap_or_default();
        bits /= 62;
        SIGNS.get(at).map_or('0', |sign| char::from(*sign))
    };
    (0..9).map(sign).collect()
}
