//! What an editor shows of every key of the schema besides what it is: an example, and what holds without the key.

use serde_json::{Map, Value, json};

/// A key, an example as JSON, and what holds where it is not there. A key in several places means the same in each.
const KEYS: [(&str, &str, &str); 56] = [
    ("$schema", r#""./exports.schema.json""#, "editors know nothing of the file"),
    ("agreed_by", r#""dpo@example.com""#, ""),
    ("agreed_on", r#""2026-11-23""#, ""),
    ("allow_empty", "false", ""),
    ("api", r#""autopilot""#, ""),
    ("base_url", r#""http://127.0.0.1:8080/v1""#, "the vendor's address"),
    ("clear_empty", "true", "false"),
    ("column", r#""EMail""#, "value takes its place"),
    ("connection", r#""autopilot-eu""#, ""),
    ("connections", r#"{"autopilot-eu":{"consent":{"agreed_by":"dpo@example.com","agreed_on":"2026-11-23"}}}"#, ""),
    ("consent", r#"{"agreed_by":"dpo@example.com","agreed_on":"2026-11-23"}"#, "nothing is sent"),
    ("create_fields", "true", ""),
    ("custom", r#"{"Lifetime Value":{"column":"LifetimeValue","type":"float"}}"#, "none"),
    ("decimal", r#"",""#, "a point"),
    ("default", r#""Customer""#, "an empty cell is empty"),
    ("delimiter", r#"";""#, "detected"),
    ("display_name", r#""Autopilot - EU marketing""#, "the connection's own name"),
    ("drop", r#""folder""#, ""),
    ("email", r#""EMail""#, ""),
    ("enabled", "false", ""),
    ("encoding", r#""windows-1252""#, "detected"),
    ("equals", "true", ""),
    (
        "exports",
        r#"{"newsletter":{"connection":"autopilot-eu","match":{"email":"EMail"},"segments":[{"name":"Newsletter"}]}}"#,
        "",
    ),
    ("false", r#"["Nein"]"#, "no further words"),
    ("field", r#""Newsletter member""#, ""),
    ("format", r#""%d.%m.%Y""#, "detected"),
    ("guards", r#"{"max_profiles":250000}"#, ""),
    ("header", "true", "detected"),
    ("honour_optouts", "true", ""),
    ("id", r#""CustomerId""#, "the address alone tells who is who"),
    ("kind", r#""csv""#, "detected"),
    ("lanes", "2", "one for each 10 requests a second"),
    ("list", r#""Newsletter""#, ""),
    ("match", r#"{"email":"EMail","first_name":"FirstName"}"#, ""),
    ("max_leavers_share", "0.2", ""),
    ("max_profiles", "250000", ""),
    ("max_reject_share", "0.1", ""),
    ("membership", r#"{"list":"Newsletter"}"#, "a list, with Ortto a tag, named like the segment"),
    ("name", r#""Newsletter""#, ""),
    ("notify", r#"{"max_reject_share":0.01}"#, ""),
    ("null_values", r#"["NULL","n/a"]"#, "no further words"),
    ("optional", "true", "false"),
    ("others", r#""remove""#, ""),
    ("patience_seconds", "120", ""),
    ("prefix", r#""segments/newsletter/""#, "each run is given its drop"),
    ("reconcile_schedule", r#""cron(0 22 ? * SUN *)""#, "it is compared when somebody asks for it"),
    ("recursive", "true", ""),
    ("region", r#""eu""#, "default"),
    ("schedule", r#""cron(0 6 * * ? *)""#, "it runs when it is started, or something is dropped"),
    ("settle_seconds", "300", ""),
    ("suppression_file", r#""config/suppressed.csv""#, "none"),
    ("tag", r#""Newsletter""#, ""),
    ("true", r#"["Ja"]"#, "no further words"),
    ("unsubscribed", r#""OptedOut""#, "not sent"),
    ("value", r#""Customer Insights""#, "a column is read"),
    ("webhook", r#"{"kind":"slack"}"#, "none"),
];

/// Keys that other values than one fit, or that say themselves what they are.
const OTHERS: [(&str, &str); 8] = [
    ("rejects_days", "7"),
    ("requests_per_second", "20"),
    ("secret", r#""autopilot-export/autopilot-eu""#),
    ("segments", r#"[{"name":"Newsletter","prefix":"segments/newsletter/"}]"#),
    ("time_zone", r#""Europe/Berlin""#),
    ("type", r#""date""#),
    ("unreadable_opt_outs", "3"),
    ("unreadable_rows", "10"),
];

/// What keys are whose types say nothing of them.
const MEANINGS: [(&str, &str); 5] = [
    ("default", "What an empty cell counts as."),
    ("field", "The field's name."),
    ("list", "The list's title."),
    ("tag", "The tag's name."),
    ("value", "The same for every row, instead of a column."),
];

/// Completes every key that the schema describes, at any depth.
pub(super) fn complete(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let required: Vec<String> = object
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    for part in ["properties", "$defs"] {
        for (key, below) in object.get_mut(part).and_then(Value::as_object_mut).into_iter().flatten() {
            complete(below);
            if let Some(described) = below.as_object_mut().filter(|_| part == "properties") {
                describe(key, described, required.contains(key));
            }
        }
    }
    for part in ["anyOf", "oneOf"] {
        object.get_mut(part).and_then(Value::as_array_mut).into_iter().flatten().for_each(complete);
    }
    for part in ["items", "additionalProperties"] {
        object.get_mut(part).into_iter().for_each(complete);
    }
}

fn describe(key: &str, schema: &mut Map<String, Value>, is_required: bool) {
    // Where it refers to, it is described.
    if schema.get("$ref").and_then(Value::as_str).is_some_and(|target| target.contains("/properties/")) {
        return;
    }
    let known = KEYS.iter().find(|(name, ..)| *name == key).map(|(_, example, without)| (*example, *without));
    let other = || OTHERS.iter().find(|(name, _)| *name == key).map(|(_, example)| (*example, ""));
    let (example, without) = match known.or_else(other) {
        Some((example, without)) => (serde_json::from_str(example).unwrap_or_default(), without),
        // A standard field, mapped to a column.
        None => (json!(column(key)), "not sent"),
    };
    let example = match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => json!(example.as_bool().unwrap_or(true)),
        Some("integer") if !example.is_u64() => json!(250),
        Some("number") if !example.is_number() => json!(12.5),
        _ => example,
    };
    let described = schema.get("description").and_then(Value::as_str);
    let meaning = MEANINGS.iter().find(|(name, _)| *name == key).map(|(_, meaning)| *meaning);
    let mut text = described.or(meaning).unwrap_or_default().to_owned();
    if !is_required && !schema.contains_key("default") && !text.contains("Default") && !without.is_empty() {
        text.push_str(&format!(" Default: {without}."));
    }
    schema.insert("description".to_owned(), json!(text));
    schema.entry("examples").or_insert_with(|| json!([example]));
}

/// The column that a standard field is often read from: `first_name` is `FirstName`.
fn column(key: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    key.split('_').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `see` with every key, its schema, and whether it must be there.
    fn keys(schema: &Value, see: &mut impl FnMut(&str, &Value, bool)) {
        let required = |key: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == key));
        for part in ["properties", "$defs"] {
            for (key, below) in schema[part].as_object().into_iter().flatten() {
                keys(below, see);
                if part == "properties" {
                    see(key, below, required(key));
                }
            }
        }
        for part in ["anyOf", "oneOf"] {
            schema[part].as_array().into_iter().flatten().for_each(|below| keys(below, see));
        }
        for part in ["items", "additionalProperties"] {
            schema.get(part).into_iter().for_each(|below| keys(below, see));
        }
    }

    #[test]
    fn every_key_has_a_description_a_default_and_an_example() {
        let root = crate::config::schema();
        let mut seen = 0;
        let mut missing = Vec::new();
        keys(&root, &mut |key, schema, is_required| {
            let schema = match schema["$ref"].as_str().filter(|target| target.contains("/properties/")) {
                Some(target) => root.pointer(target.trim_start_matches('#')).unwrap(),
                None => schema,
            };
            let text = schema["description"].as_str().unwrap_or_default();
            let has_default = is_required || schema.get("default").is_some() || text.contains("Default");
            let has_example = schema["examples"].as_array().is_some_and(|all| !all.is_empty() && !all[0].is_null());
            if !(text.len() > 3 && has_default && has_example) {
                missing.push(format!("{key}: {schema}"));
            }
            seen += 1;
        });
        assert!(missing.is_empty() && seen > 200, "{seen}\n{}", missing.join("\n"));
    }
}
