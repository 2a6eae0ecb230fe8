//! What is left to a person once the configuration is written, with what to put into it.

use serde_json::{Map, Value, json};

use super::answers::Answers;
use super::kinds::Doubt;
use super::open::OpenColumn;
use super::proposal::{Proposal, Question};
use crate::entry::command::leaning::Leaning;

/// What is left to do, a line each.
pub(super) fn lines(answers: &Answers, proposal: &Proposal) -> Vec<String> {
    let mut lines = proposal.remarks.clone();
    let mut open: Vec<&OpenColumn> = Vec::new();
    for question in &proposal.questions {
        match question {
            Question::Consent(column) => open.push(column),
            other => lines.push(to_do(other)),
        }
    }
    lines.extend(of_consent(answers, &open));
    if answers.consent.is_none() {
        let connection = if answers.base_url.is_some() { "sandbox" } else { answers.api.name() };
        let by = answers.agreed_by.as_ref().map_or("WHO".to_owned(), |by| json!(by).to_string());
        lines.push(format!(
            "to do: before run, add to connections.{connection}: \"consent\": {{ \"agreed_by\": {by}, \"agreed_on\": \
             \"YYYY-MM-DD\" }}; plan needs none"
        ));
    }
    lines
}

fn to_do(question: &Question) -> String {
    match question {
        Question::Email(columns) => format!("to do: name the column of addresses: {}", columns.join(", ")),
        Question::Consent(column) => format!("to do: {} is not used", column.name),
        Question::Reading(column, Doubt::DayOrMonth) => {
            format!(
                "to do: {column} is sent as text: its dates fit day first and month first; say --dates, or add its format"
            )
        }
        Question::Reading(column, Doubt::Decimal) => {
            format!(
                "to do: {column} is sent as text: its points may stand between thousands; say --decimal, or add its type"
            )
        }
    }
}

/// Columns of consent that are not used, and one block for all of them: parts of their own would hold a key twice.
fn of_consent(answers: &Answers, open: &[&OpenColumn]) -> Vec<String> {
    let seems =
        |column: &&OpenColumn| format!("to do: {} looks like {} and is not used", column.name, column.leaning.seems());
    let mut lines: Vec<String> = open.iter().map(seems).collect();
    let block = block(answers, open);
    if !block.is_empty() {
        let export = &answers.export;
        lines.push(format!(
            "to do: if they mean what they are called, put this into exports.{export}; its match keeps its other keys:"
        ));
        let last = block.len() - 1;
        let entry = |(at, (key, value)): (usize, (&String, &Value))| {
            format!("    \"{key}\": {}{}", spaced(value), if at < last { "," } else { "" })
        };
        lines.extend(block.iter().enumerate().map(entry));
    }
    lines
}

/// What open columns would be where they mean what they are called, together with what is there already.
fn block(answers: &Answers, open: &[&OpenColumn]) -> Map<String, Value> {
    let mut block = Map::new();
    let (mut suppress, mut require) = (answers.suppress.clone(), answers.require.clone());
    let mut opt_out = answers.opt_out.clone();
    for column in open {
        match (column.leaning, &opt_out) {
            (Leaning::Consent, _) => require.push(column.name.clone()),
            (Leaning::OptOut, Some(_)) => suppress.push(column.name.clone()),
            (Leaning::OptOut, None) => {
                opt_out = Some(column.name.clone());
                block.insert("match".to_owned(), json!({ "unsubscribed": column.name }));
            }
        }
    }
    for (key, names, before) in [("suppress", suppress, &answers.suppress), ("require", require, &answers.require)] {
        if names.len() > before.len() {
            let all: Vec<Value> = names.iter().map(|name| json!({ "column": name, "equals": true })).collect();
            block.insert(key.to_owned(), json!(all));
        }
    }
    block
}

/// JSON in one line, with the spaces that people write.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let entries: Vec<String> =
                object.iter().map(|(key, value)| format!("\"{key}\": {}", spaced(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
