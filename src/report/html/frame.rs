//! What every page has around its content, and the signs in it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::style::STYLE;
use super::words::sign;
use crate::report::Outcome;

/// A whole page around its content.
pub fn frame(title: &str, content: Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    }
    .into_string()
}

/// The sign of an outcome, in its colour.
pub(super) fn badge(outcome: Outcome) -> Markup {
    let class = match sign(outcome) {
        "✓" => "sign good",
        "!" => "sign fair",
        _ => "sign poor",
    };
    html! { span class=(class) aria-hidden="true" { (sign(outcome)) } }
}
