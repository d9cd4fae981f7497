//! The styles that all parts of the display share.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Block;

pub(super) const TITLE: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const FAINT: Style = Style::new().fg(Color::DarkGray);

/// A border with a title.
pub(super) fn block(title: &str) -> Block<'static> {
    Block::bordered()
        .border_style(FAINT)
        .title(Line::styled(format!(" {title} "), TITLE))
}
